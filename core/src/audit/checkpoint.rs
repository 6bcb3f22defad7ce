//! A checkpoint: how far every stream of a vault went at an instant, signed, to be kept where the vault's keepers can't
//! change it.
//!
//! The text is a signed note over the digest of the leaves, an empty line, and the leaves: one line for each stream, its
//! name, the place of its last event and that event's MAC. `docs/format.md` specifies it.

use super::note::{self, invalid};
use crate::encoding::{from_hex, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::keyring::{SigningKey, Verifier};
use crate::record::read_mac;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The first line of a checkpoint.
pub const CHECKPOINT_ORIGIN: &str = "strongroom/v1/checkpoint";

/// The longest checkpoint in bytes; a stream takes about a hundred.
pub const CHECKPOINT_MAX: usize = 64 * 1024 * 1024;

/// What is left of that for the leaves.
const LEAVES_MAX: usize = CHECKPOINT_MAX - 1024 * 1024;

/// The longest name of a stream. Vaults give 32 hex digits.
const STREAM_MAX: usize = 128;

/// How far a stream goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// `vault` or a secret's uid.
    pub stream: String,
    /// The place of an event, from 1.
    pub seq: u64,
    /// That event's MAC.
    pub mac: [u8; 32],
}

/// A checkpoint that one of the given verifiers signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    vault_id: [u8; 16],
    at: Timestamp,
    // INVARIANT: ascending by stream, each once, and not empty.
    leaves: Vec<Leaf>,
}

