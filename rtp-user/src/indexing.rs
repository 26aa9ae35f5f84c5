//! `krtp index`: reads whole libraries beforehand, in the background, so that every first play starts as a second one.

use crate::{
    line::one_line,
    media::{
        index::IndexError,
        library::{Cache, Library},
    },
    print::print,
    probe,
};
use anyhow::{Context as _, Result};
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use rustix::{io::Errno, process::setpriority_process};
use serde::Serialize;
use std::{
    fmt, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};
use walkdir::WalkDir;

/// Gives way to whatever else wants the processor.
const LOWEST_PRIORITY: i32 = 19;

/// What came of it. `--json` prints exactly these fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Files that were read.
    pub indexed: u64,
    /// Octets of them.
    pub octets: u64,
    /// Files whose index was there.
    pub known: u64,
    /// Files below a named directory that are no media krtp can play.
    pub skipped: u64,
    /// Files that were written to a moment ago: nothing is kept of them.
    pub unsettled: u64,
    /// What cannot be read, with the remedy.
    pub failures: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    path: PathBuf,
    octets: u64,
    /// By the user, not by us below a directory.
    named: bool,
}

/// What came of one file.
enum Outcome {
    Indexed,
    Known,
    Unsettled,
}

/// Indexes `paths` and all that is below them, `jobs` files at a time (as many as there are processors).
pub fn run(paths: &[PathBuf], jobs: Option<NonZeroUsize>, json: bool) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    let cache = cache.context("there is nowhere to keep an index: set HOME or XDG_CACHE_HOME")?;
    match setpriority_process(None, LOWEST_PRIORITY) {
        // We may have been started with a lower one than we could have again.
        Ok(()) | Err(Errno::ACCESS) => {}
        Err(error) => return Err(error).context("cannot lower the priority"),
    }
    let begun = Instant::now();
    let mut report = Report::default();
    let found = find(paths, &mut report.failures);
    let bar = probe::bar(json);
    bar.set_length(found.iter().map(|file| file.octets).sum());
    let jobs = jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let mut report = index_all(found, &cache, jobs, &bar, report);
    bar.finish_and_clear();
    report.seconds = begun.elapsed().as_secs_f64();
    print(&if json { serde_json::to_string(&report)? + "\n" } else { report.to_string() })?;
    for failure in &report.failures {
        eprintln!("krtp: {failure}");
    }
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All files that `paths` are or hold, none of them empty, and what is in the way.
fn find(paths: &[PathBuf], failures: &mut Vec<String>) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        for entry in WalkDir::new(path).sort_by_file_name() {
            match entry.map_err(unreadable).and_then(|entry| file(&entry, path)) {
                Ok(file) => found.extend(file),
                Err(error) => failures.push(one_line(&error)),
            }
        }
    }
    found
}

/// The walk's error, beginning with what it is about as all of ours do.
fn unreadable(error: walkdir::Error) -> anyhow::Error {
    let path = error.path().unwrap_or(Path::new("")).display().to_string();
    match error.into_io_error() {
        Some(error) => anyhow::Error::new(error).context(path),
        None => anyhow::anyhow!("{path}: a link to a directory above it"),
    }
}

/// The file at `entry`; `None` if it holds nothing, or is none and was not named.
fn file(entry: &walkdir::DirEntry, named: &Path) -> Result<Option<Found>> {
    let path = entry.path();
    let named = path == named;
    // What is named may be a link.
    let status =
        fs::symlink_metadata(path).and_then(|status| if named { fs::metadata(path) } else { Ok(status) });
    let status = status.with_context(|| path.display().to_string())?;
    let wanted = if named { !status.is_dir() } else { status.is_file() && status.len() > 0 };
    Ok(wanted.then(|| Found { path: path.into(), octets: status.len(), named }))
}

fn index_all(
    found: Vec<Found>,
    cache: &Cache,
    jobs: NonZeroUsize,
    bar: &ProgressBar,
    report: Report,
) -> Report {
    let (queue, report) = (Mutex::new(found.into_iter()), Mutex::new(report));
    let next = || queue.lock().expect("nobody panics with it").next();
    let work = || {
        while let Some(file) = next() {
            let outcome = index(&file, cache, bar);
            report.lock().expect("nobody panics with it").add(&file, outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(work);
        }
    });
    report.into_inner().expect("nobody panicked with it")
}

fn index(file: &Found, cache: &Cache, bar: &ProgressBar) -> Result<Outcome> {
    // Its own library: what was read of a file is not needed for the next.
    let library = Library::new(Some(cache.clone()));
    let (mut source, media) = probe::source(&file.path, None, &library)?;
    if media.samples.is_some() {
        // Its copy is made anew by each play, and known to nobody else.
        bar.inc(file.octets);
        return Ok(Outcome::Known);
    }
    let mut before = None;
    source.complete(&mut |done, _| bar.inc(done - before.replace(done).unwrap_or_default()))?;
    bar.inc(file.octets.saturating_sub(before.unwrap_or_default()));
    match library.try_keep().pop() {
        None if before.is_some() => Ok(Outcome::Indexed),
        None => Ok(Outcome::Known),
        Some(IndexError::Unsettled { .. }) => Ok(Outcome::Unsettled),
        Some(error) => Err(error.into()),
    }
}

