//! What must be on the wire, and what krtp must have said of it.

use super::{
    Capture, Running,
    media::{Rate, cut},
    net::Net,
    packet::{Datagram, Rtp, UdpChecksum},
};
use serde_json::Value;
use std::{net::SocketAddr, path::Path};

/// One flow, as it must be.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    pub file: &'a [u8],
    pub plays: usize,
    pub payload: usize,
    /// `None`: nothing says how long a packet lasts, timestamps stand still.
    pub rate: Option<Rate>,
    pub clock_rate: u64,
    pub payload_type: u8,
    /// `None`: random.
    pub ssrc: Option<u32>,
    pub sequence: u16,
    pub timestamp: u32,
    pub ttl: u8,
    pub dscp: u8,
    /// Port zero: any.
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub checksum: UdpChecksum,
    /// Whether the first packet of a further play carries the marker.
    pub marks: bool,
}

impl<'a> Stream<'a> {
    /// `file`, a transport stream, from `source` to `destination` with numbers
    /// that wrap soon, everything else by default.
    pub fn of_ts(file: &'a [u8], source: &str, destination: &str) -> Self {
        let address = |text: &str| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        Self {
            rate: Some(Rate::of_pcrs(file)),
            payload: 1316,
            payload_type: 33,
            ..Self::of_raw(file, 1316, address(source), address(destination))
        }
    }

