//! Numbers of system calls as the paper writes them: in n packets.

use anyhow::{Context, ensure};

/// How many calls each packet adds by a formula such as `1 + 4n` or `3n/49 + n/392`.
pub fn per_packet(formula: &str) -> anyhow::Result<f64> {
    formula
        .split('+')
        .map(str::trim)
        .map(term)
        .sum::<anyhow::Result<f64>>()
        .with_context(|| formula.to_owned())
}

/// What one term says of each packet; nothing, if it is a number alone.
fn term(term: &str) -> anyhow::Result<f64> {
    let number = |text: &str| text.parse::<u32>().with_context(|| format!("{text:?} is no number"));
    let Some((times, part)) = term.split_once('n') else {
        return number(term).map(|_| 0.0);
    };
    let times = if times.is_empty() { 1 } else { number(times)? };
    let part = match part.strip_prefix('/') {
        Some(part) => number(part)?,
        None if part.is_empty() => 1,
        None => anyhow::bail!("{part:?} after n"),
    };
    ensure!(part > 0, "a division by zero");
    Ok(f64::from(times) / f64::from(part))
}

/// Whether what was counted is what the formula says: to one part in forty, since what is a batch's share does not come
/// out even, and to what one call more in the whole count makes.
pub fn agrees(formula: f64, counted: f64, packets: u32) -> bool {
    (formula - counted).abs() <= formula / 40.0 + 2.0 / f64::from(packets)
}

#[cfg(test)]
mod tests {
    use super::{agrees, per_packet};

    #[test]
    fn formulas_are_read_as_they_are_written() {
        for (formula, expected) in [
            ("n", 1.0),
            ("4n", 4.0),
            ("1", 0.0),
            ("1 + 4n", 4.0),
            ("n/49", 1.0 / 49.0),
            ("2n/48", 1.0 / 24.0),
            ("1 + 3n/49 + n/392", 25.0 / 392.0),
            ("1 + n + n/32", 1.03125),
        ] {
            let read = per_packet(formula).expect(formula);
            assert!((read - expected).abs() < 1e-12, "{formula}: {read}");
        }
        for wrong in ["", "m", "n/0", "n2", "2n/", "n/n", "-n", "1 + "] {
            assert!(per_packet(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_call_more_for_each_packet_is_no_agreement() {
        for (formula, counted, agree) in [
            (4.0, 4.0, true),
            (4.0, 5.0, false),
            (4.0, 3.0, false),
            (1.0 / 49.0, 48.0 / 2352.0, true),
            (1.0 / 49.0, 96.0 / 2352.0, false),
            (0.0, 1.0 / 2352.0, true),
            (0.0, 0.01, false),
        ] {
            assert_eq!(agrees(formula, counted, 2352), agree, "{formula} and {counted}");
        }
    }
}
