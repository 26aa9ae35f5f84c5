//! Preparing that is killed or stopped: the copy is whole, or it is the old one.

use crate::support::{Net, State, media::noise, wait_for};
use rustix::process::Signal;
use std::{fs, path::Path};

/// How the film of these tests is to be sent.
const SHAPE: [&str; 8] = ["--pt", "96", "--clock-rate", "90000", "--payload", "1000", "--pace", "none"];

/// The files in `directory`, but for its lock.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("ours").file_name().into_string().expect("letters"));
    names.filter(|name| name != ".lock").collect()
}

/// By either signal it ends before the copy is whole, and takes along what it had made.
#[test]
fn a_stream_that_is_stopped_while_it_prepares_leaves_nothing() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let file = net.krtp.file("film", &noise(200_000_000));
    let copies = net.krtp.directory().join("copies");
    let names = [&file, &copies].map(|path| path.to_str().expect("letters"));
    let words = [&[names[0], "--to", "198.18.0.2:5004", "--cache", names[1]], &SHAPE[..]].concat();
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
    let names = [&file, &copies].map(|path| path.to_str().expect("letters"));
    let words = [&[names[0], "--to", "198.18.0.2:5004", "--cache", names[1]], &SHAPE[..]].concat();
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
fn a_prepare_that_is_interrupted_leaves_the_old_copy_alone() {
    let net = Net::direct();
    let file = net.krtp.file("film", &noise(100_000));
    let (file, copy) = (file.to_str().expect("letters").to_owned(), net.krtp.directory().join("film.krtp"));
    let words = [&["prepare", &file], &SHAPE[..]].concat();
    net.krtp.run(&net.a, &words).well();
    let old = fs::read(&copy).expect("it was made");
    net.krtp.file("film", &noise(200_000_000));
    let part = net.krtp.directory().join(".film.krtp.part");
    let prepare = net.krtp.start(&net.a, &words);
    wait_for("copy in the making", || part.exists().then_some(()));
    prepare.signal(Signal::INT);
    let ended = prepare.wait();
    let says = "stopped before the prepared copy ";
    assert!(ended.failure().starts_with(says), "{ended:?}");
    assert!(!part.exists(), "a part of it");
    assert!(fs::read(&copy).expect("it is there") == old, "the old copy is not what it was");
}

#[test]
fn a_killed_prepare_leaves_the_old_copy_and_is_in_nobody_s_way() {
    let net = Net::direct();
    let file = net.krtp.file("film", &noise(100_000));
    let (file, copy) = (file.to_str().expect("letters").to_owned(), net.krtp.directory().join("film.krtp"));
    let words = [&["prepare", &file], &SHAPE[..]].concat();
    net.krtp.run(&net.a, &words).well();
    let old = fs::read(&copy).expect("it was made");
    net.krtp.file("film", &noise(120_000_000));
    let part = net.krtp.directory().join(".film.krtp.part");
    let mut prepare = net.krtp.start(&net.a, &words);
    wait_for("copy in the making", || part.exists().then_some(()));
    prepare.signal(Signal::KILL);
    wait_for("end", || prepare.has_ended().then_some(()));
    assert!(part.exists(), "it was done before it was killed: the file is too small for this test");
    assert!(fs::read(&copy).expect("it is there") == old, "the old copy is not what it was");
    net.krtp.run(&net.a, &words).well();
    assert!(!part.exists(), "the rest of the killed one");
    assert_eq!(fs::metadata(&copy).expect("it is there").len(), 4096 + 120_000 * 1012 + 116 * 4 + 16);
    net.krtp.run(&net.a, &["prepare", "--check", copy.to_str().expect("letters")]).well();
}
