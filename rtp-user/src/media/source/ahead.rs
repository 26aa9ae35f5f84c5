//! Has the disk read what is about to be sent, so that no sender waits for it: one stream that waits holds up all
//! others of its thread.

use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, preadv2},
};
use std::{
    fs::File,
    io::IoSliceMut,
    num::NonZeroU64,
    ops::Range,
    sync::{Arc, mpsc},
    thread,
};

/// How far ahead of the play, octets: four seconds at 4 Mb/s, and 2 GB of page cache for a thousand streams.
const AHEAD: u64 = 2 << 20;
/// How much is asked for at a time. A [`super::window::Window`] wants as much at once, and has to find it read.
pub(super) const STEP: u64 = 512 << 10;

/// A thread that asks the kernel to read. Asking may wait where the disk has much to do; that is why it is a thread.
#[derive(Clone, Debug)]
pub struct Reader(Option<mpsc::Sender<Request>>);

/// A part of a file.
#[derive(Debug)]
struct Request {
    file: Arc<File>,
    octets: Range<u64>,
}

impl Reader {
    /// One that ends when nobody has it any more. Without a thread for it, senders wait for the disk themselves.
    pub fn start() -> Self {
        let (requests, queue) = mpsc::channel();
        let started = thread::Builder::new().name("krtp-ahead".into()).spawn(move || {
            queue.into_iter().for_each(read);
        });
        if let Err(error) = started {
            tracing::warn!("no thread reads ahead of the streams: {error}");
        }
        Self(Some(requests))
    }

    /// Nobody: the kernel reads when it is asked for the octets, and the sender waits for it.
    pub fn none() -> Self {
        Self(None)
    }

    /// Has those octets read, unless they are in memory.
    fn ask(&self, file: &Arc<File>, octets: Range<u64>) {
        let Some(requests) = &self.0 else { return };
        if !is_cached(file, octets.end - 1) {
            // Fails without a thread, which was said.
            let _ = requests.send(Request { file: Arc::clone(file), octets });
        }
    }
}

fn read(Request { file, octets }: Request) {
    let length = NonZeroU64::new(octets.end - octets.start);
    if let Err(error) = fadvise(&file, octets.start, length, Advice::WillNeed) {
        tracing::debug!("reading ahead: {error}");
    }
}

/// Whether the octet at `offset` is in the page cache; `false` also where the file system does not tell.
fn is_cached(file: &File, offset: u64) -> bool {
    let mut octet = [0];
    loop {
        match preadv2(file, &mut [IoSliceMut::new(&mut octet)], offset, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            // An end before the expected one is for the send to find.
            other => return other.is_ok(),
        }
    }
}

/// How far a source's file was asked for.
#[derive(Debug, Default)]
pub struct Front {
    /// Where the play was.
    at: u64,
    /// Behind the last octet that was asked for.
    until: u64,
}

impl Front {
    /// Asks for what the play, which is at octet `at`, comes to next, in a file that ends at `end`.
    pub fn advance(&mut self, reader: &Reader, file: &Arc<File>, at: u64, end: u64) {
        if let Some(octets) = self.next(at, end) {
            reader.ask(file, octets);
        }
    }

    fn next(&mut self, at: u64, end: u64) -> Option<Range<u64>> {
        if !(self.at..=self.until).contains(&at) {
            // A jump, or the next play: nothing lies ahead of it.
            self.until = at;
        }
        self.at = at;
        let until = (at + AHEAD).min(end);
        if until < self.until + STEP && until != end || until <= self.until {
            return None;
        }
        Some(std::mem::replace(&mut self.until, until)..until)
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, Front, Reader, STEP, is_cached};
    use rustix::fs::{Advice, fadvise};
    use std::{
        io::Write as _,
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn every_octet_is_asked_for_once_and_in_time() {
        const END: u64 = 5 * AHEAD + 12_345;
        for batch in [1316, 64_484, STEP + 1] {
            let (mut front, mut asked) = (Front::default(), 0);
            for at in (0..END).step_by(usize::try_from(batch).unwrap()) {
                if let Some(octets) = front.next(at, END) {
                    assert_eq!(octets.start, asked, "at {at}");
                    assert!(octets.end - octets.start >= STEP || octets.end == END, "at {at}: {octets:?}");
                    asked = octets.end;
                }
                assert!(asked >= (at + AHEAD - STEP).min(END), "at {at}: only up to {asked}");
            }
            assert_eq!(asked, END);
        }
    }

    #[test]
    fn a_jump_begins_anew() {
        const END: u64 = 100 * AHEAD;
        let mut front = Front::default();
        assert_eq!(front.next(0, END), Some(0..AHEAD));
        assert_eq!(front.next(1000, END), None);
        assert_eq!(front.next(9 * AHEAD, END), Some(9 * AHEAD..10 * AHEAD), "forth");
        assert_eq!(front.next(0, END), Some(0..AHEAD), "back, as a loop does");
        assert_eq!(front.next(0, END), None);
    }

    #[test]
    fn what_is_asked_for_comes_into_memory() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![1; 8 << 20]).and_then(|()| file.sync_all()).expect("room for it");
        let file = Arc::new(file);
        fadvise(&file, 0, None, Advice::DontNeed).expect("a file");
        if is_cached(&file, AHEAD - 1) {
            println!("this file system keeps all in memory: nothing has to be read ahead");
        }
        Front::default().advance(&Reader::start(), &file, 0, 8 << 20);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_cached(&file, AHEAD - 1) {
            assert!(Instant::now() < deadline, "it is not read");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
