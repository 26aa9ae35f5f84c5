//! How fast a stream leaves, as far as that is known before its files are read.

use crate::media::{PcrSpan, clock::Clock, pcr::HERTZ, plan::Plan, source::Source};

/// Time at a file's beginning that tells a rate, ticks of 27 MHz.
const BEGINNING: u64 = HERTZ;
/// Steps of reading that it may take, of 64 KiB about.
const STEPS: usize = 256;
/// How far two estimates may be apart and still be of one rate.
const NEAR: f64 = 1.25;

/// Payload octets that leave in a second, between two estimates; where it is
/// known they are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub least: f64,
    pub most: f64,
}

/// Whether a rate is within another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    /// The estimates do not agree.
    Perhaps,
    No,
}

/// How long a file lasts, between two estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seconds {
    pub least: f64,
    pub most: f64,
}

impl Rate {
    /// `octets` that last so long; `None`: no time.
    pub fn of(octets: u64, Seconds { least, most }: Seconds) -> Option<Self> {
        let rate = |seconds| octets as f64 / seconds;
        (least > 0.0).then(|| Self { least: rate(most), most: rate(least) })
    }

    /// The same where packets of `payload` octets have `headers` octets more.
    pub fn with_headers(self, payload: u32, headers: u32) -> Self {
        let factor = f64::from(payload + headers) / f64::from(payload);
        Self { least: self.least * factor, most: self.most * factor }
    }

    /// Whether no more than `max` octets leave in a second, in the mean.
    pub fn fit(self, max: u32) -> Fit {
        let max = f64::from(max);
        match self {
            Self { most, .. } if most <= max => Fit::Yes,
            Self { least, .. } if least <= max => Fit::Perhaps,
            _ => Fit::No,
        }
    }

    /// One rate, where both estimates are of one.
    pub fn agreed(self) -> Option<f64> {
        (self.most <= self.least * NEAR).then(|| f64::midpoint(self.least, self.most))
    }
}

impl Seconds {
    pub const NONE: Self = Self { least: 0.0, most: 0.0 };

    /// Of a clock that is known to its end.
    pub fn of_clock(clock: &Clock) -> Self {
        let seconds = clock.span() as f64 / f64::from(clock.hertz());
        Self { least: seconds, most: seconds }
    }

    /// Of a transport stream, exactly where it was read before; else by its first and
    /// last PCR (`span`), and by its beginning. What was put together from several
    /// recordings has PCRs that jump between: its ends do not tell how long it lasts.
    ///
    /// What is read for it need not be read again to play.
    pub fn of(source: &mut Source, plan: &Plan, span: PcrSpan) -> Self {
        let mut steps = 0..STEPS;
        // What cannot be read is told when it is played.
        while source.span() < Some(BEGINNING)
            && steps.next().is_some()
            && source.read_further().unwrap_or(false)
        {}
        if let Some(scan) = source.scan() {
            return Self::of_clock(&scan.clock);
        }
        let estimate =
            |ticks: u64, octets: u64| ticks as f64 / HERTZ as f64 * plan.octets() as f64 / octets as f64;
        let of_ends = estimate(span.ticks, span.last_octet - span.first_octet);
        let of_beginning = match source.knots()[..] {
            [from, .., to] if to.ticks > from.ticks => estimate(to.ticks - from.ticks, to.octet - from.octet),
            _ => of_ends,
        };
        Self { least: of_ends.min(of_beginning), most: of_ends.max(of_beginning) }
    }

    /// One after the other.
    pub fn and(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fit, Rate, Seconds};
    use crate::{
        cli::{Cli, Command},
        media::{library::Library, synth::programme},
        stream::{Options, row::Row},
    };
    use clap::Parser as _;
    use std::{fs, path::Path, time::Duration};

    const BITS: f64 = 2e6;

    fn options(file: &Path) -> Options {
        let line = ["krtp", "stream", file.to_str().expect("letters"), "--to", "192.0.2.1:5004"];
        let Command::Stream(stream) = Cli::try_parse_from(line).expect("parses").command else {
            panic!("another command")
        };
        stream.all(&[]).expect("an address").remove(0)
    }

    /// In units of [`BITS`].
    fn told(rate: Rate) -> (f64, f64) {
        (rate.least * 8.0 / BITS, rate.most * 8.0 / BITS)
    }

    #[test]
    fn recordings_put_together_are_not_taken_for_a_faster_one() {
        const DAY: u64 = 86_400 * 27_000_000;
        let even = |_: f64| BITS;
        let one = programme(3.0, 9, even).0;
        let four = [&one[..]; 4].concat();
        let back = [programme(3.0, DAY, even).0, one.clone()].concat();
        let bent = programme(8.0, 9, |time| if time < 4.0 { BITS } else { 3.0 * BITS }).0;
        let (half, one_and_half) = (125_000, 375_000);
        let cases = [
            // Name, file, rates by its ends and its beginning, a limit, whether it is within, and what
            // is told of that and of the rate once it was read.
            ("one", one.clone(), (1.0, 1.0), one_and_half, Fit::Yes, Fit::Yes, 1.0),
            ("one that is too fast", one, (1.0, 1.0), half, Fit::No, Fit::No, 1.0),
            ("four times the same", four, (1.0, 4.0), one_and_half, Fit::Perhaps, Fit::Yes, 1.0),
            ("one with earlier PCRs behind", back, (0.0, 1.0), half, Fit::Perhaps, Fit::No, 1.0),
            ("a beginning that is slower", bent, (1.0, 2.0), one_and_half, Fit::Perhaps, Fit::No, 2.0),
        ];
        let directory = tempfile::tempdir().expect("a directory");
        for (case, octets, (least, most), max, fit, fits, real) in cases {
            let path = directory.path().join("film.ts");
            fs::write(&path, octets).expect("room for it");
            let options = options(&path);
            let library = Library::without_reading_ahead(None);
            let row = Row::open(&options, None).expect("a transport stream");
            let rate = row.rate(&library).expect("PCRs");
            let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 0.1 && (b - d).abs() < 0.1;
            assert!(near(told(rate), (least, most)), "{case}: {:?}", told(rate));
            assert_eq!(rate.fit(max), fit, "{case}");
            assert_eq!(rate.agreed().is_some(), fit != Fit::Perhaps, "{case}");
            // Once it was read there is one rate.
            let again = Row::open(&options, None).expect("a transport stream");
            let cut = (Duration::ZERO, None);
            let mut items = row.items(&library, false, cut, &mut |_, _| true).expect("a clock");
            items[0].source().complete(&mut |_, _| {}).expect("it is read");
            let rate = again.rate(&library).expect("a clock");
            assert!(near(told(rate), (real, real)), "{case}: {:?}", told(rate));
            assert_eq!((rate.fit(max), rate.agreed().is_some()), (fits, true), "{case}");
        }
    }

    #[test]
    fn headers_count_with_each_packet() {
        let rate = Rate::of(1_000_000, Seconds { least: 2.0, most: 4.0 }).expect("time passes");
        assert_eq!(rate, Rate { least: 250_000.0, most: 500_000.0 });
        assert_eq!(rate.with_headers(1000, 54), Rate { least: 263_500.0, most: 527_000.0 });
        assert_eq!(Rate::of(1, Seconds::NONE), None);
    }
}
