//! The numbers in the header of a sound file.

use super::format::Order;

/// The numbers in a header; `None` where it ends before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub octets: &'a [u8],
    pub order: Order,
}

impl<'a> Fields<'a> {
    pub fn array<const N: usize>(self, at: usize) -> Option<&'a [u8; N]> {
        self.octets.get(at..)?.first_chunk()
    }

    pub fn u16(self, at: usize) -> Option<u16> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u16::from_be_bytes(octets)
        } else {
            u16::from_le_bytes(octets)
        })
    }

    pub fn u32(self, at: usize) -> Option<u32> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        })
    }

    pub fn u64(self, at: usize) -> Option<u64> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u64::from_be_bytes(octets)
        } else {
            u64::from_le_bytes(octets)
        })
    }
}
