//! Bytes that must not be seen: zeroized on drop, redacted in every formatter, compared in constant time.
//!
//! There is no `Serialize`, no `Clone` and no `Deref`: plaintext leaves only through [`SecretBytes::expose`], so that
//! every place where it does can be found by name.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A secret on the heap. It never moves between buffers once made, and is wiped when dropped.
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Takes a buffer over. Spare capacity is wiped before it goes back to the allocator.
    ///
    /// ```
    /// use strongroom::SecretBytes;
    /// let secret = SecretBytes::new(b"hunter2".to_vec());
    /// assert_eq!(secret.expose(), b"hunter2");
    /// assert_eq!(format!("{secret:?} {secret}"), "SecretBytes(****) ****");
    /// ```
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.capacity() == bytes.len() {
            return SecretBytes(Zeroizing::new(bytes.into_boxed_slice()));
        }
        let secret = Self::copy_of(&bytes);
        bytes.zeroize();
        secret
    }

    /// Copies bytes that the caller keeps, and answers for.
    pub fn copy_of(bytes: &[u8]) -> Self {
        SecretBytes(Zeroizing::new(Box::from(bytes)))
    }

    /// The plaintext. The one way out; what is done with it is the caller's answer to give.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for SecretBytes {
    /// Constant time for equal lengths; lengths themselves are not hidden.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(****)")
    }
}

impl fmt::Display for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn no_formatter_shows_the_value_or_its_length() {
        for value in ["a", "canary-value-of-some-length"] {
            let secret = SecretBytes::copy_of(value.as_bytes());
            assert_eq!(format!("{secret:?}{secret}{secret:#?}"), "SecretBytes(****)****SecretBytes(****)");
        }
    }

    #[test]
    fn spare_capacity_is_not_kept() {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"abc");
        assert_eq!(SecretBytes::new(bytes).expose(), b"abc");
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"abc"));
        assert_ne!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"abd"));
        assert_ne!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"ab"));
    }
}
