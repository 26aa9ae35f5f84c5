//! Preparing that is killed or stopped: the copy is whole, or it is the old one.

use crate::support::{Net, State, media::noise, wait_for};
use rustix::process::Signal;
use std::{fs, path::Path};

/// How the film of these tests is to be sent.
const SHAPE: [&str; 8] = ["--pt", "96", "--clock-rate", "90000", "--payload", "1000", "--pace", "none"];

/// A film that takes some time to prepare, and no memory of the test's.
fn large(net: &Net) -> String {
    let path = net.krtp.file("film", &[]);
    fs::File::options().write(true).open(&path).and_then(|film| film.set_len(120_000_000)).expect("ours");
    path.to_str().expect("letters").to_owned()
}

/// The files in `directory`, but for its lock.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("ours").file_name().into_string().expect("letters"));
    names.filter(|name| name != ".lock").collect()
}

/// A stream of the prepared copy of `file` in `copies`.
fn words<'a>(file: &'a str, copies: &'a Path) -> Vec<&'a str> {
    let cache = copies.to_str().expect("letters");
    [&[file, "--to", "198.18.0.2:5004", "--cache", cache], &SHAPE[..]].concat()
}

/// By either signal it ends before the copy is whole, and takes along what it had made.
#[test]
fn a_stream_that_is_stopped_while_it_prepares_leaves_nothing() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let (file, copies) = (large(&net), net.krtp.directory().join("copies"));
    let words = words(&file, &copies);
    for signal in [Signal::INT, Signal::TERM] {
        let stream = net.start_stream(&words);
        let part = || files(&copies).iter().any(|name| name.starts_with('.'));
        wait_for("copy in the making", || part().then_some(()));
        stream.signal(signal);
        let ended = stream.wait().well();
        assert_eq!(files(&copies), Vec::<String>::new(), "{signal:?}");
        let report = ended.json();
        assert_eq!((&report["ended"], &report["packets"]), (&"stopped".into(), &0.into()), "{report}");
        assert!(!ended.stderr.contains("without a prepared copy"), "{ended:?}");
        assert_eq!(State::of(&net.a), before, "{signal:?}");
    }
}

/// So does one that waits for another to have made it.
#[test]
fn what_waits_for_another_s_copy_can_be_stopped() {
    let net = Net::direct();
    let file = net.krtp.file("film", &noise(100_000));
    let copies = net.krtp.directory().join("copies");
    fs::create_dir(&copies).expect("ours");
    let lock = fs::File::create(copies.join(".lock")).expect("ours");
    lock.lock().expect("nobody else's");
    let words = words(file.to_str().expect("letters"), &copies);
    let stream = net.start_stream(&words);
    let waits = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", stream.pid().as_raw_nonzero())).ok()?;
        let mut open = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        open.any(|path| path.ends_with("copies/.lock")).then_some(())
    };
    wait_for("open lock", waits);
    stream.signal(Signal::INT);
    assert_eq!(stream.wait().well().json()["ended"], "stopped");
    assert_eq!(files(&copies), Vec::<String>::new());
}

#[test]
fn a_prepare_that_is_stopped_or_killed_leaves_the_old_copy() {
    let net = Net::direct();
    let file = net.krtp.file("film", &noise(100_000));
    let (file, copy) = (file.to_str().expect("letters").to_owned(), net.krtp.directory().join("film.krtp"));
    let words = [&["prepare", &file], &SHAPE[..]].concat();
    net.krtp.run(&net.a, &words).well();
    let old = fs::read(&copy).expect("it was made");
    large(&net);
    let part = net.krtp.directory().join(".film.krtp.part");
    for signal in [Signal::INT, Signal::KILL] {
        let prepare = net.krtp.start(&net.a, &words);
        wait_for("copy in the making", || part.exists().then_some(()));
        prepare.signal(signal);
        let ended = prepare.wait();
        if signal == Signal::INT {
            assert!(ended.failure().starts_with("stopped before the prepared copy "), "{ended:?}");
        }
        let killed = signal == Signal::KILL;
        assert_eq!(part.exists(), killed, "{signal:?}: what is left; done before, if it was killed");
        assert!(fs::read(&copy).expect("it is there") == old, "{signal:?}: the old copy is not what it was");
    }
    net.krtp.run(&net.a, &words).well();
    assert!(!part.exists(), "the rest of the killed one");
    assert_eq!(fs::metadata(&copy).expect("it is there").len(), 4096 + 120_000 * 1012 + 116 * 4 + 16);
    net.krtp.run(&net.a, &["prepare", "--check", copy.to_str().expect("letters")]).well();
}
