//! Keys that sign checkpoints, and what verifies them. A vault never keeps one: who holds the keyring can forge a history,
//! and who signs for it may be somebody else.
//!
//! Ed25519 (RFC 8032); names, key ids and the text of verifiers are those of C2SP's signed notes.

use super::Environment;
use super::text::{read_checked, write_checked};
use crate::crypto::KEY_LEN;
use crate::encoding::{from_hex, hex};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What the text of a signing key begins with.
pub const SIGNING_KEY_TEXT_PREFIX: &str = "srs1.";

/// The variable that holds the signing key.
pub const SIGNING_KEY_VARIABLE: &str = "STRONGROOM_SIGNING_KEY";

/// The variable that names a file which holds it.
pub const SIGNING_KEY_FILE_VARIABLE: &str = "STRONGROOM_SIGNING_KEY_FILE";

/// What a signing key is called unless told otherwise.
pub const SIGNER_NAME: &str = "strongroom";

const CHECKSUM_DOMAIN: &str = "strongroom/v1/signing-key-text";
const NAME_MAX: usize = 128;
/// C2SP's number of Ed25519 among the types of signatures.
const ED25519: u8 = 1;
const ID_LEN: usize = 4;

/// A key that signs checkpoints, by a name. Wiped on drop; never shown.
pub struct SigningKey {
    // Boxed, so that moving it leaves no copy behind.
    key: Box<ed25519_dalek::SigningKey>,
    name: String,
}

impl SigningKey {
    /// A fresh key. The name tells signers apart where a checkpoint has several: 1 to 128 bytes without white space, control
    /// characters and plus signs; C2SP recommends a URL without its scheme, such as `example.com/vault`. Errors:
    /// `NAME_INVALID`, `ENTROPY_FAILED`.
    pub fn make(entropy: &mut dyn Entropy, name: &str) -> Result<SigningKey> {
        let seed = Box::new(Zeroizing::new(make_bytes::<KEY_LEN>(entropy)?));
        SigningKey::of(&seed, name)
    }

    /// A key from its `srs1.` text. Surrounding white space does not count. Errors: `KEY_INVALID`, saying what was seen;
    /// `NAME_INVALID`.
    ///
    /// ```
    /// use strongroom::keyring::SigningKey;
    /// assert_eq!(SigningKey::parse("srs1.AAAA", "strongroom").unwrap_err().code().name(), "KEY_INVALID");
    /// ```
    pub fn parse(text: &str, name: &str) -> Result<SigningKey> {
        let invalid = |why: &str| {
            let message = format!("the signing key {why}: give the srs1 text that was exported, or make a new key");
            Error::new(ErrorCode::KeyInvalid, message)
        };
        let text = text.trim();
        let Some(encoded) = text.strip_prefix(SIGNING_KEY_TEXT_PREFIX) else {
            let is_other = text.starts_with(super::KEY_TEXT_PREFIX);
            let what = if is_other { "is a key that encrypts" } else { "does not begin with srs1" };
            return Err(invalid(what));
        };
        let seed = read_checked(encoded, CHECKSUM_DOMAIN);
        let seed = seed.ok_or_else(|| invalid("was altered or cut, since its checksum does not match"))?;
        SigningKey::of(&seed, name)
    }

