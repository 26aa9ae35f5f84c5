//! An error as the one line that `krtp` prints.

use std::fmt::Write as _;

/// The chain of `error` from the context to the cause, joined by colons.
///
/// A cause that the message before it quotes is not said twice, and no control
/// character of a name reaches the terminal. The verifier's log keeps its lines.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    escape(&line)
}

/// `text` with its control characters, but for line ends, spelt out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            write!(escaped, "{}", c.escape_default()).expect("a string has room");
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::one_line;
    use anyhow::anyhow;

    #[test]
    fn a_chain_becomes_a_line_that_says_nothing_twice() {
        let quoting = "cannot send from 192.0.2.1: not here; see `ip address`";
        let cases = [
            ("alone", anyhow!("no such file"), "no such file"),
            ("cause not said yet", anyhow!("not here").context("eth0"), "eth0: not here"),
            ("cause quoted", anyhow!("not here").context(quoting), quoting),
            ("escape sequence", anyhow!("no \x1b[31m interface"), r"no \u{1b}[31m interface"),
        ];
        for (case, error, line) in cases {
            assert_eq!(one_line(&error), line, "{case}");
        }
    }
}
