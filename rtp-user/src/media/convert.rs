//! Little-endian samples in RTP's byte order: a copy of the samples, made once
//! before they are sent, from which the kernel then sends as from any file.

use super::{format::Coding, sound::Samples};
use crate::stop::GoOn;
use std::{
    fs::{DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _},
    path::Path,
};

/// Octets converted at a time: whole samples of any width, and they stay in the
/// processor's cache.
const CHUNK: u64 = 3 << 16;

/// Why there is no copy.
#[derive(Debug)]
pub enum ConvertError {
    /// The file's answer.
    Read(io::Error),
    /// The copy's, or that of the place for it.
    Write(io::Error),
}

/// A copy of the `samples` of `file`, each turned round; `None`: given up, as
/// `go_on`, which is told octets done and octets in all, has it. It begins at the copy's beginning. It has no name and goes with its last
/// handle. It lies in `cache`, on disk, or in memory where that cannot be written.
pub fn to_network_order(
    file: &File,
    samples: &Samples,
    cache: Option<&Path>,
    go_on: &mut GoOn<'_>,
) -> Result<Option<File>, ConvertError> {
    let Samples { coding, octets } = samples;
    let mut copy = match cache.map(unnamed_in) {
        Some(Ok(copy)) => copy,
        _ => in_memory().map_err(ConvertError::Write)?,
    };
    let mut buffer = vec![0; CHUNK as usize];
    let mut at = octets.start;
    while at < octets.end {
        let part = &mut buffer[..(octets.end - at).min(CHUNK) as usize];
        file.read_exact_at(part, at).map_err(ConvertError::Read)?;
        turn_round(part, *coding);
        copy.write_all(part).map_err(ConvertError::Write)?;
        at += part.len() as u64;
        if !go_on(at - octets.start, octets.end - octets.start) {
            return Ok(None);
        }
    }
    Ok(Some(copy))
}

fn unnamed_in(directory: &Path) -> io::Result<File> {
    // Mode as the XDG base directory specification wants it.
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    tempfile::tempfile_in(directory)
}

fn in_memory() -> io::Result<File> {
    let copy = rustix::fs::memfd_create("krtp-sound", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(copy.into())
}

/// Turns the octets of each sample round.
pub fn turn_round(samples: &mut [u8], coding: Coding) {
    match coding {
        Coding::Pcmu | Coding::Pcma => {}
        Coding::L16 => samples.as_chunks_mut().0.iter_mut().for_each(|[a, b]| std::mem::swap(a, b)),
        Coding::L24 => samples.as_chunks_mut().0.iter_mut().for_each(|[a, _, c]| std::mem::swap(a, c)),
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Coding, Samples, to_network_order, turn_round};
    use proptest::prelude::*;
    use std::{fs, io::Read as _, os::unix::fs::FileExt as _};

    /// The same by the standard library's numbers.
    fn naive(samples: &[u8], coding: Coding) -> Vec<u8> {
        match coding {
            Coding::L16 => samples
                .chunks_exact(2)
                .flat_map(|sample| i16::from_le_bytes(sample.try_into().unwrap()).to_be_bytes())
                .collect(),
            Coding::L24 => samples
                .chunks_exact(3)
                .flat_map(|sample| {
                    let number = i32::from_le_bytes([sample[0], sample[1], sample[2], 0]);
                    number.to_be_bytes()[1..].to_vec()
                })
                .collect(),
            Coding::Pcmu | Coding::Pcma => samples.to_vec(),
        }
    }

    const CODINGS: [Coding; 4] = [Coding::Pcmu, Coding::Pcma, Coding::L16, Coding::L24];

    proptest! {
        #[test]
        fn samples_keep_their_value(octets: Vec<u8>) {
            for coding in CODINGS {
                let whole = octets.len() / coding.octets() as usize * coding.octets() as usize;
                let mut samples = octets[..whole].to_vec();
                turn_round(&mut samples, coding);
                prop_assert_eq!(samples, naive(&octets[..whole], coding), "{:?}", coding);
            }
        }
    }

    #[test]
    fn a_copy_is_all_of_the_samples_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = dir.path().join("cache/krtp");
        let octets: Vec<u8> = (0..4 * CHUNK).map(|octet| (octet % 251) as u8).collect();
        let path = dir.path().join("a.wav");
        fs::write(&path, &octets).expect("room for it");
        let file = fs::File::open(&path).expect("just written");
        // Below a file no directory can be made: then it lies in memory.
        for (place, cache) in [("disk", Some(&*cache)), ("below a file", Some(&*path)), ("nowhere", None)] {
            for coding in [Coding::L16, Coding::L24] {
                for octets_of in [44..44 + CHUNK, 44..50, 44..44 + 3 * CHUNK + 6] {
                    let samples = Samples { coding, octets: octets_of.clone() };
                    let copy = to_network_order(&file, &samples, cache, &mut |done, all| done <= all);
                    let copy = copy.expect("room for it").expect("not given up");
                    let samples = octets_of;
                    let mut found = vec![0; (samples.end - samples.start) as usize];
                    copy.read_exact_at(&mut found, 0).expect("all of it");
                    let expected = naive(&octets[samples.start as usize..samples.end as usize], coding);
                    assert!(found == expected, "{place}, {coding:?}, {samples:?}");
                    assert_eq!((&copy).read(&mut [0]).expect("ours"), 0, "{place}: nothing behind");
                }
            }
        }
        assert_eq!(fs::read_dir(&cache).expect("made").count(), 0, "it has no name");
        let samples = Samples { coding: Coding::L16, octets: 0..5 * CHUNK };
        let (mut looks, mut all) = (0, |_, _| true);
        assert!(to_network_order(&file, &samples, None, &mut all).is_err(), "cut short meanwhile");
        let mut twice = |done, _| {
            looks += 1;
            done < 2 * CHUNK
        };
        let given_up = to_network_order(&file, &samples, Some(&cache), &mut twice).expect("room for it");
        assert_eq!((given_up.map(|_| ()), looks), (None, 2), "given up");
        assert_eq!(fs::read_dir(cache).expect("made").count(), 0, "nothing is left of it");
    }
}