    /// The signing key of a process: `STRONGROOM_SIGNING_KEY`, or the file that `STRONGROOM_SIGNING_KEY_FILE` names; both set
    /// is an error. Surrounding white space does not count, and an empty variable is not set. Errors: `NOT_CONFIGURED`,
    /// `KEY_INVALID`, `NAME_INVALID`, `INVALID_ARGUMENT`.
    pub fn from_environment(environment: &Environment<'_>, name: &str) -> Result<SigningKey> {
        let key = environment.key.map(str::trim).filter(|text| !text.is_empty());
        match (key, environment.file) {
            (Some(_), Some(_)) => {
                let message =
                    format!("{SIGNING_KEY_VARIABLE} and {SIGNING_KEY_FILE_VARIABLE} are both set: unset one of them");
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
            (Some(text), None) => SigningKey::parse(text, name),
            (None, Some(text)) if !text.trim().is_empty() => SigningKey::parse(text, name),
            (None, file) => {
                let (what, how) = match file {
                    Some(_) => (SIGNING_KEY_FILE_VARIABLE, "names an empty file"),
                    None => (SIGNING_KEY_VARIABLE, "is not set"),
                };
                let message = format!("no signing key: {what} {how}; make a key once, export it, and set it");
                Err(Error::new(ErrorCode::NotConfigured, message))
            }
        }
    }

    fn of(seed: &[u8; KEY_LEN], name: &str) -> Result<SigningKey> {
        if !is_name(name) {
            let message = format!("a signer's name has 1 to {NAME_MAX} bytes without white space and plus signs");
            return Err(Error::new(ErrorCode::NameInvalid, message));
        }
        Ok(SigningKey { key: Box::new(ed25519_dalek::SigningKey::from_bytes(seed)), name: name.to_string() })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What verifies its signatures. Give this to whoever checks, by another way than the checkpoints.
    pub fn verifier(&self) -> Verifier {
        let key = self.key.verifying_key();
        Verifier { id: key_id(&self.name, &key), name: self.name.clone(), key }
    }

    /// The key as `srs1.` text, without its name. Whoever has it can sign histories that never were: keep it apart from the
    /// vault's keys.
    pub fn dangerous_export(&self) -> SecretBytes {
        let text = write_checked(self.key.as_bytes(), SIGNING_KEY_TEXT_PREFIX, CHECKSUM_DOMAIN);
        SecretBytes::copy_of(text.as_bytes())
    }

    /// A signature line of a note: `— name base64(key id || signature)`, without its newline.
    pub(crate) fn signature_line(&self, text: &str) -> String {
        let Verifier { id, .. } = self.verifier();
        let mut bytes = [0u8; ID_LEN + Signature::BYTE_SIZE];
        let (start, rest) = bytes.split_at_mut(ID_LEN);
        start.copy_from_slice(&id);
        rest.copy_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("\u{2014} {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What verifies a signer's checkpoints: public. Its text is C2SP's, `<name>+<key id>+<base64 of type and public key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; ID_LEN],
    key: VerifyingKey,
}

impl Verifier {
    /// Reads the text that [`SigningKey::verifier`] shows. Errors: `INVALID_ARGUMENT`.
    ///
    /// ```
    /// use strongroom::keyring::Verifier;
    /// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    /// let verifier = Verifier::parse(text)?;
    /// assert_eq!((verifier.name(), verifier.to_string().as_str()), ("PeterNeumann", text));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Verifier> {
        let invalid = |why| {
            let message = format!("a verifier {why}: give the text that the signing key's verifier() shows");
            Error::new(ErrorCode::InvalidArgument, message)
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid("is not of the form name+id+key"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| invalid("holds no base64"))?;
        let key = match bytes.split_first() {
            Some((&ED25519, key)) => key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok()),
            _ => return Err(invalid("is of another kind of signature than Ed25519")),
        };
        let key = key.filter(|key| !key.is_weak()).ok_or_else(|| invalid("holds no public key of Ed25519"))?;
        // Key ids are written in lower case, and a byte of a verifier that is off is a wrong verifier.
        let id = from_hex(id).filter(|read| hex(read) == id).ok_or_else(|| invalid("has no id of 8 hex digits"))?;
        if !is_name(name) || id != key_id(name, &key) {
            return Err(invalid("was altered, since its id is not that of its name and key"));
        }
        Ok(Verifier { name: name.to_string(), id, key })
    }

    /// The signer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature line names this signer.
    pub(crate) fn is_of(&self, name: &str, id: &[u8]) -> bool {
        self.name == name && self.id == id
    }

    /// Whether it signed a text.
    pub(crate) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [ED25519; 1 + KEY_LEN];
        bytes.iter_mut().skip(1).zip(self.key.as_bytes()).for_each(|(to, from)| *to = *from);
        write!(f, "{}+{}+{}", self.name, hex(&self.id), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({self})")
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '+';
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain)
}

/// How C2SP derives the id of an Ed25519 key.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; ID_LEN] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// RFC 8032, section 7.1, test 2: its secret key, public key, message and signature.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn key(name: &str) -> SigningKey {
        SigningKey::of(&from_hex(SEED).unwrap(), name).unwrap()
    }

    fn exported(key: &SigningKey) -> String {
        String::from_utf8(key.dangerous_export().expose().to_vec()).unwrap()
    }

    #[test]
    fn signs_and_verifies_the_vector_of_rfc_8032() {
        let key = key("a");
        let line = key.signature_line("r");
        let bytes = STANDARD.decode(line.strip_prefix("\u{2014} a ").unwrap()).unwrap();
        assert_eq!(hex(bytes.get(4..).unwrap()), SIGNATURE);
        let verifier = key.verifier();
        assert_eq!(hex(verifier.key.as_bytes()), PUBLIC);
        assert!(verifier.verifies("r", bytes.get(4..).unwrap()));
        assert!(!verifier.verifies("s", bytes.get(4..).unwrap()));
    }

    #[test]
    fn verifies_the_note_of_the_reference_implementation() {
        // From the documentation of Go's sumdb/note.
        let verifier = Verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = STANDARD
            .decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
            .unwrap();
        let (id, signature) = signature.split_at(4);
        assert!(verifier.is_of("PeterNeumann", id));
        assert!(verifier.verifies(text, signature));
    }

    #[test]
    fn a_key_goes_through_its_text_and_back() {
        let first = key("one");
        let text = exported(&first);
        assert!(text.starts_with(SIGNING_KEY_TEXT_PREFIX) && text.len() == 5 + 48, "{}", text.len());
        let again = SigningKey::parse(&format!(" {text}\n"), "one").unwrap();
        assert_eq!(again.verifier(), first.verifier());
        assert_eq!(again.name(), "one");
        assert_ne!(SigningKey::parse(&text, "two").unwrap().verifier(), first.verifier());
    }

    #[test]
    fn text_that_is_no_signing_key_is_refused_and_not_repeated() {
        let text = exported(&key("one"));
        let encrypting = text.replace("srs1.", "srk1.");
        let flipped = text.replacen('z', "y", 1);
        let cut: String = text.chars().take(40).collect();
        for (given, says) in [
            (encrypting.as_str(), "a key that encrypts"),
            (&flipped, "checksum"),
            (&cut, "checksum"),
            ("srs1.", "checksum"),
            ("", "srs1"),
            ("canary canary", "srs1"),
        ] {
            let error = SigningKey::parse(given, "one").unwrap_err();
            assert_eq!(error.code(), ErrorCode::KeyInvalid, "{given}");
            assert!(error.message().contains(says), "{error}");
            assert!(given.is_empty() || given == "srs1." || !error.message().contains(given));
        }
        // Nor is the text of a signing key one that encrypts, whatever its prefix says.
        assert!(super::super::Keyring::parse(&encrypting).is_err());
    }

    #[test]
    fn no_formatter_shows_a_signing_key() {
        assert_eq!(format!("{:?}", key("one")), "SigningKey { name: \"one\", .. }");
    }

    #[test]
    fn names_that_break_a_line_are_refused() {
        let long = "n".repeat(NAME_MAX + 1);
        for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{7f}", &long] {
            let error = SigningKey::of(&[7; 32], name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NameInvalid, "{name:?}");
        }
    }

