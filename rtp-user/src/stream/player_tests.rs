use super::{Manner, Player, TICK, Turn};
use crate::{
    course::Item,
    engine::{Checksum, Flow, Outline, SendError, Setting, Totals},
    media::{
        Wish,
        clock::Clock,
        library::{ClockWish, Library},
        plan::{Batch, Plan},
        source::Source,
    },
    pace::{Lateness, OnLate, Pacing},
};
use rtp_common::timeline::{self, PIECES, Piece};
use std::{
    fs,
    sync::{Arc, Mutex},
};

const PAYLOAD: u32 = 188;
const MS: u64 = 1_000_000;
/// When the streams of these tests are started.
const START: u64 = 1000 * MS;
/// When their first packet is due.
const FIRST: u64 = START + 20 * MS;

/// One packet as a flow was told to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    /// Which packet of the file.
    packet: u64,
    /// How many went together with it.
    together: usize,
    timestamp: u32,
    departure: u64,
    marker: bool,
}

/// A flow that notes what it is to send, and sends nothing.
#[derive(Debug)]
struct Noting {
    outline: Outline,
    sent: Arc<Mutex<Vec<Sent>>>,
    number: u64,
}

impl Flow for Noting {
    fn send(&mut self, _: &mut Source, batch: &Batch, pieces: &[Piece]) -> Result<bool, SendError> {
        assert!((1..PIECES).contains(&pieces.len()), "{} pieces", pieces.len());
        let mut sent = self.sent.lock().unwrap();
        for packet in batch.first..batch.first + batch.packets as u64 {
            let piece = timeline::of(pieces, self.number).expect("a piece for each packet");
            sent.push(Sent {
                packet,
                together: batch.packets,
                timestamp: piece.timestamp(self.number),
                departure: piece.departure(self.number),
                marker: piece.marker(self.number),
            });
            self.number += 1;
        }
        Ok(true)
    }

    fn show(&mut self, _: &Lateness) {}

    fn waiting(&self) -> u64 {
        0
    }

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn outline(&self) -> &Outline {
        &self.outline
    }
}

/// A player of files of so many packets, a packet each millisecond, and what
/// its flow notes.
struct Bench {
    player: Player,
    sent: Arc<Mutex<Vec<Sent>>>,
    directory: tempfile::TempDir,
}

/// One packet each millisecond.
fn steady(packets: u64) -> Clock {
    let octets = packets * u64::from(PAYLOAD);
    Clock::even(27_000_000, 0, octets, packets * 27_000).expect("octets")
}

fn bench(files: &[Clock], plays: Option<u64>, pacing: Pacing, on_late: OnLate) -> Bench {
    let directory = tempfile::tempdir().expect("a directory");
    let library = Library::new(None);
    let item = |(number, clock): (usize, &Clock)| {
        let path = directory.path().join(number.to_string());
        fs::write(&path, vec![0; clock.known() as usize]).expect("room for it");
        let wish = Wish {
            payload_type: Some(96),
            clock_rate: Some(90_000),
            payload: Some(PAYLOAD),
            ..Wish::default()
        };
        let (file, media) = crate::media::open(&path, &wish).expect("a file");
        let plan = Plan::new(0..clock.known(), PAYLOAD).expect("packets");
        let source = library.source(file, path, &media, plan, false, ClockWish::Even(clock.clone()));
        Item::new(source, plan, 0..plan.packets(), 0)
    };
    let row = files.iter().enumerate().map(item).collect();
    let sent = Arc::default();
    let setting = Setting {
        ssrc: 1,
        first_sequence: 0,
        payload_type: 96,
        clock_rate: 90_000,
        payload: PAYLOAD,
        unit: 1,
        checksum: Checksum::Full,
    };
    let [destination, source] =
        ["192.0.2.1:5004", "192.0.2.2:5004"].map(|text| text.parse().expect("an address"));
    let outline = Outline { destination, source, setting, max_batch: 48 };
    let flow = Noting { outline, sent: Arc::clone(&sent), number: 0 };
    let manner = Manner { plays, pacing, on_late, max_late: 100 * MS, timestamp: 1000, marks: true };
    let mut player = Player::new(vec![Box::new(flow)], row, manner);
    player.start(START);
    Bench { player, sent, directory }
}

