//! Nobody but root holds krtp up: a lock on a directory is any user's to take.

use crate::support::{Net, media::sample_path};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;

#[test]
fn locked_directories_hold_nobody_up() {
    let net = Net::direct();
    let directories = ["/run", "/sys/fs"].map(|path| File::open(path).expect("a directory"));
    for directory in &directories {
        // Another test of this kind may have it: as good.
        let _ = flock(directory, FlockOperation::NonBlockingLockExclusive);
    }
    let path = sample_path();
    let path = path.to_str().expect("a name");
    net.krtp.run(&net.a, &["attach", "va"]).well();
    let doctor = net.krtp.run(&net.a, &["doctor", "va"]);
    net.krtp.run(&net.a, &["detach", "va"]).well();
    assert!(doctor.stdout.contains("krtp attach"), "{doctor:?}");
    let stream = ["--to", "198.18.0.2:5004", "--engine", "kernel", "--pace", "none"];
    net.stream(&[&[path], &stream[..]].concat()).well();
}
