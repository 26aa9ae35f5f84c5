use super::{Library, Report, probe};
use crate::media::library::Cache;
use crate::media::synth::{HERTZ, Synth, WRAP, programme};
use std::{fs, thread, time::Duration};

/// Probes `octets` as `a.ts`; the report, and what is said of how far it is.
fn probed(octets: &[u8], pcr_pid: Option<u16>) -> Result<Report, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.ts");
    fs::write(&path, octets).expect("room for it");
    let report = probe(&path, pcr_pid, &Library::new(None), &mut |_, _| {});
    let without = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
    report
        .map(|report| Report { file: without(report.file.clone()), ..report })
        .map_err(|error| without(error.to_string()))
}

/// Two programmes, a wrap, a splice, and a hole.
fn eventful() -> Vec<u8> {
    let mut synth = Synth::default();
    synth.pat(&[(1, 0x1000), (2, 0x1001), (3, 0x1002), (4, 0x1003)]);
    synth.pmt(0x1000, 1, 0x100);
    synth.pmt(0x1001, 2, 0x200);
    synth.pmt(0x1003, 4, 0x1fff);
    let mut ticks = WRAP - HERTZ;
    for place in 0..100 {
        synth.pcr(0x100, ticks, place == 70);
        synth.payload(0x101, 49);
        synth.pcr(0x200, 0, false);
        ticks += HERTZ / 25;
        match place {
            30 => synth.noise(100),
            69 => ticks += 1000 * HERTZ,
            80 => ticks -= HERTZ / 2,
            90 => ticks -= HERTZ / 25,
            _ => {}
        }
    }
    synth.octets
}

#[test]
fn a_report_says_all_that_was_found() {
    let text = probed(&eventful(), None).expect("a transport stream").to_string();
    let expected = "\
a.ts: MPEG transport stream, 5,104 packets, 937.16 KiB
  programme 1    map on PID 4096 (0x1000), PCRs on PID 256 (0x100)
  programme 2    map on PID 4097 (0x1001), PCRs on PID 512 (0x200)
  programme 3    map on PID 4098 (0x1002), which never comes
  programme 4    map on PID 4099 (0x1003), no PCRs
  clock          PCRs on PID 256 (0x100)
  duration       0:00:03.962
  rate           1.938 Mb/s on average, between two PCRs 1.918 to 3.835 Mb/s
  PCRs           100, at most 40.0 ms apart, wrapped once, 1 repeat the one before
  discontinuity  1 announced, 1 not announced
  sync           lost once, 100 octets in no packet
";
    assert_eq!(text, expected);
}

#[test]
fn a_file_without_a_clock_is_reported_with_the_remedy() {
    let mut synth = Synth::default();
    synth.payload(0x100, 40);
    let text = probed(&synth.octets, None).expect("a transport stream").to_string();
    assert_eq!(
        text,
        "a.ts: MPEG transport stream, 40 packets, 7.34 KiB\n  \
         programmes     none listed (no association table)\n  \
         clock          none: no PCR; give its rate when it is streamed (--pace 4000000)\n  \
         sync           never lost\n"
    );
    synth.pcr(0x100, 5, false);
    let text = probed(&synth.octets, None).expect("a transport stream").to_string();
    assert!(text.contains("clock          none: 1 PCRs on PID 256 (0x100) give no rate; give"), "{text}");
}

/// Two files one behind the other, with other PIDs in the second.
#[test]
fn a_clock_that_moves_is_reported_and_one_that_stays_in_silence() {
    let mut synth = Synth::default();
    for (map, pid, first) in [(0x1000, 0x100, 5), (0x1100, 0x200, HERTZ)] {
        synth.pat(&[(1, map)]);
        synth.pmt(map, 1, pid);
        for place in 0..50 {
            synth.pcr(pid, first + place * HERTZ / 25, false);
            synth.payload(0x101, 49);
        }
    }
    let report = probed(&synth.octets, None).expect("a transport stream");
    assert_eq!((report.clock_moves, report.pcrs, &report.silence), (1, 100, &None));
    let text = report.to_string();
    for expected in [
        "  programme 1    map on PID 4096 (0x1000), PCRs on PID 256 (0x100)\n",
        "  programme 1    map on PID 4352 (0x1100), PCRs on PID 512 (0x200)\n",
        "  clock          PCRs on PID 256 (0x100), and where else the maps say (once)\n",
        "  duration       0:00:04.0",
        "  discontinuity  0 announced, 1 not announced\n",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let report = probed(&synth.octets, Some(0x100)).expect("a transport stream");
    assert_eq!((report.clock_moves, report.pcrs), (0, 50));
    let text = report.to_string();
    let expected = "  silence        no PCR on PID 256 (0x100) behind octet 460986 for a second";
    assert!(text.contains(expected), "{expected} in {text}");
}

#[test]
fn a_pid_without_pcrs_is_refused_with_those_that_have_some() {
    let octets = programme(1.0, 0, |_| 1e6).0;
    assert_eq!(probed(&octets, Some(0x100)).map(|report| report.pcr_pid), Ok(Some(0x100)));
    let message = "--pcr-pid 7: the packets of a.ts on that PID carry no PCR; those on 256 do";
    assert_eq!(probed(&octets, Some(7)), Err(message.into()));
}

#[test]
fn the_second_probe_reads_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.ts");
    fs::write(&path, programme(20.0, 0, |_| 4e6).0).expect("room for it");
    let cache = dir.path().join("cache");
    let look = || {
        let (library, mut looks) = (Library::new(Some(Cache::new(cache.clone(), u64::MAX))), 0);
        let report = probe(&path, None, &library, &mut |_, _| looks += 1).expect("a transport stream");
        library.keep();
        (report, looks)
    };
    let (first, looks) = look();
    assert!(looks > 10, "{looks}");
    // A file that was just written is not kept: until the clock has moved on.
    let again = (0..100).map(|_| look()).find(|&(_, looks)| {
        thread::sleep(Duration::from_millis(5));
        looks == 0
    });
    assert_eq!(again.expect("it is kept once the file has settled").0, first);
}
