//! Standard output whose reader may leave, as `head` does: that is an end,
//! not a failure.

use std::io::{self, ErrorKind, Write};

/// Writes `text` to standard output; `false`: nobody reads it any more.
pub fn print(text: &str) -> io::Result<bool> {
    write(&mut io::stdout().lock(), text)
}

/// The cursor to the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears from the cursor to the end of the line, of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// `text` over what stands on the terminal, without a flicker.
pub fn redraw(text: &str) -> String {
    let lines = text.replace('\n', &format!("{CLEAR_LINE}\n"));
    format!("{HOME}{lines}{CLEAR_REST}")
}

fn write(out: &mut impl Write, text: &str) -> io::Result<bool> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{redraw, write};
    use std::io::{ErrorKind, PipeWriter, pipe};

    fn end_of_pipe(read: bool) -> (PipeWriter, Option<std::io::PipeReader>) {
        let (reader, writer) = pipe().expect("a pipe");
        (writer, read.then_some(reader))
    }

    #[test]
    fn a_reader_that_left_is_an_end() {
        let (mut writer, _reader) = end_of_pipe(true);
        assert!(write(&mut writer, "read").expect("somebody reads"));
        let (mut writer, _) = end_of_pipe(false);
        assert!(!write(&mut writer, "unread").expect("not a failure"));
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let mut full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        assert_eq!(write(&mut full, "text").expect_err("no room").kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn a_shorter_screen_leaves_nothing_of_the_longer_one() {
        assert_eq!(redraw("a\nb\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
