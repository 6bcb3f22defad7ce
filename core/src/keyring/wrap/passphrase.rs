//! Passphrases: what one has to be, what it costs to try one, and the key that it yields by argon2id.

use crate::crypto::{KEY_LEN, KeyMaterial};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use core::ops::RangeInclusive;
use zeroize::Zeroizing;

pub(super) const SALT_LEN: usize = 16;

const CHARACTERS_MIN: usize = 8;
const BYTES_MAX: usize = 1024;

/// What argon2id (version 1.3, RFC 9106) has to spend on each try of a passphrase.
///
/// The default, 64 MiB, 3 passes and 1 lane, is the second choice of RFC 9106, section 4, but for its 4 lanes: here lanes
/// are computed one after another, so more of them would help nobody but an attacker who computes them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    // INVARIANT: within the ranges of the constants below.
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseCost {
    const MEMORY_KIB: RangeInclusive<u32> = 8 * 1024..=256 * 1024;
    const PASSES: RangeInclusive<u32> = 1..=16;
    const LANES: RangeInclusive<u32> = 1..=16;

    /// A cost within what every host can pay: memory of 8192 to 262144 KiB (8 to 256 MiB), 1 to 16 passes, 1 to 16 lanes.
    ///
    /// Errors: `LIMIT_EXCEEDED`, since a stored cost is somebody's claim on the memory of whoever opens the keyring.
    ///
    /// ```
    /// use strongroom::keyring::PassphraseCost;
    /// assert_eq!(PassphraseCost::default(), PassphraseCost::new(64 * 1024, 3, 1)?);
    /// assert!(PassphraseCost::new(u32::MAX, 3, 1).is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<PassphraseCost> {
        let payable =
            Self::MEMORY_KIB.contains(&memory_kib) && Self::PASSES.contains(&passes) && Self::LANES.contains(&lanes);
        if !payable {
            let message = "the cost of a passphrase is out of bounds: use 8192 to 262144 KiB of memory, 1 to 16 passes and 1 to \
                           16 lanes";
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        Ok(PassphraseCost { memory_kib, passes, lanes })
    }

    /// Memory in KiB.
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// How often the memory is passed over.
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// How many lanes the memory is divided into.
    pub const fn lanes(self) -> u32 {
        self.lanes
    }
}

impl Default for PassphraseCost {
    fn default() -> Self {
        PassphraseCost { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

/// Whether a new wrap may have this passphrase: text of at least 8 characters (NIST SP 800-63B), at most 1024 bytes.
///
/// Errors: `VALUE_INVALID`.
pub(super) fn check_new(passphrase: &SecretBytes) -> Result<()> {
    let refused = |message: &'static str| Err(Error::new(ErrorCode::ValueInvalid, message));
    match core::str::from_utf8(passphrase.expose()) {
        Err(_) => refused("the passphrase is no text: give it in UTF-8"),
        Ok(text) if text.len() > BYTES_MAX => refused("the passphrase is too long: give at most 1024 bytes"),
        Ok(text) if text.chars().nth(CHARACTERS_MIN - 1).is_none() => {
            refused("the passphrase is too short: give at least 8 characters, better several random words")
        }
        Ok(_) => Ok(()),
    }
}

/// The key that a passphrase yields. Errors: `LIMIT_EXCEEDED` when the memory for it cannot be had.
pub(super) fn derive_key(passphrase: &SecretBytes, salt: &[u8; SALT_LEN], cost: PassphraseCost) -> Result<KeyMaterial> {
    let failed = || {
        let message = format!("there is no memory to try the passphrase with: {} KiB are needed", cost.memory_kib);
        Error::new(ErrorCode::LimitExceeded, message)
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN)).map_err(|_| failed())?;
    // Memory of our own: the crate's would not be wiped, and what is left in it tells the key.
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params.block_count()).map_err(|_| failed())?;
    memory.resize(params.block_count(), Block::new());
    let mut key = Box::new(Zeroizing::new([0u8; KEY_LEN]));
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.expose(), salt, key.as_mut_slice(), memory.as_mut_slice())
        .map_err(|_| failed())?;
    Ok(KeyMaterial::derive(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;
    use argon2::{AssociatedData, ParamsBuilder};

    #[test]
    fn argon2id_gives_the_tag_of_rfc_9106() {
        // Section 5.3, which has a secret and associated data, so it goes to the crate itself.
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(AssociatedData::new(&[4; 12]).unwrap());
        let context = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params.build().unwrap());
        let mut tag = [0; 32];
        context.unwrap().hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(hex(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    #[test]
    fn a_passphrase_yields_the_key_that_other_implementations_derive() {
        // Made by the package `cryptography` of Python, which has it from OpenSSL.
        let passphrase = SecretBytes::copy_of(b"correct horse battery staple");
        for ((memory_kib, passes, lanes), expected) in [
            ((8192, 1, 1), "cbd00be884100538f23a5d46d530f18bbe8d3b918b798fc0ba04a0705a44c330"),
            ((8195, 2, 3), "c8bf67d5c02bd2c2eeb9cdeb47a0d0a454f111d1e0b2ef2b486256d572e36980"),
        ] {
            let cost = PassphraseCost::new(memory_kib, passes, lanes).unwrap();
            let key = derive_key(&passphrase, &[2; 16], cost).unwrap();
            assert_eq!(hex(key.raw()), expected, "{cost:?}");
        }
    }

    #[test]
    fn costs_out_of_bounds_are_refused() {
        for (memory_kib, passes, lanes) in [(8192, 1, 1), (262_144, 16, 16)] {
            assert!(PassphraseCost::new(memory_kib, passes, lanes).is_ok());
        }
        for (memory_kib, passes, lanes) in
            [(8191, 1, 1), (262_145, 1, 1), (8192, 0, 1), (8192, 17, 1), (8192, 1, 0), (8192, 1, 17), (0, 0, 0)]
        {
            let error = PassphraseCost::new(memory_kib, passes, lanes).unwrap_err();
            assert_eq!(error.code(), ErrorCode::LimitExceeded);
        }
    }

    #[test]
    fn a_new_passphrase_is_text_of_eight_characters_or_more() {
        let longest = "x".repeat(1024);
        for fine in ["hunter22", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "        ", &longest] {
            assert!(check_new(&SecretBytes::copy_of(fine.as_bytes())).is_ok());
        }
        let too_long = "x".repeat(1025);
        let refused = [&b""[..], b"hunter2", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}".as_bytes(), &[0xff; 9]];
        for passphrase in refused.into_iter().chain([too_long.as_bytes()]) {
            let error = check_new(&SecretBytes::copy_of(passphrase)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ValueInvalid);
            assert!(!error.message().contains("hunter2"));
        }
    }
}
