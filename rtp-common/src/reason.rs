//! Why the program dropped or passed on what looked like ours.

/// Why the program dropped a packet of a flow. A packet that cannot get its
/// header must not leave without one.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Not plain Ethernet + IPv4/IPv6 + UDP whose lengths agree: IP options, a
    /// fragment, a tag inside the frame.
    Shape = 0,
    /// There is no note of this packet (or no longer) in its flow's ring, or no piece of its timeline.
    Note = 1,
    /// The kernel could not make room for the header (`bpf_skb_adjust_room`).
    Room = 2,
    /// A batch came, but the flow has no segmenter.
    Segmenter = 3,
}

/// Number of [`Drop`] reasons.
pub const DROPS: usize = 4;

impl Drop {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; DROPS] = [Self::Shape, Self::Note, Self::Room, Self::Segmenter];

    /// The reason in a few words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Shape => "not a plain UDP datagram",
            Self::Note => "sum and timeline missing",
            Self::Room => "no room for the header",
            Self::Segmenter => "no segmenter",
        }
    }
}

/// Why the program did not treat as a flow's a packet that carried our mark.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// No socket behind it (forwarded, or made by the kernel): passed on.
    NoSocket = 0,
    /// Its socket is not a flow's: passed on.
    NotAFlow = 1,
    /// Its flow has ended and another has the slot: dropped, unless it has its header.
    Ended = 2,
}

/// Number of [`Skip`] reasons.
pub const SKIPS: usize = 3;