impl Bench {
    /// One turn at `now`: what was sent, and what the player wants next.
    fn turn(&mut self, now: u64) -> (Vec<Sent>, Turn) {
        let turn = self.player.turn(now).expect("nothing fails");
        (std::mem::take(&mut *self.sent.lock().unwrap()), turn)
    }

    /// Turns at the times that the player asks for, to the end: what was sent,
    /// each with the time of its turn.
    fn play(&mut self) -> Vec<(u64, Sent)> {
        let (mut now, mut all) = (START, Vec::new());
        loop {
            let (sent, turn) = self.turn(now);
            all.extend(sent.into_iter().map(|sent| (now, sent)));
            match turn {
                Turn::At(next) => {
                    assert!(next > now || next == 0, "{turn:?} at {now}");
                    now = now.max(next);
                }
                Turn::Ended => return all,
            }
        }
    }
}

const AHEAD: Pacing = Pacing::Ahead { time: 300 * MS, packets: 100_000 };
const BURSTS: Pacing = Pacing::Bursts { packets: 7, span: 10 * MS };

#[test]
fn files_and_plays_follow_one_another_without_a_seam_in_time() {
    for pacing in [AHEAD, BURSTS] {
        let mut bench = bench(&[steady(1000), steady(10)], Some(2), pacing, OnLate::Fail);
        let sent = bench.play();
        assert_eq!(sent.len(), 2020, "{pacing:?}");
        for (number, (_, sent)) in (0..).zip(&sent) {
            let of_play = number % 1010;
            let packet = if of_play < 1000 { of_play } else { of_play - 1000 };
            let marker = [1000, 1010, 2010].contains(&number);
            let told = (sent.packet, sent.timestamp, sent.departure, sent.marker);
            let departure = FIRST + number * MS;
            assert_eq!(
                told,
                (packet, 1000 + 90 * number as u32, departure, marker),
                "packet {number}, {pacing:?}"
            );
        }
        assert_eq!((bench.player.lateness().late, bench.player.sent().0), (0, 2020));
    }
}

#[test]
fn a_few_turns_a_second_hand_everything_over_ahead_of_its_time() {
    let mut bench = bench(&[steady(10_000)], Some(1), AHEAD, OnLate::Fail);
    let sent = bench.play();
    let mut turns: Vec<u64> = sent.iter().map(|(turn, _)| *turn).collect();
    for (turn, sent) in &sent {
        assert!(
            sent.departure > *turn && sent.departure <= turn + 300 * MS,
            "{sent:?} in the turn at {turn}"
        );
    }
    turns.dedup();
    assert!((50..=70).contains(&turns.len()), "{} turns in ten seconds", turns.len());
    assert_eq!(bench.player.lateness().underruns, 0);
}

#[test]
fn no_more_wait_in_the_qdisc_than_it_takes() {
    let pacing = Pacing::Ahead { time: 300 * MS, packets: 40 };
    for (turn, sent) in bench(&[steady(1000)], Some(1), pacing, OnLate::Fail).play() {
        assert!(sent.departure <= turn + 41 * MS, "{sent:?} in the turn at {turn}");
    }
}

#[test]
fn bursts_are_short_and_leave_in_their_middle() {
    for (packets, span, expected) in [(7, 10 * MS, 7), (7, 2 * MS, 3), (1, 10 * MS, 1), (100, 10 * MS, 11)] {
        let mut bench = bench(&[steady(1000)], Some(1), Pacing::Bursts { packets, span }, OnLate::Fail);
        let all = bench.play();
        for (turn, sent) in &all {
            assert!(sent.together <= expected, "{sent:?} of {packets} within {span} ns");
            let off = sent.departure.abs_diff(*turn);
            assert!(off <= span / 2 + TICK / 2, "{sent:?} in the turn at {turn}");
        }
        for turn in all.chunk_by(|one, next| one.0 == next.0) {
            assert!(turn.len() <= expected, "two bursts in the turn at {}", turn[0].0);
        }
    }
}

