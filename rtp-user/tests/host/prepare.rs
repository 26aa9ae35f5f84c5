//! `krtp prepare` that is killed: the copy is whole, or it is the old one.

use crate::support::{Net, media::noise, wait_for};
use rustix::process::Signal;
use std::fs;

#[test]
fn a_killed_prepare_leaves_the_old_copy_and_is_in_nobody_s_way() {
    let net = Net::direct();
    let file = net.krtp.file("film", &noise(100_000));
    let (file, copy) = (file.to_str().expect("letters").to_owned(), net.krtp.directory().join("film.krtp"));
    let words =
        ["prepare", &file, "--pt", "96", "--clock-rate", "90000", "--payload", "1000", "--pace", "none"];
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
