//! Characters drawn without bias from random bytes.
//!
//! A byte times the size n of the alphabet is an index (the high part) and a remainder (the low part); bytes whose
//! remainder is below 256 mod n are refused, and then each index comes from exactly 256 div n bytes (D. Lemire, "Fast
//! Random Integer Generation in an Interval", 2019, with bytes for words). Nothing that is secret is divided by. How many
//! bytes were refused says nothing about those that were not.
//!
//! A source that is broken ends in `ENTROPY_FAILED`, not in a loop and not in a value that anyone could guess. What these
//! checks refuse of a sound source changes no value's bits by as much as 2^-100.

use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use alloc::vec;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// Bytes asked for at a time: enough for most values, so that most ask once.
const POOL_LEN: usize = 64;

/// How many bytes one character may cost. Of an alphabet of 128 characters or fewer a byte is refused with a chance below
/// 1/2, so this many are with one below 2^-128; a password has 2^20 characters at most, candidates that were thrown away
/// included, so that a sound source fails with a chance below 2^-108.
const BYTES_MAX: usize = 128;

/// Random bytes, asked for in batches and wiped.
pub(super) struct Draws<'a> {
    entropy: &'a mut dyn Entropy,
    pool: Zeroizing<Vec<u8>>,
    used: usize,
}

impl<'a> Draws<'a> {
    pub(super) fn from(entropy: &'a mut dyn Entropy) -> Draws<'a> {
        Draws { entropy, pool: Zeroizing::new(vec![0u8; POOL_LEN]), used: POOL_LEN }
    }

    /// One character of an alphabet of 1 to 128, each as likely as any other. Errors: `ENTROPY_FAILED`.
    pub(super) fn symbol(&mut self, alphabet: &[u8]) -> Result<u8> {
        for _ in 0..BYTES_MAX {
            if let Some(symbol) = pick(alphabet, self.byte()?) {
                return Ok(symbol);
            }
        }
        Err(not_random())
    }

    fn byte(&mut self) -> Result<u8> {
        if self.used >= POOL_LEN {
            fill_random(self.entropy, &mut self.pool)?;
            self.used = 0;
        }
        let byte = self.pool.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        Ok(byte)
    }
}

/// The character that a byte stands for, if it stands for one.
fn pick(alphabet: &[u8], byte: u8) -> Option<u8> {
    let refused = 256usize.checked_rem(alphabet.len())?;
    let scaled = usize::from(byte) * alphabet.len();
    if scaled % 256 < refused { None } else { alphabet.get(scaled / 256).copied() }
}

/// Fills 16 bytes or more. When all of them are the same, which random ones are with a chance of 2^-120 at most, the source
/// is broken. Errors: `ENTROPY_FAILED`.
pub(super) fn fill_random(entropy: &mut dyn Entropy, buffer: &mut [u8]) -> Result<()> {
    entropy.fill(buffer)?;
    match buffer.first() {
        Some(first) if buffer.iter().any(|byte| byte != first) => Ok(()),
        _ => Err(not_random()),
    }
}

pub(super) fn not_random() -> Error {
    let message =
        "the source of randomness gives bytes that are not random: nothing was made; mend the source and try again";
    Error::new(ErrorCode::EntropyFailed, message)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The same bytes over and over.
    pub(in super::super) struct Cycle<'a> {
        bytes: core::iter::Cycle<core::slice::Iter<'a, u8>>,
        pub(in super::super) fills: usize,
    }

    impl<'a> Cycle<'a> {
        pub(in super::super) fn new(bytes: &'a [u8]) -> Self {
            Cycle { bytes: bytes.iter().cycle(), fills: 0 }
        }
    }

