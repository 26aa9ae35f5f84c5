//! Paths in messages.

use std::{
    fmt::{self, Display, Formatter, Write as _},
    path::Path,
};

/// A path in a message: on one line, and nothing in it speaks to the terminal.
pub(super) struct Shown<'a>(pub &'a Path);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string_lossy().chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// A path in a command that the user may copy to a shell.
pub(super) struct Quoted<'a>(pub &'a Path);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = Shown(self.0).to_string();
        let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
        let option = if shown.starts_with('-') { "./" } else { "" };
        if shown.chars().all(plain) {
            write!(f, "{option}{shown}")
        } else {
            write!(f, "'{option}{}'", shown.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Quoted, Shown};
    use std::path::Path;

    #[test]
    fn a_path_stays_on_its_line_and_in_its_word() {
        let cases = [
            ("plain", "dir/a-b_1.ts", "dir/a-b_1.ts", "dir/a-b_1.ts"),
            ("space", "my film.ts", "my film.ts", "'my film.ts'"),
            ("quote", "it's.ts", "it's.ts", r"'it'\''s.ts'"),
            ("like an option", "-f.ts", "-f.ts", "./-f.ts"),
            ("line end and escape", "a\n\x1b[31m.ts", r"a\n\u{1b}[31m.ts", r"'a\n\u{1b}[31m.ts'"),
            ("umlaut", "Übung.ts", "Übung.ts", "Übung.ts"),
        ];
        for (case, path, shown, quoted) in cases {
            assert_eq!(Shown(Path::new(path)).to_string(), shown, "{case}");
            assert_eq!(Quoted(Path::new(path)).to_string(), quoted, "{case}");
        }
    }
}
