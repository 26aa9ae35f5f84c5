//! What krtp costs those who have nothing to do with it.

use crate::{
    cpu,
    devices::{Namespace, Target},
};
use anyhow::Context;
use aya::programs::{TestRun, TestRunOptions};
use krtp::kernel::{
    attach::Attachment,
    object::{EGRESS, Object},
};
use socket2::Socket;

/// Octets of a bystander's payload. The program looks at the priority and at
/// nothing else, so a short packet shows as much, with less noise.
const PAYLOAD: u8 = 64;
/// Packets of one sample.
const PACKETS: u32 = 20_000;
/// Sent before each sample: what attaching made cold becomes warm again.
const WARM_UP: u32 = 2_000;
/// Runs of the program by itself.
const RUNS: u32 = 1_000_000;

/// One round: nanoseconds per bystander packet.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// With krtp attached.
    pub attached: f64,
    /// Without.
    pub unattached: f64,
}

/// Sends from an ordinary socket, with the program attached and without, in
/// turns. The difference is all that a packet pays for the program: the hook,
/// which the kernel switches off altogether while nobody uses it, and the
/// program.
pub fn sending(namespace: &Namespace, target: &Target, rounds: u32) -> anyhow::Result<Vec<Sample>> {
    let socket = target.socket()?;
    let with = || {
        let _attached = namespace.run(Attachment::for_now(namespace.netlink(), &target.link, 1))?;
        sample(&socket)
    };
    (0..rounds)
        .map(|round| {
            // Who comes first alternates.
            Ok(if round % 2 == 0 {
                let attached = with()?;
                Sample { attached, unattached: sample(&socket)? }
            } else {
                let unattached = sample(&socket)?;
                Sample { attached: with()?, unattached }
            })
        })
        .collect()
}

fn sample(socket: &Socket) -> anyhow::Result<f64> {
    let payload = [0; PAYLOAD as usize];
    let send = |packets| {
        for _ in 0..packets {
            socket.send(&payload).context("a bystander's packet")?;
        }
        Ok(())
    };
    send(WARM_UP)?;
    cpu::per_packet(PACKETS, || send(PACKETS))
}

/// The program by itself on a bystander's packet, nanoseconds per run, as
/// `BPF_PROG_TEST_RUN` measures it: without the hook, with the test's own loop.
pub fn program() -> anyhow::Result<f64> {
    let mut object = Object::load(1)?;
    let packet = packet();
    let options = TestRunOptions { data_in: Some(&packet), repeat: RUNS, ..TestRunOptions::default() };
    let result = object.program(EGRESS)?.test_run(options).context("BPF_PROG_TEST_RUN")?;
    Ok(result.duration.as_secs_f64() * 1e9)
}

/// A UDP packet over IPv4 and Ethernet, of nobody in particular.
fn packet() -> Vec<u8> {
    let mut packet = vec![0; 14 + 20 + 8 + usize::from(PAYLOAD)];
    packet[12..14].copy_from_slice(&[0x08, 0x00]);
    packet[14] = 0x45;
    packet[17] = 20 + 8 + PAYLOAD;
    packet[23] = 17;
    packet[39] = 8 + PAYLOAD;
    packet
}