impl Checkpoint {
    /// Reads a checkpoint of at most 64 MiB, its signature first. Errors: `BACKUP_INVALID` when it is malformed, was altered, or
    /// none of the verifiers signed it; `INVALID_ARGUMENT` for no verifier at all; `LIMIT_EXCEEDED`.
    ///
    /// ```
    /// use strongroom::audit::Checkpoint;
    /// use strongroom::keyring::Verifier;
    /// let verifier = Verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")?;
    /// let error = Checkpoint::parse("strongroom/v1/checkpoint\n", &[verifier]).unwrap_err();
    /// assert_eq!(error.code().name(), "BACKUP_INVALID");
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(text: &str, verifiers: &[Verifier]) -> Result<Checkpoint> {
        if verifiers.is_empty() {
            let message = "a checkpoint is checked by verifiers, and none was given: give the signing key's verifier()";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if text.len() > CHECKPOINT_MAX {
            let message = format!("the checkpoint has more than {} MiB", CHECKPOINT_MAX / 1024 / 1024);
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        let (note, leaves) = text.rsplit_once("\n\n").ok_or_else(|| invalid("it has no leaves"))?;
        // INVARIANT: what `rsplit_once` found are two newlines, the first of which ends the note.
        let signed = note::open(text.get(..note.len() + 1).unwrap_or_default(), verifiers)?;
        let unreadable = || invalid("its signer signed something else, or it was made by another version");
        let mut lines = signed.split_terminator('\n');
        let mut next = || lines.next().unwrap_or_default();
        if next() != CHECKPOINT_ORIGIN {
            return Err(unreadable());
        }
        let vault_id = from_hex(next()).ok_or_else(unreadable)?;
        let at = next().parse().map(Timestamp::from_millis).map_err(|_| unreadable())?;
        let count: usize = next().parse().map_err(|_| unreadable())?;
        let digest = from_hex(next()).ok_or_else(unreadable)?;
        // One way to write each: whoever reads the note reads what was meant.
        if head(&vault_id, at, count, &digest) != signed {
            return Err(unreadable());
        }
        if digest_of(leaves) != digest {
            return Err(invalid("its leaves are not those that were signed"));
        }
        let leaves: Vec<Leaf> = leaves.split_terminator('\n').map_while(read_leaf).collect();
        let ascends = leaves.is_sorted_by(|one, next| one.stream < next.stream);
        if leaves.is_empty() || leaves.len() != count || !ascends {
            return Err(unreadable());
        }
        Ok(Checkpoint { vault_id, at, leaves })
    }

    /// The vault that it is of: 32 hex digits.
    pub fn vault_id(&self) -> String {
        hex(&self.vault_id)
    }

    /// When it was made.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// How far each stream went, ascending by stream.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }
}

/// The text of a checkpoint over leaves that ascend by stream, and their digest. Errors: `AUDIT_TAMPERED` for a stream that no
/// vault names so; `LIMIT_EXCEEDED`.
pub(crate) fn write_checkpoint(
    vault_id: &[u8; 16],
    at: Timestamp,
    leaves: &[Leaf],
    key: &SigningKey,
) -> Result<(String, [u8; 32])> {
    let mut lines = String::new();
    for Leaf { stream, seq, mac } in leaves {
        if !is_stream(stream) {
            let message = "the audit history was altered outside the vault: a stream has a name that no vault gives";
            return Err(Error::new(ErrorCode::AuditTampered, message));
        }
        lines.push_str(&format!("{stream} {seq} {}\n", hex(mac)));
    }
    if lines.len() > LEAVES_MAX {
        let message =
            format!("the vault has too many streams for a checkpoint of {} MiB", CHECKPOINT_MAX / 1024 / 1024);
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    let digest = digest_of(&lines);
    let note = note::sign(&head(vault_id, at, leaves.len(), &digest), key);
    Ok((format!("{note}\n{lines}"), digest))
}

fn head(vault_id: &[u8; 16], at: Timestamp, count: usize, digest: &[u8; 32]) -> String {
    let (vault_id, at, digest) = (hex(vault_id), at.as_millis(), hex(digest));
    format!("{CHECKPOINT_ORIGIN}\n{vault_id}\n{at}\n{count}\n{digest}\n")
}

fn digest_of(leaves: &str) -> [u8; 32] {
    Sha256::digest(leaves).into()
}

fn read_leaf(line: &str) -> Option<Leaf> {
    let mut parts = line.splitn(3, ' ');
    let (stream, seq, mac) = (parts.next()?, parts.next()?, parts.next()?);
    let number: u64 = seq.parse().ok().filter(|number| *number > 0)?;
    let leaf = Leaf { stream: stream.to_string(), seq: number, mac: read_mac(mac)? };
    (is_stream(stream) && number.to_string() == seq).then_some(leaf)
}

/// Whether a stream's name keeps to one word of one line.
fn is_stream(stream: &str) -> bool {
    (1..=STREAM_MAX).contains(&stream.len()) && stream.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use alloc::string::ToString;
    use alloc::vec;

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    const AT: Timestamp = Timestamp::from_millis(1_765_108_800_007);

    fn key() -> SigningKey {
        SigningKey::make(&mut Always(7), "example.com/vault").unwrap()
    }

    fn leaf(stream: &str, seq: u64, mac: u8) -> Leaf {
        Leaf { stream: stream.into(), seq, mac: [mac; 32] }
    }

    fn text(leaves: &[Leaf]) -> String {
        write_checkpoint(&[0xab; 16], AT, leaves, &key()).unwrap().0
    }

    fn leaves() -> Vec<Leaf> {
        vec![leaf(&"0".repeat(32), 12, 1), leaf("vault", 3, 2)]
    }

    #[test]
    fn a_checkpoint_reads_as_it_was_written() {
        let written = text(&leaves());
        let first: Vec<&str> = written.lines().take(4).collect();
        assert_eq!(first, ["strongroom/v1/checkpoint", &"ab".repeat(16), "1765108800007", "2"]);
        assert!(written.ends_with(&format!("\nvault 3 {}\n", "02".repeat(32))));
        let read = Checkpoint::parse(&written, &[key().verifier()]).unwrap();
        assert_eq!((read.vault_id(), read.at(), read.leaves()), ("ab".repeat(16), AT, leaves().as_slice()));
    }

    #[test]
    fn every_changed_left_out_or_added_character_is_found() {
        let (written, verifiers) = (text(&leaves()), [key().verifier()]);
        for (at, letter) in written.char_indices() {
            let (before, after) = (written.get(..at).unwrap(), written.get(at + letter.len_utf8()..).unwrap());
            let other = if letter == '1' { '2' } else { '1' };
            for altered in [format!("{before}{other}{after}"), format!("{before}{after}"), before.to_string()] {
                let error = Checkpoint::parse(&altered, &verifiers).unwrap_err();
                assert_eq!(error.code(), ErrorCode::BackupInvalid, "{at}");
            }
        }
        for altered in
            [format!("{written}\n"), format!("{written}junk"), format!("\n{written}"), written.replace('\n', "\r\n")]
        {
            assert_eq!(Checkpoint::parse(&altered, &verifiers).unwrap_err().code(), ErrorCode::BackupInvalid);
        }
    }

    #[test]
    fn a_signature_is_needed_and_a_verifier_too() {
        let written = text(&leaves());
        let other = SigningKey::make(&mut Always(8), "example.com/vault").unwrap().verifier();
        assert_eq!(Checkpoint::parse(&written, &[other]).unwrap_err().code(), ErrorCode::BackupInvalid);
        assert_eq!(Checkpoint::parse(&written, &[]).unwrap_err().code(), ErrorCode::InvalidArgument);
        let long = "x".repeat(CHECKPOINT_MAX + 1);
        let error = Checkpoint::parse(&long, &[key().verifier()]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn a_signer_can_sign_nothing_that_reads_in_two_ways() {
        let verifiers = [key().verifier()];
        let signed = |head: &str, leaves: &str| format!("{}\n{leaves}", note::sign(head, &key()));
        let good = format!("vault 3 {}\n", "02".repeat(32));
        let head_of = |leaves: &str, count: usize| head(&[1; 16], AT, count, &digest_of(leaves));
        assert!(Checkpoint::parse(&signed(&head_of(&good, 1), &good), &verifiers).is_ok());
        for (leaves, count) in [
            (good.clone(), 2),
            (String::new(), 0),
            (good.repeat(2), 2),
            (good.replace(" 3 ", " 03 "), 1),
            (good.replace(" 3 ", " 0 "), 1),
            (good.replace(" 3 ", " +3 "), 1),
            (good.replace("02", "0A"), 1),
            (good.replace("vault", "va\u{e9}ult"), 1),
            (good.replace("vault", ""), 1),
            (good.replace('\n', " x\n"), 1),
        ] {
            let error = Checkpoint::parse(&signed(&head_of(&leaves, count), &leaves), &verifiers).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BackupInvalid, "{leaves}");
        }
        let plain = head_of(&good, 1);
        for head in [
            plain.replace("\n1\n", "\n01\n"),
            plain.replace("1765", "+1765"),
            plain.replace("v1", "v2"),
            format!("{plain}more\n"),
            plain.replace("0101", "ABAB"),
        ] {
            let error = Checkpoint::parse(&signed(&head, &good), &verifiers).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BackupInvalid, "{head}");
        }
    }

    #[test]
    fn a_stream_whose_name_would_break_a_line_is_not_attested() {
        for stream in ["", "a b", "a\nvault 1 00", "\u{e9}", &"s".repeat(STREAM_MAX + 1)] {
            let written = write_checkpoint(&[0; 16], AT, &[leaf(stream, 1, 1)], &key());
            assert_eq!(written.unwrap_err().code(), ErrorCode::AuditTampered, "{stream:?}");
        }
    }
}
