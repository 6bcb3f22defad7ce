//! Signed notes as C2SP specifies them (<https://c2sp.org/signed-note>): a text, an empty line, and signature lines.

use crate::error::{Error, ErrorCode, Result};
use crate::keyring::{SigningKey, Verifier};
use alloc::format;
use alloc::string::String;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest note in bytes. The specification asks for at least 16 signatures, of up to 5 kB each.
const NOTE_MAX: usize = 256 * 1024;

/// How many signatures a note may have.
const SIGNATURES_MAX: usize = 100;

/// How every signature line begins.
const DASH: &str = "\u{2014} ";

/// A text, which ends in a newline, signed by one key.
pub(super) fn sign(text: &str, key: &SigningKey) -> String {
    format!("{text}\n{}\n", key.signature_line(text))
}

/// The text of a note that at least one of the verifiers signed, its last newline included. Signatures of others are passed
/// over; one that names a verifier and is not its own refuses the note. Errors: `BACKUP_INVALID`.
pub(super) fn open<'a>(note: &'a str, verifiers: &[Verifier]) -> Result<&'a str> {
    if note.len() > NOTE_MAX {
        return Err(invalid("its note is too long"));
    }
    if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(invalid("it holds a control character, such as the carriage return of a text that was converted"));
    }
    let (text, lines) = note.rsplit_once("\n\n").ok_or_else(|| invalid("its note has no signature"))?;
    // INVARIANT: what `rsplit_once` found are two newlines, the first of which ends the text.
    let text = note.get(..text.len() + 1).unwrap_or_default();
    let lines = lines.strip_suffix('\n').ok_or_else(|| invalid("its last signature is cut"))?;
    let mut is_signed = false;
    for (index, line) in lines.split('\n').enumerate() {
        if index >= SIGNATURES_MAX {
            return Err(invalid("it has too many signatures"));
        }
        let signature = line.strip_prefix(DASH).and_then(|line| line.split_once(' '));
        let (name, encoded) = signature.ok_or_else(|| invalid("a signature line cannot be read"))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| invalid("a signature is no base64"))?;
        let (id, signature) = bytes.split_at_checked(4).ok_or_else(|| invalid("a signature is cut"))?;
        if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) || signature.is_empty() {
            return Err(invalid("a signature line cannot be read"));
        }
        for verifier in verifiers.iter().filter(|verifier| verifier.is_of(name, id)) {
            if !verifier.verifies(text, signature) {
                return Err(invalid("a signature of a known signer does not verify: it was altered"));
            }
            is_signed = true;
        }
    }
    if is_signed { Ok(text) } else { Err(invalid("none of the given verifiers signed it")) }
}

/// The error for a checkpoint that is not what somebody signed.
pub(super) fn invalid(why: &str) -> Error {
    let message = format!("the checkpoint cannot be relied on: {why}; take the copy that was kept, and its verifier");
    Error::new(ErrorCode::BackupInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::make(&mut Always(seed), name).unwrap()
    }

    const TEXT: &str = "first line\n\nlast line\n";

    fn why(note: &str, verifiers: &[Verifier]) -> String {
        let error = open(note, verifiers).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BackupInvalid);
        error.message().to_string()
    }

    #[test]
    fn a_note_opens_by_any_verifier_of_its_signers_and_passes_over_others() {
        let (one, two, other) = (key("one", 1), key("two", 2), key("one", 3));
        let note = format!("{}{}\n", sign(TEXT, &one), two.signature_line(TEXT));
        for verifiers in [vec![one.verifier()], vec![two.verifier()], vec![other.verifier(), two.verifier()]] {
            assert_eq!(open(&note, &verifiers), Ok(TEXT));
        }
        assert!(why(&note, &[other.verifier()]).contains("none of the given verifiers"));
        assert!(why(&note, &[]).contains("none of the given verifiers"));
        // A signature of a kind that we do not know, of a key that nobody gave.
        let foreign = format!("{note}\u{2014} witness.example {}\n", STANDARD.encode([9u8; 5000]));
        assert_eq!(open(&foreign, &[one.verifier()]), Ok(TEXT));
    }

    #[test]
    fn a_bad_signature_of_a_known_signer_refuses_the_note_whoever_else_signed() {
        let (one, two) = (key("one", 1), key("two", 2));
        let note = format!("{}{}\n", sign(TEXT, &one), two.signature_line("another text\n"));
        assert!(why(&note, &[one.verifier(), two.verifier()]).contains("does not verify"));
        assert_eq!(open(&note, &[one.verifier()]), Ok(TEXT));
    }

    #[test]
    fn every_changed_character_is_found() {
        let one = key("one", 1);
        let note = sign(TEXT, &one);
        for (at, letter) in note.char_indices() {
            let (before, after) = (note.get(..at).unwrap(), note.get(at + letter.len_utf8()..).unwrap());
            for other in ['x', 'A', '\n', ' '].into_iter().filter(|other| *other != letter) {
                assert!(open(&format!("{before}{other}{after}"), &[one.verifier()]).is_err(), "{at} {other:?}");
            }
            assert!(open(&format!("{before}{after}"), &[one.verifier()]).is_err(), "{at} left out");
        }
    }

    #[test]
    fn malformed_notes_are_refused() {
        let one = key("one", 1);
        let note = sign(TEXT, &one);
        let verifiers = [one.verifier()];
        let line = one.signature_line(TEXT);
        let many: Vec<String> = (0..=SIGNATURES_MAX).map(|_| line.clone()).collect();
        for (given, says) in [
            (String::new(), "no signature"),
            (TEXT.to_string(), "cannot be read"),
            ("text\n".into(), "no signature"),
            (format!("{TEXT}\n"), "cut"),
            (format!("{TEXT}{line}\n"), "cannot be read"),
            (note.replace('\n', "\r\n"), "control character"),
            (note.trim_end().to_string(), "cut"),
            (format!("{note}trailing junk\n"), "cannot be read"),
            (format!("{note}\n"), "cut"),
            (note.replace('\u{2014}', "-"), "cannot be read"),
            (format!("{TEXT}\n\u{2014} one AAAA\n"), "cut"),
            (format!("{TEXT}\n\u{2014} one A\n"), "base64"),
            (format!("{TEXT}\n\u{2014} one AA==\n"), "cut"),
            (format!("{TEXT}\n\u{2014}  AAAAAAAA\n"), "cannot be read"),
            (format!("{TEXT}\n{}\n", many.join("\n")), "too many"),
            (format!("{}{note}", "x".repeat(NOTE_MAX)), "too long"),
        ] {
            assert!(why(&given, &verifiers).contains(says), "{says}: {}", why(&given, &verifiers));
        }
        // The same signature twice says nothing new.
        assert_eq!(open(&format!("{note}{line}\n"), &verifiers), Ok(TEXT));
    }
}
