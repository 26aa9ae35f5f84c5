//! Where transport packets begin (ISO/IEC 13818-1 §2.4.3.2), also where octets
//! are lost or damaged.

use super::pcr::{PACKET, SYNC};

/// A packet begins where so many sync octets follow a packet's length apart.
const SYNCS: usize = 3;
/// Octets to look at for that.
const LOOK: usize = (SYNCS - 1) * PACKET + 1;

/// Cuts octets that come in pieces of any length into transport packets.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    /// Octets pushed and not yet decided upon, fewer than [`LOOK`].
    rest: Vec<u8>,
    /// Where `rest` begins, octets since the first.
    at: u64,
    lost: bool,
    losses: u64,
    skipped: u64,
}

impl Packets {
    /// Times that a packet did not begin where the one before ended.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// Octets in no packet; at the end, those that are left are to be added.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether the next packet is being looked for.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Octets that wait for more.
    pub fn left(&self) -> u64 {
        self.rest.len() as u64
    }

    /// Takes the next octets; `each` gets every packet that is whole now and
    /// where it begins, octets since the first.
    pub fn push(&mut self, mut octets: &[u8], mut each: impl FnMut(u64, &[u8; PACKET])) {
        if !self.rest.is_empty() {
            // What is left and a little more decides about all that is left.
            let mut joined = std::mem::take(&mut self.rest);
            let before = joined.len();
            joined.extend_from_slice(&octets[..octets.len().min(LOOK + PACKET)]);
            let done = self.walk(&joined, &mut each);
            self.at += done as u64;
            if done < before {
                joined.drain(..done);
                self.rest = joined;
                return;
            }
            octets = &octets[done - before..];
        }
        let done = self.walk(octets, &mut each);
        self.at += done as u64;
        self.rest.extend_from_slice(&octets[done..]);
    }

    /// How many of `octets`, which are at `self.at`, are decided upon.
    fn walk(&mut self, octets: &[u8], each: &mut impl FnMut(u64, &[u8; PACKET])) -> usize {
        let mut done = 0;
        loop {
            if self.lost {
                let Some(found) = begin(&octets[done..]) else {
                    let undecided = (octets.len() - done).min(LOOK - 1);
                    self.skipped += (octets.len() - done - undecided) as u64;
                    return octets.len() - undecided;
                };
                self.lost = false;
                self.skipped += found as u64;
                done += found;
            }
            while let Some(packet) = octets[done..].first_chunk() {
                if packet[0] != SYNC {
                    self.lost = true;
                    self.losses += 1;
                    break;
                }
                each(self.at + done as u64, packet);
                done += PACKET;
            }
            if !self.lost {
                return done;
            }
        }
    }
}

/// Where in `octets` the first packet begins.
fn begin(octets: &[u8]) -> Option<usize> {
    let starts = octets.len().checked_sub(LOOK - 1)?;
    (0..starts).find(|&start| (0..SYNCS).all(|sync| octets[start + sync * PACKET] == SYNC))
}

#[cfg(test)]
mod tests {
    use super::{PACKET, Packets, SYNC, SYNCS};
    use proptest::prelude::*;

    /// What is found octet by octet in all of `octets` at once: packets, losses
    /// and octets in none of them.
    fn naive(octets: &[u8]) -> (Vec<u64>, u64, u64) {
        let synced = |at: usize| octets.get(at) == Some(&SYNC);
        let (mut found, mut losses, mut at, mut lost) = (Vec::new(), 0, 0, false);
        while at + PACKET <= octets.len() {
            let begins = if lost { (0..SYNCS).all(|sync| synced(at + sync * PACKET)) } else { synced(at) };
            if begins {
                found.push(at as u64);
                at += PACKET;
            } else {
                losses += u64::from(!lost);
                at += 1;
            }
            lost = !begins;
        }
        let inside = (found.len() * PACKET) as u64;
        (found, losses, octets.len() as u64 - inside)
    }

    fn cut(octets: &[u8], pieces: &[usize]) -> (Vec<u64>, u64, u64) {
        let (mut packets, mut found, mut left) = (Packets::default(), Vec::new(), octets);
        for &piece in pieces.iter().cycle() {
            let (piece, rest) = left.split_at(piece.min(left.len()));
            packets.push(piece, |at, packet| {
                assert_eq!(packet[..], octets[usize::try_from(at).unwrap()..][..PACKET]);
                found.push(at);
            });
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        (found, packets.losses(), packets.skipped() + packets.left())
    }

    proptest! {
        /// Packets of mostly sync octets, some cut, in pieces of any length.
        #[test]
        fn packets_are_found_however_octets_come(
            parts in proptest::collection::vec((0usize..=PACKET, prop_oneof![Just(0u8), Just(SYNC), any::<u8>()], 1usize..8), 0..12),
            pieces in proptest::collection::vec(1usize..700, 1..9),
        ) {
            let mut octets = Vec::new();
            for (length, filler, times) in parts {
                let mut packet = [filler; PACKET];
                packet[0] = SYNC;
                octets.extend(packet.repeat(times));
                octets.extend_from_slice(&packet[..length]);
            }
            prop_assert_eq!(cut(&octets, &pieces), naive(&octets));
        }
    }
}