#[test]
fn a_clock_that_bends_at_every_packet_makes_shorter_batches() {
    let mut clock = Clock::new(27_000_000);
    for packet in 0..100 {
        let octet = packet * u64::from(PAYLOAD);
        clock.push(crate::media::clock::Knot { octet, ticks: packet * packet * 2700 });
    }
    let sent = bench(&[clock], Some(1), AHEAD, OnLate::Fail).play();
    for (number, (_, sent)) in (0..).zip(&sent) {
        assert_eq!(sent.departure, FIRST + number * number * MS / 10, "packet {number}");
        assert!(sent.together < PIECES, "packet {number}");
    }
}

#[test]
fn a_sleeper_goes_on_as_it_was_told() {
    for pacing in [AHEAD, BURSTS] {
        for on_late in [OnLate::Drop, OnLate::Shift] {
            let case = format!("{pacing:?}, {on_late:?}");
            let mut bench = bench(&[steady(5000)], Some(1), pacing, on_late);
            let (mut before, mut now) = (0, START);
            while now < START + 500 * MS {
                let (sent, turn) = bench.turn(now);
                before += sent.len() as u64;
                let Turn::At(next) = turn else { panic!("{case}: ended") };
                now = next;
            }
            // Asleep for two seconds beyond what had been handed over.
            let due = FIRST + before * MS;
            let now = due + 2000 * MS;
            let (sent, _) = bench.turn(now);
            let lateness = bench.player.lateness();
            assert!(lateness.underruns > 0, "{case}");
            assert_eq!(lateness.late, 0, "{case}: nothing late was sent");
            let first = sent.first().copied().unwrap_or_else(|| {
                let (sent, _) = bench.turn(now + 20 * MS);
                sent[0]
            });
            assert!(first.marker, "{case}: {first:?}");
            assert!(first.departure >= now, "{case}: {first:?}");
            let ticks = (first.departure - FIRST) * 90 / MS;
            assert_eq!(first.timestamp, 1000 + ticks as u32, "{case}: timestamps follow departures");
            if on_late == OnLate::Drop {
                assert_eq!(first.packet, (first.departure - FIRST) / MS, "{case}");
                assert_eq!(lateness.dropped, first.packet - before, "{case}");
            } else {
                assert_eq!(first.packet, before, "{case}");
                assert!(lateness.shifted_ns >= 2000 * MS, "{case}");
            }
        }
    }
}

#[test]
fn a_sleeper_that_may_not_be_late_fails() {
    for pacing in [AHEAD, BURSTS] {
        let mut bench = bench(&[steady(5000)], Some(1), pacing, OnLate::Fail);
        bench.turn(START);
        let error = bench.player.turn(START + 2000 * MS).expect_err("too late");
        assert!(error.to_string().contains("--on-late fail"), "{error}");
    }
}

#[test]
fn a_little_lateness_is_made_up_for() {
    for pacing in [AHEAD, BURSTS] {
        let mut bench = bench(&[steady(5000)], Some(1), pacing, OnLate::Fail);
        let (sent, _) = bench.turn(START);
        let next = sent.len() as u64;
        let (sent, _) = bench.turn(FIRST + (next + 50) * MS);
        assert!(sent.len() > 40, "{pacing:?}: {} packets", sent.len());
        assert_eq!(sent[0].departure, FIRST + next * MS, "{pacing:?}: its own time");
        let lateness = bench.player.lateness();
        assert!(lateness.late > 0 && lateness.underruns > 0, "{pacing:?}: {lateness:?}");
    }
}

/// Files are looked at now and then only: the last look is at the end.
#[test]
fn a_file_that_changes_just_before_the_end_is_found_then() {
    let mut bench = bench(&[steady(10), steady(10)], Some(1), Pacing::None, OnLate::Shift);
    assert_eq!(bench.play().len(), 20);
    bench.player.check().expect("as they were");
    fs::write(bench.directory.path().join("0"), [1; 10]).expect("ours");
    let error = bench.player.check().expect_err("the first has changed").to_string();
    assert!(error.contains("changed while it was being sent"), "{error}");
}