    /// The same of octets that are no transport stream.
    pub fn of_raw(file: &'a [u8], payload: usize, source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            file,
            plays: 1,
            payload,
            rate: None,
            clock_rate: 90_000,
            payload_type: 96,
            ssrc: Some(0x0123_abcd),
            sequence: 65_500,
            timestamp: 0xffff_f000,
            ttl: 64,
            dscp: 0,
            source,
            destination,
            checksum: UdpChecksum::Right,
            marks: true,
        }
    }

    /// Starts krtp at the sender's: the file at `path`, to the destination and
    /// with the numbers expected here, and `options`.
    #[track_caller]
    pub fn start(&self, net: &Net, path: &Path, options: &[&str]) -> Running {
        let [to, sequence] = [self.destination.to_string(), self.sequence.to_string()];
        let [ssrc, timestamp] = [self.ssrc.unwrap_or_default(), self.timestamp].map(|n| format!("0x{n:08x}"));
        let mut words = vec![path.to_str().expect("a path of letters"), "--to", &to];
        words.extend(["--seq", &sequence, "--timestamp", &timestamp]);
        // A busy host makes it late, but not another timeline.
        words.extend(["--max-late", "1:00"]);
        if self.ssrc.is_some() {
            words.extend(["--ssrc", &ssrc]);
        }
        net.start_stream(&[&words, options].concat())
    }

    /// The same to its end, which must be a good one: all of it was seen by
    /// `capture`, and reported. Its report.
    #[track_caller]
    pub fn send(&self, name: &str, net: &Net, path: &Path, options: &[&str], capture: &Capture) -> Value {
        let report = self.start(net, path, options).wait().well().json();
        self.arrives(name, capture, &report, 0);
        report
    }

    /// Sees that the stream, which is flow `flow` of the `report`, arrived at
    /// `capture`, and was reported as it arrived; its packets.
    #[track_caller]
    pub fn arrives(&self, name: &str, capture: &Capture, report: &Value, flow: usize) -> Vec<Rtp> {
        let sent = number(&report["flows"][flow], "flow_packets");
        let packets = self.assert_is(name, &capture.datagrams(self.destination, sent));
        self.assert_reported(name, report, flow, &packets);
        packets
    }

    /// Sees that `datagrams` are the stream, whole and in order; its packets.
    #[track_caller]
    pub fn assert_is(&self, name: &str, datagrams: &[Datagram]) -> Vec<Rtp> {
        let cuts = cut(self.file.len(), self.payload);
        let expected = cuts.len() * self.plays;
        assert_eq!(datagrams.len(), expected, "{name}: packets");
        let mut packets: Vec<Rtp> = Vec::new();
        for (number, datagram) in datagrams.iter().enumerate() {
            let name = format!("{name}: packet {number} of {expected}");
            self.assert_datagram(&name, datagram, datagrams[0].source);
            let packet = datagram.rtp().unwrap_or_else(|error| panic!("{name}: {error}"));
            let ssrc = self.ssrc.unwrap_or_else(|| packets.first().map_or(packet.ssrc, |first| first.ssrc));
            assert_eq!(packet.ssrc, ssrc, "{name}: SSRC");
            assert_eq!(packet.payload_type, self.payload_type, "{name}: payload type");
            assert_eq!(packet.sequence, self.sequence.wrapping_add(number as u16), "{name}: sequence");
            let seam = number > 0 && number.is_multiple_of(cuts.len());
            assert_eq!(packet.marker, seam && self.marks, "{name}: marker");
            let payload = &self.file[cuts[number % cuts.len()].clone()];
            assert!(packet.payload == payload, "{name}: the payload is not the file's");
            let off = packet.timestamp.wrapping_sub(self.timestamp_of(number, cuts.len())).cast_signed();
            assert!((-1..=1).contains(&off), "{name}: the timestamp is off by {off} ticks");
            packets.push(packet);
        }
        packets
    }

    /// Sees that all but the payload of `datagram` is the stream's.
    #[track_caller]
    pub fn assert_datagram(&self, name: &str, datagram: &Datagram, source: SocketAddr) {
        assert_eq!(datagram.destination, self.destination, "{name}: destination");
        assert_eq!(datagram.source.ip(), self.source.ip(), "{name}: source address");
        let port = if self.source.port() == 0 { source.port() } else { self.source.port() };
        assert_eq!(datagram.source.port(), port, "{name}: source port");
        assert_eq!((datagram.ttl, datagram.dscp), (self.ttl, self.dscp), "{name}: TTL, DSCP");
        assert!(datagram.ip_checksum_is_right, "{name}: IP checksum");
        assert_eq!(datagram.checksum, self.checksum, "{name}: UDP checksum");
    }

    /// A packet's timestamp says where its payload begins, were all payloads full.
    pub fn timestamp_of(&self, number: usize, per_play: usize) -> u32 {
        let Some(rate) = self.rate else {
            return self.timestamp;
        };
        let (play, packet) = (number / per_play, number % per_play);
        let octets = play * self.file.len() + packet * self.payload;
        self.timestamp.wrapping_add(rate.timestamp(octets as u64, self.clock_rate) as u32)
    }

    /// Sees that krtp reported just these `packets`, all of them sent well, as
    /// its flow `flow`.
    #[track_caller]
    pub fn assert_reported(&self, name: &str, report: &Value, flow: usize, packets: &[Rtp]) {
        assert_eq!(report["ended"], "end", "{name}: {report}");
        let reported = &report["flows"][flow];
        let octets: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        let (first, last) = (packets.first().expect("a packet"), packets.last().expect("a packet"));
        for (field, expected) in [
            ("destination", Value::from(self.destination.to_string())),
            ("ssrc", first.ssrc.into()),
            ("payload_type", self.payload_type.into()),
            ("clock_rate", self.clock_rate.into()),
            ("payload", self.payload.into()),
            ("first_sequence", first.sequence.into()),
            ("last_sequence", last.sequence.into()),
            ("first_timestamp", first.timestamp.into()),
            ("last_timestamp", last.timestamp.into()),
            ("flow_packets", packets.len().into()),
            ("flow_octets", octets.into()),
        ] {
            assert_eq!(reported[field], expected, "{name}: {field} in the report: {report}");
        }
    }
}

/// The number in `field` of an object.
#[track_caller]
pub fn number<T: TryFrom<u64>>(object: &Value, field: &str) -> T {
    let number = object[field].as_u64().and_then(|number| number.try_into().ok());
    number.unwrap_or_else(|| panic!("{field} is no such number: {object}"))
}