    impl Entropy for Cycle<'_> {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            self.fills += 1;
            buffer.iter_mut().zip(&mut self.bytes).for_each(|(to, from)| *to = *from);
            Ok(())
        }
    }

    /// Pearson's statistic of counts whose expectations are in proportion to the weights, over the value that it exceeds
    /// with a chance of about 1e-9 (Wilson and Hilferty's approximation): above 1 the counts are not by chance.
    pub(in super::super) fn deviation(counts: &[u32], weights: &[f64]) -> f64 {
        assert_eq!(counts.len(), weights.len());
        let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
        let scale = total / weights.iter().sum::<f64>();
        assert!(weights.iter().all(|weight| weight * scale >= 20.0), "too few draws for the statistic");
        let term = |(count, weight): (&u32, &f64)| (f64::from(*count) - weight * scale).powi(2) / (weight * scale);
        let statistic: f64 = counts.iter().zip(weights).map(term).sum();
        let degrees = (counts.len() - 1) as f64;
        let spread = 2.0 / (9.0 * degrees);
        statistic / (degrees * (1.0 - spread + 6.0 * spread.sqrt()).powi(3))
    }

    /// How far the worst place of the values, and then all places together, deviate from the weights of an alphabet.
    pub(in super::super) fn deviations(values: &[Vec<u8>], alphabet: &[u8], weights: &[f64]) -> (f64, f64) {
        let mut all = vec![0; alphabet.len()];
        let mut worst = 0.0f64;
        for place in 0..values[0].len() {
            let mut counts = vec![0; alphabet.len()];
            for value in values {
                counts[alphabet.iter().position(|symbol| *symbol == value[place]).unwrap()] += 1;
            }
            all.iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
            worst = worst.max(deviation(&counts, weights));
        }
        (worst, deviation(&all, weights))
    }

    pub(in super::super) fn assert_uniform(values: &[Vec<u8>], alphabet: &[u8]) {
        let (worst, all) = deviations(values, alphabet, &vec![1.0; alphabet.len()]);
        assert!(worst < 1.0 && all < 1.0, "not uniform: {worst} at the worst place, {all} over all places");
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::entropy::testing::Seeded;
    use crate::error::ErrorCode;

    const ALL: [u8; 128] = {
        let mut all = [0; 128];
        let mut index = 0;
        while index < 128 {
            all[index] = index as u8;
            index += 1;
        }
        all
    };

    #[test]
    fn of_all_256_bytes_each_character_of_any_alphabet_has_equally_many_and_more_than_half_are_taken() {
        for size in 1..=128 {
            let mut counts = vec![0; size];
            (0..=255).filter_map(|byte| pick(&ALL[..size], byte)).for_each(|symbol| counts[usize::from(symbol)] += 1);
            assert_eq!(counts, vec![256 / size; size]);
            assert!(256 / size * size > 128);
        }
        assert_eq!(pick(&[], 7), None);
    }

    #[test]
    fn the_bias_of_a_remainder_would_be_seen_at_the_worst_place_and_over_all() {
        let mut entropy = Seeded::new(1);
        for (size, count) in [(62, 32), (89, 24)] {
            let alphabet = &ALL[..size];
            let biased: Vec<Vec<u8>> = (0..20_000)
                .map(|_| {
                    let mut value = vec![0; count];
                    entropy.fill(&mut value).unwrap();
                    value.iter().map(|byte| byte % size as u8).collect()
                })
                .collect();
            let (worst, all) = deviations(&biased, alphabet, &vec![1.0; size]);
            assert!(worst > 1.0 && all > 2.0, "{size}: {worst} {all}");
        }
    }

    #[test]
    fn bytes_are_asked_for_in_batches_and_only_when_those_before_are_used_up() {
        let mut counting = Cycle::new(&[1, 2, 3]);
        let mut draws = Draws::from(&mut counting);
        // An alphabet of a power of two refuses no byte.
        for _ in 0..2 * POOL_LEN {
            draws.symbol(&ALL[..64]).unwrap();
        }
        assert_eq!(counting.fills, 2);
    }

    #[test]
    fn characters_are_drawn_from_every_byte_in_order() {
        let mut first = [0; 4 * POOL_LEN];
        Seeded::new(2).fill(&mut first).unwrap();
        let expected: Vec<u8> = first.iter().filter_map(|byte| pick(&ALL[..62], *byte)).collect();
        assert!(expected.len() < first.len(), "some bytes are refused");
        let mut entropy = Seeded::new(2);
        let mut draws = Draws::from(&mut entropy);
        let drawn: Vec<u8> = expected.iter().map(|_| draws.symbol(&ALL[..62]).unwrap()).collect();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_source_of_refused_bytes_is_given_up_after_128_of_them() {
        let refused: Vec<u8> = (0..=255).filter(|byte| pick(&ALL[..62], *byte).is_none()).collect();
        assert_eq!(refused.len(), 256 % 62);
        let mut source = Cycle::new(&refused);
        let error = Draws::from(&mut source).symbol(&ALL[..62]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EntropyFailed);
        assert_eq!(source.fills, 128 / POOL_LEN);
    }

    #[test]
    fn a_batch_of_one_byte_repeated_is_refused_and_another_is_not() {
        let mut buffer = [0; 16];
        assert!(fill_random(&mut Cycle::new(&[7]), &mut buffer).is_err());
        let mut almost = [7; 16];
        almost[15] = 8;
        assert!(fill_random(&mut Cycle::new(&almost), &mut buffer).is_ok());
        assert_eq!(buffer, almost);
    }
}
