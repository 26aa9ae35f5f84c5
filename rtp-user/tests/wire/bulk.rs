//! Much at once: no loss without pacing, and few system calls.

use crate::support::{Net, expect::number, media::noise, packet::Rtp, patience, wait_for};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::{
    fs,
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

/// Octets of the file.
const LENGTH: usize = 30_000_000;
const PAYLOAD: usize = 1316;

/// A receiver that reads until `count` datagrams have come.
fn receive(net: &Net, count: usize) -> thread::JoinHandle<Vec<Vec<u8>>> {
    let socket = net.b.inside(|| UdpSocket::bind("198.18.0.2:5004").expect("a free port"));
    set_socket_recv_buffer_size_force(&socket, 512 << 20).expect("root may");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    thread::spawn(move || {
        let deadline = Instant::now() + patience();
        let mut datagrams = Vec::new();
        let mut buffer = vec![0; 65_536];
        while datagrams.len() < count && Instant::now() < deadline {
            if let Ok(octets) = socket.recv(&mut buffer) {
                datagrams.push(buffer[..octets].to_vec());
            }
        }
        datagrams
    })
}

fn unpaced(engine: &str) {
    let net = Net::direct();
    let file = noise(LENGTH);
    let path = net.krtp.file("noise", &file);
    let count = LENGTH.div_ceil(PAYLOAD);
    let receiver = receive(&net, count);
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "none"];
    let shape = ["--pt", "96", "--clock-rate", "90000", "--payload", "1316", "--engine", engine];
    let report = net.stream(&[&arguments[..], &shape].concat()).well().json();
    let datagrams = receiver.join().expect("it does not panic");
    assert_eq!(datagrams.len(), count, "{engine}: datagrams that came: {report}");
    let mut sequence: u16 = number(&report, "first_sequence");
    for (number, (datagram, payload)) in datagrams.iter().zip(file.chunks(PAYLOAD)).enumerate() {
        let packet =
            Rtp::parse(datagram).unwrap_or_else(|error| panic!("{engine}: packet {number}: {error}"));
        assert_eq!(packet.sequence, sequence, "{engine}: packet {number}");
        assert!(packet.payload == payload, "{engine}: packet {number}: the payload is not the file's");
        sequence = sequence.wrapping_add(1);
    }
    assert_eq!(report["packets"], count, "{engine}: {report}");
    assert_eq!(report["octets"], LENGTH, "{engine}: {report}");
}

#[test]
fn the_kernel_engine_loses_nothing_unpaced() {
    unpaced("kernel");
}

#[test]
fn the_user_engine_loses_nothing_unpaced() {
    unpaced("user");
}

/// One `sendfile` for at least 40 packets of 1,316 octets, as strace counts them.
#[test]
fn one_sendfile_sends_forty_packets() {
    let net = Net::direct();
    let path = net.krtp.file("noise", &noise(5_000_000));
    let counts = net.krtp.directory().join("strace");
    let strace =
        ["strace", "-f", "-c", "-e", "trace=sendfile,sendto,sendmsg,sendmmsg,write,writev,read,pread64"];
    let strace = [&strace[..], &["-o", counts.to_str().expect("a name")]].concat();
    let arguments = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "none"];
    let shape = ["--pt", "96", "--clock-rate", "90000", "--payload", "1316", "--engine", "kernel", "--json"];
    let arguments = [&arguments[..], &shape].concat();
    for play in ["first play", "second play"] {
        let report = net.krtp.start_under(&net.a, &strace, &arguments).wait().well().json();
        let summary = wait_for("summary of strace", || fs::read_to_string(&counts).ok());
        let calls = calls(&summary, "sendfile");
        let packets: u64 = number(&report, "packets");
        assert_eq!(packets, 5_000_000u64.div_ceil(1316), "{play}");
        assert_eq!(report["sendfile_calls"], calls, "{play}: the report and strace: {summary}");
        assert!(packets >= 40 * calls, "{play}: {calls} sendfile calls for {packets} packets");
        for name in ["sendmmsg", "writev"] {
            assert_eq!(self::calls(&summary, name), 0, "{play}: {name} sends nothing: {summary}");
        }
        if play == "second play" {
            // What little is read is the command's own start, not the file.
            let reads = self::calls(&summary, "pread64");
            assert!(reads * 10 < calls, "{play}: {reads} pread64 calls: {summary}");
        }
    }
}

/// The calls of one system call in a summary of `strace -c`: the fourth column.
fn calls(summary: &str, name: &str) -> u64 {
    let line = summary.lines().find(|line| line.split_whitespace().next_back() == Some(name));
    let Some(line) = line else {
        return 0;
    };
    let calls = line.split_whitespace().nth(3).and_then(|calls| calls.parse().ok());
    calls.unwrap_or_else(|| panic!("{line}"))
}
