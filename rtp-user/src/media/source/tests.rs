use super::SourceError;
use crate::media::{
    Media, Wish,
    clock::{Clock, Stretch},
    library::{Cache, ClockWish, Library},
    open,
    plan::{Batch, Plan},
    synth::{HERTZ, programme},
};
use rtp_common::checksum::payload_sum;
use std::{
    fs::{self, File},
    path::PathBuf,
};

/// A film of 20 seconds and 10 megabytes in a file.
struct Film {
    dir: tempfile::TempDir,
    octets: Vec<u8>,
    pcrs: Vec<(u64, u64)>,
    media: Media,
    plan: Plan,
}

impl Film {
    fn new() -> Self {
        let (octets, pcrs) = programme(20.0, 77, |time| 4e6 + 3e6 * time.sin());
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("a.ts"), &octets).expect("room for it");
        let (_, media) = open(&dir.path().join("a.ts"), &Wish::default()).expect("a transport stream");
        let plan = Plan::new(media.octets.clone(), media.payload).expect("not empty");
        Self { dir, octets, pcrs, media, plan }
    }

    fn len(&self) -> u64 {
        self.octets.len() as u64
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("a.ts")
    }

    fn source(&self, library: &Library, sums: bool, clock: ClockWish) -> super::Source {
        let file = File::open(self.path()).expect("it was just made");
        library.source(file, self.path(), &self.media, self.plan, sums, clock)
    }

    fn expected(&self, batch: &Batch) -> Vec<u16> {
        let from = usize::try_from(batch.offset).unwrap();
        self.octets[from..from + batch.octets].chunks(1316).map(payload_sum).collect()
    }

    /// Plays the file; how much of it was known before.
    fn play(&self, source: &mut super::Source) {
        let mut packet = 0;
        while packet < self.plan.packets() {
            let batch = self.plan.batch(packet, 49);
            source.prepare(&batch).expect("it is as it was");
            assert_eq!(source.sums(&batch), self.expected(&batch), "{batch:?}");
            packet += batch.packets as u64;
        }
    }
}

const PCR: ClockWish = ClockWish::Pcr { pid: None, needed: true };

#[test]
fn sums_are_right_read_for_the_first_time_and_again() {
    let film = Film::new();
    for clock in [ClockWish::None, PCR] {
        let library = Library::new(None);
        let (mut first, mut other) =
            (film.source(&library, true, clock.clone()), film.source(&library, true, clock));
        film.play(&mut first);
        film.play(&mut first);
        film.play(&mut other);
    }
    let batch = film.plan.batch(0, 9);
    let mut without = film.source(&Library::new(None), false, PCR);
    without.prepare(&batch).expect("it is as it was");
    assert_eq!(without.sums(&batch), [0u16; 0]);
    assert_eq!(without.read(&batch).expect("it is there"), &film.octets[..batch.octets]);
}

#[test]
fn a_batch_behind_a_jump_reads_nothing_else() {
    let film = Film::new();
    let mut source = film.source(&Library::new(None), true, ClockWish::None);
    for first in [5000, 5049, 20] {
        let batch = film.plan.batch(first, 49);
        source.prepare(&batch).expect("it is as it was");
        assert_eq!(source.sums(&batch), film.expected(&batch), "{first}");
        assert_eq!(source.index.as_ref().map(|_| ()), None, "{first}");
    }
}

#[test]
fn stretches_are_the_same_while_reading_and_from_the_index() {
    let film = Film::new();
    let library = Library::new(None);
    let mut reading = film.source(&library, true, PCR);
    let mut whole = film.source(&Library::new(None), false, PCR);
    whole.complete(&mut |done, of| assert!(done <= of && of == film.len())).expect("readable");
    assert_eq!((reading.hertz(), whole.hertz()), (Some(27_000_000), Some(27_000_000)));
    for packet in 0..film.plan.packets() {
        let octet = film.plan.octet(packet);
        let stretch = reading.stretch(octet).expect("readable").expect("a clock");
        assert!(stretch.from.octet <= octet && octet < stretch.to.octet, "{octet} on {stretch:?}");
        assert_eq!(whole.stretch(octet).expect("readable"), Some(stretch), "octet {octet}");
        if packet == 0 {
            let done = reading.lock().expect("in the making").progress().0;
            assert!(done < film.len() / 4, "{done} octets were read for the first packet");
        }
    }
    let (first, _) = film.pcrs[0];
    let base = whole.stretch(first).expect("readable").expect("a clock").ticks_at(first);
    for &(octet, ticks) in &film.pcrs {
        let found = whole.stretch(octet).expect("readable").expect("a clock").ticks_at(octet);
        assert!(found.abs_diff(base + ticks) <= 13, "octet {octet}");
    }
    assert_eq!(whole.span(), reading.span());
}

#[test]
fn a_time_finds_its_octet() {
    let film = Film::new();
    let mut source = film.source(&Library::new(None), true, PCR);
    let mut looks = 0;
    let octet = source
        .octet_at(5 * HERTZ, &mut |_, _| {
            looks += 1;
            true
        })
        .expect("readable")
        .expect("within");
    assert!(looks > 0 && source.index.is_none(), "read as far as needed");
    let at = |octet| source.lock().and_then(|making| Some(making.clock()?.stretch(octet)?.ticks_at(octet)));
    assert!(at(octet) >= Some(5 * HERTZ) && at(octet - 1) < Some(5 * HERTZ));
    assert_eq!(source.octet_at(50 * HERTZ, &mut |_, _| true).expect("readable"), None, "behind the end");
}

