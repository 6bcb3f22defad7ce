//! Bytes that must not be seen: zeroized on drop, redacted in every formatter, compared in constant time.
//!
//! There is no `Serialize`, no `Clone` and no `Deref`: plaintext leaves only through [`SecretBytes::expose`], so that
//! every place where it does can be found by name.

use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret on the heap. It never moves between buffers once made, and is wiped when dropped, spare capacity included.
pub struct SecretBytes {
    buffer: Zeroizing<Vec<u8>>,
    // What stands before belongs to the message that the secret was decrypted in.
    start: usize,
}

impl SecretBytes {
    /// Takes a buffer over.
    ///
    /// ```
    /// use strongroom::SecretBytes;
    /// let secret = SecretBytes::new(b"hunter2".to_vec());
    /// assert_eq!(secret.expose(), b"hunter2");
    /// assert_eq!(format!("{secret:?} {secret}"), "SecretBytes(****) ****");
    /// ```
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::tail(bytes, 0)
    }

    /// Takes a buffer over of which the secret is what begins at `start`: it is not moved out of the message that it was
    /// decrypted in.
    pub(crate) fn tail(bytes: Vec<u8>, start: usize) -> Self {
        SecretBytes { buffer: Zeroizing::new(bytes), start }
    }

    /// Copies bytes that the caller keeps, and answers for.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The plaintext. The one way out; what is done with it is the caller's answer to give.
    pub fn expose(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl PartialEq for SecretBytes {
    /// Constant time for equal lengths; lengths themselves are not hidden.
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
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
    fn what_stands_before_a_secret_and_after_it_is_no_part_of_it() {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"header:abc:mac");
        bytes.truncate(b"header:abc".len());
        let secret = SecretBytes::tail(bytes, b"header:".len());
        assert_eq!((secret.expose(), secret.len()), (&b"abc"[..], 3));
        assert_eq!(secret, SecretBytes::copy_of(b"abc"));
        assert!(SecretBytes::tail(b"abc".to_vec(), 4).is_empty());
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"abc"));
        assert_ne!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"abd"));
        assert_ne!(SecretBytes::copy_of(b"abc"), SecretBytes::copy_of(b"ab"));
    }
}