impl Report {
    fn add(&mut self, file: &Found, outcome: Result<Outcome>) {
        match outcome {
            Ok(Outcome::Indexed) => {
                self.indexed += 1;
                self.octets += file.octets;
            }
            Ok(Outcome::Known) => self.known += 1,
            Ok(Outcome::Unsettled) => self.unsettled += 1,
            // What krtp cannot play is no fault of a directory; a cache that cannot be written is everybody's.
            Err(error) if file.named || error.is::<IndexError>() => self.failures.push(one_line(&error)),
            Err(error) => {
                tracing::info!("{}", one_line(&error));
                self.skipped += 1;
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (indexed, octets) = (HumanCount(self.indexed), HumanBytes(self.octets));
        writeln!(
            f,
            "{indexed} indexed ({octets} in {:.1} s), {} known",
            self.seconds,
            HumanCount(self.known)
        )?;
        if self.skipped > 0 {
            writeln!(
                f,
                "{} are no media that krtp plays (krtp -v index names them)",
                HumanCount(self.skipped)
            )?;
        }
        if self.unsettled > 0 {
            writeln!(f, "{} are being written: index them later", HumanCount(self.unsettled))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Report, find, index_all};
    use crate::media::{library::Cache, synth::programme};
    use indicatif::ProgressBar;
    use std::{
        fs,
        num::NonZeroUsize,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
        thread,
        time::Duration,
    };

    /// A directory with three films, one of them below it, and three files that are none.
    fn library() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("below")).expect("room for it");
        for (name, seconds) in [("a.ts", 1.0), ("b.ts", 2.0), ("below/c.ts", 3.0)] {
            fs::write(path(name), programme(seconds, 0, |_| 4e6).0).expect("room for it");
        }
        fs::write(path("a.txt"), "not a film").expect("room for it");
        fs::write(path("empty.ts"), "").expect("room for it");
        symlink(path("a.ts"), path("link.ts")).expect("room for it");
        dir
    }

    fn indexed(paths: &[PathBuf], cache: &Path) -> Report {
        let mut report = Report::default();
        let found = find(paths, &mut report.failures);
        let cache = Cache::new(cache.to_owned(), u64::MAX);
        index_all(found, &cache, NonZeroUsize::MIN.saturating_add(1), &ProgressBar::hidden(), report)
    }

    #[test]
    fn a_directory_is_read_once() {
        let (dir, cache) = (library(), tempfile::tempdir().expect("a directory"));
        let paths = [dir.path().to_owned()];
        let octets =
            ["a.ts", "b.ts", "below/c.ts"].map(|name| fs::metadata(dir.path().join(name)).unwrap().len());
        // A file that was just written is not kept: until the clock has moved on.
        let settled = (0..400).map(|_| indexed(&paths, cache.path())).find(|report| {
            thread::sleep(Duration::from_millis(5));
            report.unsettled == 0
        });
        let report = settled.expect("files settle");
        assert_eq!((report.indexed + report.known, report.skipped), (3, 1), "{report:?}");
        assert!(report.octets <= octets.iter().sum(), "{report:?}");
        let again = indexed(&paths, cache.path());
        assert_eq!(again, Report { known: 3, skipped: 1, ..Report::default() });
        fs::remove_dir_all(cache.path()).expect("ours");
        let anew = indexed(&paths, cache.path());
        assert_eq!(anew, Report { indexed: 3, octets: octets.iter().sum(), skipped: 1, ..Report::default() });
        assert_eq!(fs::read_dir(cache.path()).expect("it is back").count(), 3);
    }

    #[test]
    fn what_was_named_and_cannot_be_played_is_said() {
        let (dir, cache) = (library(), tempfile::tempdir().expect("a directory"));
        let path = |name: &str| dir.path().join(name);
        let paths = ["a.txt", "empty.ts", "none.ts", "link.ts"].map(path);
        let report = indexed(&paths, cache.path());
        let said = report.failures.join("\n").replace(&format!("{}/", dir.path().display()), "");
        for expected in ["a.txt", "empty.ts", "none.ts"] {
            assert!(said.lines().any(|line| line.contains(expected)), "{expected} in {said}");
        }
        assert_eq!(report.failures.len(), 3, "a link that is named is followed: {said}");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_success() {
        let dir = library();
        let found = vec![Found { path: dir.path().join("b.ts"), octets: 1, named: false }];
        let cache = Cache::new(dir.path().join("a.txt/cache"), u64::MAX);
        let report = (0..400).map(|_| {
            index_all(found.clone(), &cache, NonZeroUsize::MIN, &ProgressBar::hidden(), Report::default())
        });
        let failed = report.into_iter().find(|report| {
            thread::sleep(Duration::from_millis(5));
            report.unsettled == 0
        });
        let failures = failed.expect("files settle").failures;
        assert!(failures[0].contains("a.txt/cache"), "{failures:?}");
    }
}