#[test]
fn a_given_clock_is_taken_and_none_is_none() {
    let film = Film::new();
    let library = Library::new(None);
    let even = Clock::even(48_000, 0, film.len(), 96_000).expect("octets");
    let mut source = film.source(&library, false, ClockWish::Even(even.clone()));
    let stretch = source.stretch(500).expect("nothing to read");
    assert_eq!(stretch, Some(Stretch { from: even.knots()[0], to: even.knots()[1] }));
    assert_eq!((source.hertz(), source.span()), (Some(48_000), Some(96_000)));
    let mut source = film.source(&library, true, ClockWish::None);
    assert_eq!((source.hertz(), source.span()), (None, None));
    assert_eq!(source.stretch(500).expect("nothing to read"), None);
    assert_eq!(source.octet_at(5, &mut |_, _| true).expect("nothing to read"), None);
}

#[test]
fn reading_can_be_given_up() {
    let film = Film::new();
    let mut source = film.source(&Library::new(None), true, PCR);
    let error = source.octet_at(50 * HERTZ, &mut |_, _| false).expect_err("it is longer than one look");
    assert!(matches!(error, SourceError::Stopped { .. }), "{error}");
    assert!(source.index.is_none(), "it was not read to the end");
    assert!(source.octet_at(50 * HERTZ, &mut |_, _| true).is_ok(), "it goes on where it was");
}

#[test]
fn no_clock_where_one_was_asked_for_is_an_error() {
    let film = Film::new();
    let mut source = film.source(&Library::new(None), true, ClockWish::Pcr { pid: Some(7), needed: true });
    let error = source.stretch(0).expect_err("no PCR on PID 7");
    assert!(matches!(error, SourceError::NoClock { .. }), "{error}");
    assert!(matches!(source.octet_at(0, &mut |_, _| true), Err(SourceError::NoClock { .. })));
    film.play(&mut source);
}

#[test]
fn a_file_that_changes_is_told() {
    for (case, length) in [("cut", 188), ("longer", 9 << 20)] {
        let film = Film::new();
        let mut sources: Vec<_> = [(true, PCR), (false, PCR)]
            .map(|(sums, clock)| film.source(&Library::new(None), sums, clock))
            .into();
        let written = File::options().write(true).open(film.path()).expect("our file");
        written.set_len(length).expect("room for it");
        for source in &mut sources {
            assert!(matches!(source.stretch(0), Err(SourceError::Changed { .. })), "{case}");
            let batch = film.plan.batch(0, 9);
            assert!(matches!(source.prepare(&batch), Err(SourceError::Changed { .. })), "{case}");
            assert!(matches!(source.complete(&mut |_, _| {}), Err(SourceError::Changed { .. })), "{case}");
        }
    }
}

#[test]
fn a_few_packets_are_not_worth_page_tables() {
    let film = Film::new();
    let mut source = film.source(&Library::new(None), true, ClockWish::None);
    source.complete(&mut |_, _| {}).expect("readable");
    for (packets, fetched) in [(1, false), (7, false), (8, true)] {
        source.prepare(&film.plan.batch(0, packets)).expect("it is as it was");
        assert_eq!(source.window.is_some(), fetched, "{packets} packets");
    }
}

#[test]
fn what_is_kept_grows_with_what_was_needed() {
    let film = Film::new();
    while !film.media.identity.is_settled(std::time::SystemTime::now()) {
        std::thread::yield_now();
    }
    let cache = film.dir.path().join("cache");
    let library = || Library::new(Some(Cache::new(cache.clone(), u64::MAX)));
    let complete = |sums, clock| {
        let (library, mut reads) = (library(), 0);
        let mut source = film.source(&library, sums, clock);
        source.complete(&mut |_, _| reads += 1).expect("readable");
        library.keep();
        (reads > 0, source.index.is_some())
    };
    assert_eq!(complete(true, ClockWish::None), (true, true));
    assert_eq!(complete(true, ClockWish::None), (false, true));
    assert_eq!(complete(true, PCR), (true, true), "the clock is new");
    assert_eq!(complete(true, PCR), (false, true));
    assert_eq!(complete(false, PCR), (false, true));
    assert_eq!(complete(true, ClockWish::None), (false, true));
    assert_eq!(
        complete(true, ClockWish::Pcr { pid: Some(0x100), needed: true }),
        (true, true),
        "another choice"
    );
    assert_eq!(fs::read_dir(&cache).expect("kept").count(), 2);
}

#[test]
fn who_comes_late_has_all_that_it_needs() {
    let film = Film::new();
    let library = Library::new(None);
    let mut clock = film.source(&library, false, PCR);
    clock.stretch(film.len() / 2).expect("readable");
    let mut both = film.source(&library, true, PCR);
    film.play(&mut both);
    clock.complete(&mut |_, _| {}).expect("readable");
    let mut late = film.source(&library, true, PCR);
    assert!(late.index.is_some(), "nothing is left to read");
    film.play(&mut late);
    assert_eq!(late.span(), clock.span());
}
