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
/// Packets of one turn: short turns, so that what disturbs one disturbs the next.
const PACKETS: u32 = 2_000;
/// Turns of one sample.
const TURNS: u32 = 10;
/// Sent over each interface before anything counts.
const WARM_UP: u32 = 20_000;
/// Runs of the program by itself.
const RUNS: u32 = 1_000_000;

/// One round: nanoseconds per bystander packet.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Through the interface that krtp is attached to.
    pub attached: f64,
    /// Through the other.
    pub unattached: f64,
}

/// Sends from ordinary sockets, through an interface that krtp is attached to
/// and through another one of its kind, in short turns. Then the interfaces
/// change their parts and a sample is the mean of both, so that what one of
/// them has over the other falls out.
///
/// The difference is what a packet pays for the program and for its hook on
/// the interface.
pub fn sending(namespace: &Namespace, pair: &[Target; 2], rounds: u32) -> anyhow::Result<Vec<Sample>> {
    let one_way = samples(namespace, [&pair[0], &pair[1]], rounds)?;
    let other_way = samples(namespace, [&pair[1], &pair[0]], rounds)?;
    let mean = |(a, b): (Sample, Sample)| Sample {
        attached: f64::midpoint(a.attached, b.attached),
        unattached: f64::midpoint(a.unattached, b.unattached),
    };
    Ok(one_way.into_iter().zip(other_way).map(mean).collect())
}

/// With krtp attached to the first of the two.
fn samples(namespace: &Namespace, pair: [&Target; 2], rounds: u32) -> anyhow::Result<Vec<Sample>> {
    let _krtp = namespace.run(Attachment::for_now(namespace.netlink(), &pair[0].link, 1))?;
    let sockets = [pair[0].socket()?, pair[1].socket()?];
    for socket in &sockets {
        send(socket, WARM_UP)?;
    }
    (0..rounds).map(|_| sample(&sockets)).collect()
}

fn sample(sockets: &[Socket; 2]) -> anyhow::Result<Sample> {
    let mut sums = [0.0; 2];
    for turn in 0..TURNS as usize {
        // Who comes first alternates.
        for which in [turn % 2, 1 - turn % 2] {
            sums[which] += cpu::per_packet(PACKETS, || send(&sockets[which], PACKETS))?;
        }
    }
    let [attached, unattached] = sums.map(|sum| sum / f64::from(TURNS));
    Ok(Sample { attached, unattached })
}

fn send(socket: &Socket, packets: u32) -> anyhow::Result<()> {
    for _ in 0..packets {
        socket.send(&[0; PAYLOAD as usize]).context("a bystander's packet")?;
    }
    Ok(())
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
