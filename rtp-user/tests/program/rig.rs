//! The loaded program and one run of it.

use crate::{
    frame::{Frame, Rtp, UdpChecksum, ip_checksum_is_right, naive_sum, udp_checksum_is_right},
    skb::SkBuff,
};
use aya::{
    maps::PerCpuArray,
    programs::{ProgramError, TestRun, TestRunOptions},
};
use krtp::kernel::object::{BY_SLOT, Object};
use rtp_common::{
    carrier,
    flow::FlowState,
    notes::Note,
    reason::{DROPS, SKIPS},
    timeline::{PIECES, Piece},
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// `TC_ACT_UNSPEC`: the packet goes on.
pub const NEXT: i32 = -1;
/// `TC_ACT_SHOT`: the packet is dropped.
pub const DROPPED: i32 = 2;
/// `TC_ACT_REDIRECT`: the packet goes to another interface.
pub const REDIRECTED: i32 = 7;

/// Any interface but zero: `bpf_redirect` only notes the number, and nothing
/// carries it out after a test run.
pub const SEGMENTER: u32 = 1;

/// Longest packet that any kernel takes: a page less what surrounds the packet
/// in it.
const LONGEST: usize = 4096;

/// The program, loaded for one test.
pub struct Rig {
    object: Object,
    sockets: u64,
}

/// What came out of one run.
#[derive(Debug)]
pub struct Outcome {
    pub verdict: i32,
    pub packet: Vec<u8>,
    pub context: SkBuff,
}

/// A flow's counters, as far as a test can foresee them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub packets: u64,
    pub octets: u64,
    pub next_number: u64,
    pub next_sequence: u32,
    pub last_timestamp: u32,
    pub batches: u64,
    pub drops: [u64; DROPS],
}

/// What one packet of a flow must have become.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub rtp: Rtp,
    pub udp_checksum: UdpChecksum,
    pub priority: u32,
    pub departure: u64,
}

impl Rig {
    /// Loads the program with maps of its own. All runs of this thread stay on
    /// one CPU, because the program remembers the passing batch per CPU.
    pub fn new() -> Self {
        stay_on_this_cpu();
        let object =
            Object::load(8).unwrap_or_else(|error| panic!("this test needs the BPF program: {error}"));
        Self { object, sockets: 0 }
    }

    /// Takes a slot for a flow of a socket of its own and clears its sums.
    pub fn claim(&mut self, settings: &FlowState) -> u32 {
        self.sockets += 1;
        let settings = FlowState { cookie: self.sockets, ..*settings };
        let slot = self.object.maps.flows.claim(settings).expect("a free slot");
        self.object.maps.notes.clear(slot);
        slot
    }

    /// Gives a slot back.
    pub fn release(&self, slot: u32) {
        self.object.maps.flows.release(slot);
    }

    /// Notes the payload's sum of packet `number`, on the first piece.
    pub fn lay(&self, slot: u32, number: u64, payload: &[u8]) {
        self.lay_on(0, slot, number, payload);
    }

    /// The same, on the piece at `place`.
    pub fn lay_on(&self, place: usize, slot: u32, number: u64, payload: &[u8]) {
        self.object.maps.notes.lay(slot, number, [Note { sum: naive_sum(payload), piece: place }]);
    }

    /// The flow's state.
    pub fn flow(&self, slot: u32) -> FlowState {
        self.object.maps.flows.read(slot)
    }

    /// The flow's counters.
    pub fn counters(&self, slot: u32) -> Counters {
        Counters::from(&self.flow(slot))
    }

    /// What was passed on although it carried our mark, by reason, of all CPUs.
    pub fn skipped(&self) -> [u64; SKIPS] {
        let map = self.object.ebpf.map("SKIPPED").expect("the object has it");
        let skipped = PerCpuArray::<_, u64>::try_from(map).expect("a per-CPU array");
        std::array::from_fn(|reason| skipped.get(&(reason as u32), 0).expect("an entry").iter().sum())
    }

