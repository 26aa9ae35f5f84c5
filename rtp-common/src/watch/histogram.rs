//! Buckets for times: log-linear for spans, which may be 10 ns or 10 s;
//! linear for lateness, so that user space can put the zero elsewhere.

/// Number of buckets for spans.
pub const SPANS: usize = 512;
/// Each power of two is cut into this many buckets: a bucket is at most 1/16 of
/// its lower bound wide.
const CUTS: u32 = 16;
const CUT_BITS: u32 = CUTS.ilog2();

/// Bucket of a span of nanoseconds. Spans of 34 s and more share the last one.
#[inline(always)]
pub const fn span_index(nanos: u64) -> usize {
    if nanos < CUTS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    if power > LAST_POWER {
        return SPANS - 1;
    }
    let cut = (nanos >> (power - CUT_BITS)) as u32 & (CUTS - 1);
    bounded::<SPANS>(((power - CUT_BITS + 1) * CUTS + cut) as usize)
}

/// `index`, which is below `N` (a power of two). The compiler knows that, too, and would
/// leave out what the verifier needs to see.
#[inline(always)]
const fn bounded<const N: usize>(index: usize) -> usize {
    core::hint::black_box(index) & (N - 1)
}

const LAST_POWER: u32 = SPANS as u32 / CUTS + CUT_BITS - 2;

/// The spans in bucket `index`: from the first, below the second, nanoseconds.
pub const fn span_bounds(index: usize) -> (u64, u64) {
    let (row, cut) = (index as u32 / CUTS, index as u64 % CUTS as u64);
    if row == 0 {
        return (cut, cut + 1);
    }
    let width = 1 << (row - 1);
    let low = (CUTS as u64 + cut) * width;
    (low, if index == SPANS - 1 { u64::MAX } else { low + width })
}

/// Number of buckets for lateness.
pub const LATENESS: usize = BUCKETS as usize;
const BUCKETS: i64 = 4096;
/// A bucket is 2^19 ns wide (0.52 ms): a shift finds it, no division.
const WIDTH_BITS: u32 = 19;
/// The bucket that begins with zero.
const ZERO: i64 = BUCKETS / 2;

/// Bucket of a lateness of nanoseconds: 1.07 s to both sides of zero, what lies
/// beyond in the outermost ones.
#[inline(always)]
pub const fn lateness_index(nanos: i64) -> usize {
    let index = (nanos >> WIDTH_BITS) + ZERO;
    if index < 0 {
        0
    } else if index >= BUCKETS {
        LATENESS - 1
    } else {
        bounded::<LATENESS>(index.cast_unsigned() as usize)
    }
}

/// The lateness in bucket `index`: from the first, below the second,
/// nanoseconds. The outermost ones have no outer bound.
pub const fn lateness_bounds(index: usize) -> (i64, i64) {
    let low = (index as u32 as i64 - ZERO) << WIDTH_BITS;
    let high = low + (1 << WIDTH_BITS);
    (if index == 0 { i64::MIN } else { low }, if index == LATENESS - 1 { i64::MAX } else { high })
}

/// Counts one more in `bucket`; it stays at its end rather than begin anew.
#[inline(always)]
pub const fn count(bucket: &mut u32) {
    *bucket = bucket.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_of_spans_leave_no_hole() {
        let mut next = 0;
        for index in 0..SPANS {
            let (low, high) = span_bounds(index);
            assert_eq!(low, next, "bucket {index}");
            assert!(high > low, "bucket {index}");
            next = high;
        }
        assert_eq!(next, u64::MAX);
    }

    #[test]
    fn buckets_of_lateness_leave_no_hole() {
        let mut next = i64::MIN;
        for index in 0..LATENESS {
            let (low, high) = lateness_bounds(index);
            assert_eq!(low, next, "bucket {index}");
            assert!(high > low, "bucket {index}");
            next = high;
        }
        assert_eq!(next, i64::MAX);
    }

    /// Nanoseconds of every order of magnitude.
    fn span() -> impl Strategy<Value = u64> {
        (0u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift)
    }

    proptest! {
        #[test]
        fn a_span_lies_in_its_bucket(nanos in span()) {
            let (low, high) = span_bounds(span_index(nanos));
            prop_assert!(low <= nanos && (nanos < high || high == u64::MAX), "{nanos}: {low}..{high}");
        }

        #[test]
        fn the_middle_of_a_bucket_is_near(nanos in 10u64..10_000_000_000) {
            let (low, high) = span_bounds(span_index(nanos));
            let error = f64::midpoint(low as f64, high as f64) / nanos as f64 - 1.0;
            prop_assert!(error.abs() <= 0.05, "{nanos}: {error}");
        }

        #[test]
        fn a_lateness_lies_in_its_bucket(nanos in prop_oneof![any::<i64>(), -2_000_000_000i64..2_000_000_000]) {
            let (low, high) = lateness_bounds(lateness_index(nanos));
            prop_assert!(low <= nanos && (nanos < high || high == i64::MAX), "{nanos}: {low}..{high}");
        }
    }
}
