//! The time between packets: due by their timestamps, and as they came.

/// Nanoseconds of `ticks` of a clock of `rate` Hz, rounded down. Zero if the
/// rate is.
#[inline(always)]
pub const fn nanos(ticks: u64, rate: u32) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    if rate == 0 {
        return 0;
    }
    let rate = rate as u64;
    // A second's worth of ticks at a time: no product leaves 64 bits.
    (ticks / rate) * SECOND + (ticks % rate) * SECOND / rate
}

/// The same, of a distance that may be negative.
#[inline(always)]
pub const fn signed_nanos(ticks: i64, rate: u32) -> i64 {
    let nanos = nanos(ticks.unsigned_abs(), rate).cast_signed();
    if ticks < 0 { -nanos } else { nanos }
}

/// The jitter after a packet whose arrival gap differed by `difference` from
/// its due gap (RFC 3550 §6.4.1, in integers as A.8 has it). Both in the same
/// unit; the jitter is kept 16 times as large.
#[inline(always)]
pub const fn jitter(jitter: u64, difference: u64) -> u64 {
    (jitter + difference) - ((jitter + 8) >> 4)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{jitter, nanos, signed_nanos};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nanos_are_exact(ticks in 0u64..1 << 45, rate in 1u32..200_000) {
            let exact = u128::from(ticks) * 1_000_000_000 / u128::from(rate);
            // A clock as slow as 1 Hz would need more than 64 bits for 2^45 ticks.
            prop_assume!(exact < 1 << 63);
            prop_assert_eq!(u128::from(nanos(ticks, rate)), exact);
            prop_assert_eq!(signed_nanos(-ticks.cast_signed(), rate), -nanos(ticks, rate).cast_signed());
        }

        #[test]
        fn jitter_is_the_formula_of_the_rfc(differences in prop::collection::vec(0u64..1 << 40, 1..500)) {
            let (mut ours, mut formula) = (0, 0.0);
            for difference in differences {
                ours = jitter(ours, difference);
                formula += (difference as f64 - formula) / 16.0;
                // Rounded to a sixteenth of a nanosecond each time, of which 1/16 is forgotten each time.
                prop_assert!((ours as f64 / 16.0 - formula).abs() < 1.0, "{} and {formula}", ours as f64 / 16.0);
            }
        }
    }
}
