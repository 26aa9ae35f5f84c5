//! The paper's Figure 2 for this machine: what a copy and a system call cost by themselves.

use crate::media::Media;
use nix::unistd::getppid;
use std::{hint::black_box, time::Instant};

/// What is copied, octets.
const SIZES: [usize; 12] = [64, 100, 200, 500, 1000, 1316, 1460, 2000, 2900, 4000, 8192, 65_536];
/// Octets copied for one sample at least.
const OCTETS: usize = 1 << 20;
/// Samples of each point.
const SAMPLES: usize = 20;
/// System calls of one sample.
const CALLS: u32 = 20_000;

/// Nanoseconds of one copy of so many octets, sample by sample.
#[derive(Debug)]
pub struct Copying {
    pub octets: usize,
    /// From memory that no cache of the CPU holds: the file's mapping, from one end to the other.
    pub cold: Vec<f64>,
    /// From memory that was just copied.
    pub warm: Vec<f64>,
}

/// Both curves.
#[derive(Debug)]
pub struct Curves {
    pub memcpy: Vec<Copying>,
    /// Nanoseconds of `getppid()`, sample by sample.
    pub null_call: Vec<f64>,
}

/// Measures both.
pub fn measure(media: &Media) -> Curves {
    let mut position = 0;
    let memcpy = SIZES.iter().map(|&octets| copying(&media.memory, octets, &mut position)).collect();
    Curves { memcpy, null_call: (0..SAMPLES).map(|_| null_call()).collect() }
}

fn copying(memory: &[u8], octets: usize, position: &mut usize) -> Copying {
    let mut to = vec![0; octets];
    let copies = OCTETS / octets;
    let mut cold = || {
        if *position + copies * octets > memory.len() {
            *position = 0;
        }
        let from = &memory[*position..][..copies * octets];
        *position += from.len();
        each(copies, from.chunks_exact(octets), &mut to)
    };
    let cold = (0..SAMPLES).map(|_| cold()).collect();
    let from = &memory[..octets];
    let warm = (0..SAMPLES).map(|_| each(copies, std::iter::repeat_n(from, copies), &mut to)).collect();
    Copying { octets, cold, warm }
}

fn each<'a>(copies: usize, from: impl Iterator<Item = &'a [u8]>, to: &mut [u8]) -> f64 {
    let begin = Instant::now();
    for from in from {
        to.copy_from_slice(black_box(from));
        black_box(&mut *to);
    }
    begin.elapsed().as_secs_f64() * 1e9 / copies as f64
}

fn null_call() -> f64 {
    let begin = Instant::now();
    for _ in 0..CALLS {
        black_box(getppid());
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLES, SIZES, measure};
    use crate::media::Media;

    #[test]
    fn there_is_a_point_for_each_size() {
        let curves = measure(&Media::random(8).expect("a temporary file"));
        assert_eq!(curves.memcpy.iter().map(|point| point.octets).collect::<Vec<_>>(), SIZES);
        for point in &curves.memcpy {
            assert_eq!((point.cold.len(), point.warm.len()), (SAMPLES, SAMPLES));
            assert!(point.cold.iter().chain(&point.warm).all(|ns| *ns > 0.0), "{point:?}");
        }
        assert!(curves.null_call.iter().all(|ns| *ns > 1.0), "{:?}", curves.null_call);
    }
}
