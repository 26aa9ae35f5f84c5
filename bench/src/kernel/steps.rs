//! The program's steps by themselves, as `BPF_PROG_TEST_RUN` measures them.
//!
//! What it leaves out: the hook, the look-up of the flow by its socket (a test
//! packet has none), the payload in pages (a test packet is in one piece) and the
//! checksum that is left to the device. What those cost is in the profile.

use crate::stats::Summary;
use anyhow::{Context, ensure};
use aya::programs::{TestRun, TestRunOptions};
use krtp::kernel::object::{BY_SLOT, EGRESS, Object};
use rtp_common::{carrier, flow::FlowState, notes::Note};

/// Runs of a program that leaves its packet as it is.
const RUNS: u32 = 1_000_000;
/// Packets of a program that rewrites them: one run each, since a second run
/// would see the packet already rewritten.
const PACKETS: u32 = 20_000;
/// Packets of a batch.
const SEGMENTS: u32 = 49;

/// Octets of a payload.
const PAYLOAD: u32 = 7 * 188;
const ETHERNET: u32 = 14;
const IPV4: u32 = 20;
const UDP: u32 = 8;
const HEADERS: u32 = ETHERNET + IPV4 + UDP;

/// Octets of `struct __sk_buff` (linux/bpf.h) up to `gso_size`, and where in it
/// is what a test packet needs.
const CONTEXT: usize = 192;
const PRIORITY: usize = 32;
const GSO_SEGS: usize = 164;
const GSO_SIZE: usize = 176;

/// Nanoseconds of each step.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// A bystander's packet: the gate, with the test's loop around it.
    pub bystander: f64,
    /// The first pass of a batch whose headroom is made.
    pub batch: f64,
    /// The second pass, of one packet: the clock that takes it is taken off.
    pub segment: f64,
}

/// Measures the programs of `object`, which nothing else uses.
pub fn measure(object: &mut Object) -> anyhow::Result<Steps> {
    let settings = FlowState { cookie: 1, segmenter: 1, checksum: 1, ..FlowState::default() };
    let slot = object.maps.flows.claim(settings)?;
    ensure!(slot == 0, "slot {slot} of a fresh map");
    let bystander = run(object, EGRESS, &packet(64), &context(0, false), RUNS)?;
    // What a test packet has room for: a page.
    let batch = packet(PAYLOAD * 2);
    let batch = run(object, BY_SLOT, &batch, &context(carrier::encode(0), true), RUNS)?;
    // One run is as long as its clock is coarse: the same for a packet that only passes.
    let clock = singles(object, EGRESS, |_| 0)?;
    let segment = singles(object, BY_SLOT, carrier::encode)?;
    Ok(Steps { bystander, batch, segment: segment - clock })
}

/// The median of single runs on one packet after the other.
fn singles(object: &mut Object, program: &'static str, priority: impl Fn(u64) -> u32) -> anyhow::Result<f64> {
    let packet = packet(PAYLOAD);
    let mut samples = Vec::new();
    for number in 0..u64::from(PACKETS) {
        object.maps.notes.lay(0, number, [Note { sum: 1, piece: 0 }]);
        // As the segments of a batch carry its first packet's number.
        let first = number - number % u64::from(SEGMENTS);
        if first == number {
            run(object, BY_SLOT, &packet, &context(priority(first), true), 1)?;
        }
        samples.push(run(object, program, &packet, &context(priority(first), false), 1)?);
    }
    Ok(Summary::of(samples).median)
}

fn run(
    object: &mut Object,
    program: &'static str,
    packet: &[u8],
    context: &[u8],
    repeat: u32,
) -> anyhow::Result<f64> {
    let options =
        TestRunOptions { data_in: Some(packet), ctx_in: Some(context), repeat, ..TestRunOptions::default() };
    let result = object.program(program)?.test_run(options).context("BPF_PROG_TEST_RUN")?;
    ensure!(result.return_value.cast_signed() != DROPPED, "{program} dropped its packet");
    Ok(result.duration.as_secs_f64() * 1e9)
}

/// `TC_ACT_SHOT`.
const DROPPED: i32 = 2;

/// A UDP packet over IPv4 and Ethernet; what it says of its length is right.
fn packet(payload: u32) -> Vec<u8> {
    let mut packet = vec![0; (HEADERS + payload) as usize];
    let be = |length: u32| u16::try_from(length).expect("a packet fits a page").to_be_bytes();
    packet[12..14].copy_from_slice(&[0x08, 0x00]);
    packet[14] = 0x45;
    packet[16..18].copy_from_slice(&be(IPV4 + UDP + payload));
    packet[23] = 17;
    packet[38..40].copy_from_slice(&be(UDP + payload));
    packet
}

/// The context of a packet, or of a batch.
fn context(priority: u32, batch: bool) -> Vec<u8> {
    let mut context = vec![0; CONTEXT];
    let mut set = |at: usize, value: u32| context[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    set(PRIORITY, priority);
    if batch {
        set(GSO_SIZE, PAYLOAD);
        set(GSO_SEGS, SEGMENTS);
    }
    context
}
