//! Whether a row delivered what it should: before that, its times mean nothing.

use super::{
    clock::{Clock, TS},
    figures::Packet,
    receiver::{Arrival, Received},
};
use anyhow::{Context, bail, ensure};

/// What a row's stream is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// The file, octet for octet.
    File,
    /// The file's programme in a multiplex that the sender makes anew, with PCRs of its own; less than so many seconds
    /// of its end may be missing.
    Programme(u32),
}

/// Packets with their due times, of a stream that is whole and right.
pub fn packets(received: &Received, carries: Carries, file: &[u8]) -> anyhow::Result<Vec<Packet>> {
    ensure!(!received.packets.is_empty(), "nothing arrived");
    ensure!(received.strange == 0, "{} datagrams were no RTP", received.strange);
    let places = places(received);
    let (lost, arrived) = (missing(&places), places.len());
    ensure!(lost == 0, "{lost} packets lost, {arrived} arrived");
    if let Some(early) = (1..places.len()).find(|&packet| places[packet] != places[packet - 1] + 1) {
        bail!("packet {} of {arrived} came after packet {}", places[early], places[early - 1]);
    }
    let stream = received.packets.iter().flat_map(|packet| &packet.payload).copied().collect::<Vec<_>>();
    let clock = match carries {
        Carries::File => {
            same(&stream, file)?;
            Clock::read(file).context("the file")?
        }
        Carries::Programme(end) => {
            let (clock, whole) = (Clock::read(&stream).context("what arrived")?, Clock::read(file)?);
            let (seconds, due) = (clock.seconds(), whole.seconds());
            let right = due - f64::from(end) < seconds && seconds < due + 1.0;
            ensure!(right, "{seconds:.1} s of the file's {due:.1} s arrived");
            clock
        }
    };
    let mut position = 0;
    let packet = received.packets.iter().map(|packet| {
        let due = clock.due(position);
        position += packet.payload.len() as u64;
        Packet { came: packet.came, due }
    });
    Ok(packet.collect())
}

/// Sequence numbers that are missing between the first and the last.
pub fn lost(received: &Received) -> usize {
    missing(&places(received))
}

/// Each packet's number, the first one's being zero; negative where an earlier one came later.
pub fn places(received: &Received) -> Vec<i64> {
    let mut place = 0;
    let mut last = received.packets.first().map_or(0, |packet| packet.sequence);
    let step = |packet: &Arrival| {
        // Of two ways round the shorter one (RFC 3550 A.1).
        place += i64::from(packet.sequence.wrapping_sub(last).cast_signed());
        last = packet.sequence;
        place
    };
    received.packets.iter().map(step).collect()
}

fn missing(places: &[i64]) -> usize {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let span = sorted.first().zip(sorted.last()).map_or(0, |(first, last)| last - first + 1);
    usize::try_from(span).unwrap_or_default() - sorted.len()
}

/// All octets of the file, save that a sender may keep back what does not fill its last packet, or fill that with null
/// packets.
fn same(stream: &[u8], file: &[u8]) -> anyhow::Result<()> {
    let common = stream.len().min(file.len());
    if let Some(at) = (0..common).find(|at| stream[*at] != file[*at]) {
        bail!("octet {at} is not the file's");
    }
    let (more, missing) = (&stream[common..], file.len() - common);
    let filling = more.len() < 7 * TS && more.chunks(TS).all(is_null);
    ensure!(filling, "{} octets more than the file's", more.len());
    ensure!(missing < 7 * TS, "the file's last {missing} octets are missing");
    Ok(())
}

/// A packet that says nothing (ISO/IEC 13818-1 §2.4.1: PID 0x1fff).
fn is_null(packet: &[u8]) -> bool {
    packet.len() == TS && packet[0] == 0x47 && packet[1] & 0x1f == 0x1f && packet[2] == 0xff
}

#[cfg(test)]
mod tests {
    use super::{Carries, packets};
    use crate::pacing::{
        clock::tests::packet,
        receiver::{Arrival, Received},
    };

    /// Seventy transport packets, a PCR each tenth, one packet a millisecond.
    fn file() -> Vec<u8> {
        (0..70).flat_map(|number| packet(256, (number % 10 == 0).then_some(number * 27_000))).collect()
    }

    fn received(file: &[u8]) -> Received {
        let arrival = |(number, payload): (u16, &[u8])| Arrival {
            came: u64::from(number) * 7_000_000,
            sequence: 65_530u16.wrapping_add(number),
            payload: payload.to_vec(),
        };
        Received { packets: (0..).zip(file.chunks(7 * 188)).map(arrival).collect(), strange: 0 }
    }

    #[test]
    fn a_right_stream_has_due_times() {
        let file = file();
        let mut filled = received(&file);
        filled.packets[9].payload.extend(packet(0x1fff, None));
        packets(&filled, Carries::File, &file).expect("null packets at the end do no harm");
        for carries in [Carries::File, Carries::Programme(1)] {
            let right = packets(&received(&file), carries, &file).expect("right");
            assert_eq!(right.len(), 10);
            assert!((right[9].due - 63e6).abs() < 1.0, "{carries:?}: {right:?}");
        }
    }

    #[test]
    fn a_fault_is_named() {
        type Damage = fn(&mut Received);
        let file = file();
        let damages: [(&str, Damage); 8] = [
            ("nothing arrived", |received| received.packets.clear()),
            ("2 datagrams were no RTP", |received| received.strange = 2),
            ("1 packets lost, 9 arrived", |received| drop(received.packets.remove(4))),
            ("packet 5 of 10 came after packet 3", |received| received.packets.swap(4, 5)),
            ("packet 4 of 11 came after packet 4", |received| {
                received.packets.insert(4, received.packets[4].clone());
            }),
            ("octet 1320 is not the file's", |received| received.packets[1].payload[4] ^= 1),
            ("octets are missing", |received| received.packets.truncate(8)),
            ("188 octets more", |received| received.packets[9].payload.extend([0x47; 188])),
        ];
        for (why, damage) in damages {
            let mut received = received(&file);
            damage(&mut received);
            let error = packets(&received, Carries::File, &file).expect_err(why);
            assert!(error.to_string().contains(why), "{error} is not {why}");
        }
    }

    #[test]
    fn half_a_programme_is_noticed() {
        let file: Vec<u8> = (0..70).flat_map(|number| packet(256, Some(number * 2_700_000))).collect();
        let mut received = received(&file);
        received.packets.truncate(5);
        let error = packets(&received, Carries::Programme(1), &file).unwrap_err();
        assert!(error.to_string().contains("s of the file's"), "{error}");
        packets(&received, Carries::Programme(4), &file).expect("so much may be missing");
    }
}
