//! The loaded program and its runs.

use aya::{
    TestRunResult,
    programs::{TestRun, TestRunOptions},
};
use krtp::watch::{
    Options, Program,
    view::{Report, View},
};

/// `XDP_DROP` and `XDP_PASS`.
pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
/// `TC_ACT_SHOT` and `TC_ACT_UNSPEC`.
pub const TC_DROP: u32 = 2;
pub const TC_PASS: u32 = u32::MAX;

/// The program, loaded for one test.
pub struct Rig(Program);

/// As `krtp watch IFACE` has them.
pub fn options() -> Options {
    Options { streams: 8, ..Options::default() }
}

impl Rig {
    /// Loads it for an interface of MTU 1500.
    pub fn new(options: &Options) -> Self {
        Self(
            Program::load(options, 1500)
                .unwrap_or_else(|error| panic!("this test needs the program: {error}")),
        )
    }

    /// Runs the program for XDP on `frame`, which must come out as it went in.
    pub fn xdp(&mut self, frame: &[u8]) -> u32 {
        run(self.0.xdp().unwrap_or_else(|error| panic!("{error}")), frame)
    }

    /// The same for the program for the TC ingress.
    pub fn tc(&mut self, frame: &[u8]) -> u32 {
        run(self.0.ingress().unwrap_or_else(|error| panic!("{error}")), frame)
    }

    /// What was seen so far.
    pub fn report(&self) -> Report {
        let maps = &self.0.maps;
        Report::new("none", "test run", false, &maps.totals(), maps.streams())
    }

    /// The only stream that was seen.
    pub fn only(&self) -> View {
        let mut streams = self.report().streams;
        assert_eq!(streams.len(), 1, "{streams:?}");
        streams.remove(0)
    }
}

fn run<P>(program: &P, frame: &[u8]) -> u32
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    let mut out = vec![0; frame.len() + 64];
    let options = TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::new() };
    let result = program.test_run(options).unwrap_or_else(|error| panic!("{error}: {frame:02x?}"));
    assert_eq!(&out[..result.data_size_out as usize], frame, "nothing is written");
    result.return_value
}
