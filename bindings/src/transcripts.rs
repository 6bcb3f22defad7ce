//! Entropy that a test chooses, under the cargo feature `transcripts` alone: the same bytes for the same seed, so that what
//! an operation asks and is answered can be compared byte for byte between hosts. Never in a package.

use spin::Mutex;

/// What the packages are searched for.
const MARKER: &str = "strongroom was built with the feature `transcripts`: its randomness is chosen by whoever asks";

static SEEDED: Mutex<Option<u64>> = Mutex::new(None);

/// From here on, all randomness of this process follows from a seed. Says what that means.
pub fn fix_entropy(seed: u32) -> &'static str {
    *SEEDED.lock() = Some(u64::from(seed));
    MARKER
}

/// Fills a buffer when a seed was chosen.
pub(crate) fn filled(buffer: &mut [u8]) -> bool {
    let mut seeded = SEEDED.lock();
    let Some(state) = seeded.as_mut() else { return false };
    for byte in buffer {
        *byte = next(state);
    }
    true
}

/// SplitMix64, of which one byte of each number is taken. Anything that repeats itself would do.
fn next(state: &mut u64) -> u8 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed.to_be_bytes().first().copied().unwrap_or_default()
}