    #[test]
    fn an_altered_verifier_is_refused() {
        let text = key("example.com/vault").verifier().to_string();
        assert_eq!(Verifier::parse(&text).unwrap(), key("example.com/vault").verifier());
        let ecdsa = { STANDARD.encode([&[2u8][..], key("a").verifier().key.as_bytes()].concat()) };
        let weak = STANDARD.encode([&[1u8, 1][..], &[0; 31]].concat());
        let of_other_name = text.replace("example.com", "example.org");
        let upper: Vec<&str> = text.splitn(3, '+').collect();
        let upper = format!("{}+{}+{}", upper[0], upper[1].to_uppercase(), upper[2]);
        for given in [
            String::new(),
            "a+b".into(),
            of_other_name,
            upper,
            format!("{text}\n"),
            format!("{text}+"),
            format!("a+00000000+{ecdsa}"),
            format!("a+00000000+{weak}"),
            format!("a+00000000+{}", STANDARD.encode([1u8; 12])),
        ] {
            assert_eq!(Verifier::parse(&given).unwrap_err().code(), ErrorCode::InvalidArgument, "{given}");
        }
    }

    #[test]
    fn the_environment_names_one_signing_key() {
        let text = exported(&key("one"));
        let of = |key, file| SigningKey::from_environment(&Environment { key, file }, "one");
        assert_eq!(of(Some(&text), None).unwrap().verifier(), key("one").verifier());
        assert_eq!(of(Some(" "), Some(&text)).unwrap().verifier(), key("one").verifier());
        let code = |key, file| of(key, file).unwrap_err().code();
        assert_eq!(code(Some(&text), Some("")), ErrorCode::InvalidArgument);
        assert_eq!(code(None, None), ErrorCode::NotConfigured);
        assert_eq!(code(None, Some("\n")), ErrorCode::NotConfigured);
        assert_eq!(code(Some("hunter2"), None), ErrorCode::KeyInvalid);
    }
}