    /// Runs `program` on `packet`.
    pub fn try_run(
        &mut self,
        program: &'static str,
        packet: &[u8],
        context: SkBuff,
    ) -> Result<Outcome, ProgramError> {
        let mut packet_out = vec![0; LONGEST];
        let mut context_out = SkBuff::default();
        let result = self.object.program(program).expect("loaded").test_run(TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut packet_out),
            ctx_in: Some(bytemuck::bytes_of(&context)),
            ctx_out: Some(bytemuck::bytes_of_mut(&mut context_out)),
            ..TestRunOptions::new()
        })?;
        packet_out.truncate(result.data_size_out as usize);
        Ok(Outcome { verdict: result.return_value.cast_signed(), packet: packet_out, context: context_out })
    }

    /// The same for a packet that the kernel must take.
    pub fn run(&mut self, program: &'static str, packet: &[u8], context: SkBuff) -> Outcome {
        self.try_run(program, packet, context)
            .unwrap_or_else(|error| panic!("test_run of {program} on {packet:02x?}: {error}"))
    }

    /// Runs the packet `number` of the flow in `slot`, which came alone.
    pub fn send(&mut self, slot: u32, number: u64, packet: &[u8]) -> Outcome {
        self.run(BY_SLOT, packet, carrying(slot, number))
    }

    /// Notes `frame`'s payload and sends it as packet `number`, and sees that
    /// what comes out is `expected`.
    pub fn send_well(&mut self, name: &str, slot: u32, number: u64, frame: &Frame, expected: &Expected) {
        self.lay(slot, number, &frame.payload);
        self.send_noted(name, slot, number, frame, expected);
    }

    /// The same for a packet that is noted already.
    pub fn send_noted(&mut self, name: &str, slot: u32, number: u64, frame: &Frame, expected: &Expected) {
        let outcome = self.send(slot, number, &frame.bytes());
        outcome.assert_is(name, frame, expected);
    }
}

impl Outcome {
    /// Sees that this is `frame` behind the `expected` header.
    pub fn assert_is(&self, name: &str, frame: &Frame, expected: &Expected) {
        assert_eq!(self.verdict, NEXT, "{name}: verdict");
        let wanted = frame.as_rtp(expected.rtp, expected.udp_checksum).bytes();
        assert_eq!(self.packet, wanted, "{name}: packet");
        assert!(ip_checksum_is_right(&self.packet), "{name}: IP checksum");
        if expected.udp_checksum == UdpChecksum::Full {
            assert!(udp_checksum_is_right(&self.packet), "{name}: UDP checksum");
        }
        assert_eq!(self.context.priority, expected.priority, "{name}: priority");
        assert_eq!(self.context.tstamp, expected.departure, "{name}: departure");
    }

    /// Sees that nothing happened to `packet`, nor to its context.
    pub fn assert_untouched(&self, name: &str, packet: &[u8], context: &SkBuff) {
        assert_eq!(self.verdict, NEXT, "{name}: verdict");
        assert_eq!(self.packet, packet, "{name}: packet");
        assert_eq!(self.context.priority, context.priority, "{name}: priority");
        assert_eq!(self.context.mark, context.mark, "{name}: mark");
        assert_eq!(self.context.tstamp, context.tstamp, "{name}: departure");
        assert_eq!(self.context.cb, context.cb, "{name}: control block");
    }
}

impl From<&FlowState> for Counters {
    fn from(flow: &FlowState) -> Self {
        Self {
            packets: flow.packets,
            octets: flow.octets,
            next_number: flow.next_number,
            next_sequence: flow.next_sequence,
            last_timestamp: flow.last_timestamp,
            batches: flow.batches,
            drops: flow.drops,
        }
    }
}

/// The context of packet `number` of the flow in `slot`.
pub fn carrying(slot: u32, number: u64) -> SkBuff {
    SkBuff { priority: carrier::encode(number), cb: [slot, 0, 0, 0, 0], ..SkBuff::default() }
}

/// A flow like any: one straight timeline from packet 0, no departure times.
pub fn settings() -> FlowState {
    let piece = Piece { timestamp: 900_000, step: 450, ..Piece::default() };
    FlowState {
        pieces: pieces(&[piece]),
        ssrc: 0x1234_5678,
        first_sequence: 1000,
        payload_type: 33,
        priority: 6,
        checksum: 1,
        ..FlowState::default()
    }
}

/// The first of a flow's pieces; the others are never laid.
pub fn pieces(laid: &[Piece]) -> [Piece; PIECES] {
    let mut pieces = [Piece::default(); PIECES];
    pieces[..laid.len()].copy_from_slice(laid);
    pieces
}

/// What packet `number` of the flow with [`settings`] becomes when `before`
/// packets left before it.
pub fn expected(number: u32, before: u16) -> Expected {
    Expected {
        rtp: Rtp {
            payload_type: 33,
            marker: false,
            sequence: 1000 + before,
            timestamp: 900_000 + 450 * number,
            ssrc: 0x1234_5678,
        },
        udp_checksum: UdpChecksum::Full,
        priority: 6,
        departure: 0,
    }
}

fn stay_on_this_cpu() {
    let allowed = sched_getaffinity(None).expect("our own affinity");
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("some CPU");
    let mut only = CpuSet::new();
    only.set(first);
    sched_setaffinity(None, &only).expect("a CPU that we may use");
}
