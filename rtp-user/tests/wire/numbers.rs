//! Numbers and addresses: those that were asked for, random ones otherwise, and
//! the next play's after a loop.

use crate::support::{
    Capture, Net, Stream,
    expect::number,
    media::{sample, sample_path},
};

/// A stream of the sample with everything about it asked for.
fn with_options(engine: &str, source: &str, destination: &str) {
    let net = Net::resolving();
    let file = sample();
    let mut stream = Stream::of_ts(&file, source, destination);
    (stream.ttl, stream.dscp, stream.payload_type) = (7, 46, 101);
    (stream.payload, stream.sequence, stream.timestamp) = (188 * 3, 64_000, 0xffff_ffff);
    stream.ssrc = Some(0xfeed_0000);
    let mut options = vec!["--pace", "none", "--engine", engine, "--source", source, "--ttl", "7"];
    options.extend(["--dscp", "46", "--pt", "101", "--payload", "564"]);
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let report = stream.send(engine, &net, &sample_path(), &options, &capture);
    assert_eq!(report["source"], source, "{report}");
}

#[test]
fn the_kernel_engine_takes_every_option() {
    with_options("kernel", "198.18.0.1:6000", "198.18.0.2:5004");
}

#[test]
fn the_kernel_engine_takes_every_option_ipv6() {
    with_options("kernel", "[2001:2::1]:6000", "[2001:2::2]:5004");
}

#[test]
fn the_user_engine_takes_every_option() {
    with_options("user", "198.18.0.1:6000", "198.18.0.2:5004");
}

#[test]
fn the_user_engine_takes_every_option_ipv6() {
    with_options("user", "[2001:2::1]:6000", "[2001:2::2]:5004");
}

/// RFC 3550 §5.1: SSRC, first sequence number and first timestamp are random.
#[test]
fn what_is_not_asked_for_is_random() {
    let net = Net::direct();
    let file = net.krtp.file("two.ts", &sample()[..188 * 70]);
    let begin = |engine: &str| {
        let file = file.to_str().expect("a name");
        let arguments = [file, "--to", "198.18.0.2:5004", "--pace", "none", "--engine", engine];
        let report = net.stream(&arguments).well().json();
        ["ssrc", "first_sequence", "first_timestamp"].map(|field| number::<u64>(&report, field))
    };
    for engine in ["kernel", "user"] {
        let plays = [begin(engine), begin(engine), begin(engine)];
        for field in 0..3 {
            let [one, two, three] = plays.map(|play| play[field]);
            // Three equal numbers of 16 bits: once in 4,294,967,296 runs.
            assert!(one != two || two != three, "{engine}: field {field} is {one} every time");
        }
    }
}

/// Three plays are one stream: numbers go on, timestamps keep the media's time.
fn loops(engine: &str, source: &str, destination: &str) {
    let net = Net::resolving();
    let file = sample();
    // Not a whole number of packets: the last of each play is short.
    let file = &file[..188 * 1000];
    let path = net.krtp.file("part.ts", file);
    let mut stream = Stream::of_ts(file, source, destination);
    stream.plays = 3;
    let options = ["--pace", "none", "--engine", engine, "--loop", "3"];
    let capture = Capture::start(&net.b, "vb", &[5004]);
    stream.send(engine, &net, &path, &options, &capture);
}

#[test]
fn the_kernel_engine_loops() {
    loops("kernel", "198.18.0.1:0", "198.18.0.2:5004");
}

#[test]
fn the_user_engine_loops() {
    loops("user", "[2001:2::1]:0", "[2001:2::2]:5004");
}
