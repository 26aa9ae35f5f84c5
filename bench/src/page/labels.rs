//! Where the names at the ends of lines go, so that none covers another.

/// Places for labels that would like to be at `wanted`, in the same order: `gap` apart, none above `top` or below
/// `bottom` as far as there is room, in the order of their lines.
pub fn place(wanted: &[i32], gap: i32, top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&label| wanted[label]);
    let mut places = wanted.to_vec();
    let mut next = top;
    for &label in &order {
        places[label] = places[label].max(next);
        next = places[label] + gap;
    }
    let mut limit = bottom;
    for &label in order.iter().rev() {
        places[label] = places[label].min(limit);
        limit = places[label] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::place;
    use proptest::prelude::*;

    #[test]
    fn labels_make_room_for_each_other() {
        for (wanted, expected) in [
            (&[][..], &[][..]),
            (&[50], &[50]),
            (&[50, 50, 50], &[50, 60, 70]),
            (&[95, 98, 20], &[90, 100, 20]),
            (&[-5, 0], &[0, 10]),
        ] {
            assert_eq!(place(wanted, 10, 0, 100), expected, "{wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn none_covers_another_where_all_have_room(wanted in prop::collection::vec(-50..400_i32, 0..20)) {
            let mut places = place(&wanted, 14, 0, 300);
            places.sort_unstable();
            prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 14), "{:?}", places);
            prop_assert!(places.iter().all(|place| (0..=300).contains(place)), "{:?}", places);
        }
    }
}
