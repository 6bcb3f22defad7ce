//! Archives as age files (age-encryption.org/v1), which the stock `age` opens and makes.
//!
//! No plaintext touches a disk, and what holds it is wiped. A file may come from anybody: what it could have us spend is
//! bounded before it is spent.

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use std::borrow::Cow;
use std::io::{Read, Write};
use strongroom::ops::ARCHIVE_MAX;
use strongroom::{Error, ErrorCode, Result, SecretBytes};
use zeroize::Zeroizing;

/// The logarithm of the work that a passphrase costs to try: what `age` itself takes, a second or less.
const WORK: u8 = 18;

/// The most that is spent on a file of somebody else: 2^20 takes 1 GiB of memory for a few seconds; a browser's 32 bits of
/// address space have room for 2^18.
const WORK_MAX: u8 = if cfg!(target_pointer_width = "32") { 18 } else { 20 };

/// The most recipients of a file, and identities that one is tried with.
const KEYS_MAX: usize = 64;

/// The longest header of a file: what 64 recipients take, and more. It is parsed anew for every line of it.
const HEADER_MAX: usize = 16 * 1024;

/// The longest passphrase, in bytes, and the shortest that a file is made with, in characters.
const PASSPHRASE_MAX: usize = 1024;
const PASSPHRASE_MIN: usize = 8;

/// How much is sealed at a time. What the writer holds back last is not wiped, and is all padding therefore.
const CHUNK: usize = 64 * 1024;

/// What a file can say that is no archive: more than one, with its padding, is never read.
const PLAIN_MAX: usize = ARCHIVE_MAX + 2 * CHUNK;

/// Whom an age file is for.
pub enum Recipients {
    /// Whoever knows a passphrase.
    Passphrase(SecretBytes),
    /// Whoever has one of the keys.
    Keys(Vec<x25519::Recipient>),
}

impl Recipients {
    /// Of a passphrase: text of at least 8 characters and at most 1024 bytes. Errors: `VALUE_INVALID`.
    pub fn passphrase(passphrase: SecretBytes) -> Result<Recipients> {
        // EXPOSE: to count its characters.
        if text_of(&passphrase)?.chars().count() < PASSPHRASE_MIN {
            return Err(Error::new(ErrorCode::ValueInvalid, "the passphrase is too short: give at least 8 characters"));
        }
        Ok(Recipients::Passphrase(passphrase))
    }

    /// Of 1 to 64 public keys, `age1...` as `age-keygen` writes them. Errors: `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`.
    pub fn parse(keys: &[String]) -> Result<Recipients> {
        if keys.len() > KEYS_MAX {
            return Err(Error::new(ErrorCode::LimitExceeded, "a file is for at most 64 recipients"));
        }
        if keys.is_empty() {
            return Err(invalid("there are no recipients: give an `age1...` key, or a passphrase"));
        }
        let parsed = keys.iter().map(|key| {
            key.trim().parse().map_err(|_| invalid("a recipient is no `age1...` key such as `age-keygen -y` prints"))
        });
        parsed.collect::<Result<_>>().map(Recipients::Keys)
    }
}

/// How an age file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As bytes.
    #[default]
    Binary,
    /// As text, between `-----BEGIN AGE ENCRYPTED FILE-----` and its end.
    Armored,
}

/// What an age file is opened with.
pub enum Identities {
    /// The passphrase that it was made with.
    Passphrase(SecretBytes),
    /// Keys, one of which it is for.
    Keys(Vec<x25519::Identity>),
}

impl Identities {
    /// A passphrase. Errors: `VALUE_INVALID`.
    pub fn passphrase(passphrase: SecretBytes) -> Result<Identities> {
        text_of(&passphrase)?;
        Ok(Identities::Passphrase(passphrase))
    }

    /// Keys: texts of lines `AGE-SECRET-KEY-1...`, such as the files that `age-keygen` writes, comments among them; 1 to 64
    /// keys in all. Errors: `INVALID_ARGUMENT`, which repeats none; `LIMIT_EXCEEDED`.
    pub fn parse(texts: &[SecretBytes]) -> Result<Identities> {
        let mut keys = Vec::new();
        let refused = || invalid("an identity is no `AGE-SECRET-KEY-1...` key such as `age-keygen` writes");
        for text in texts {
            // EXPOSE: into the type of the age crate, which wipes it.
            let text = core::str::from_utf8(text.expose()).map_err(|_| refused())?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                if keys.len() == KEYS_MAX {
                    return Err(Error::new(ErrorCode::LimitExceeded, "a file is tried with at most 64 identities"));
                }
                keys.push(line.parse::<x25519::Identity>().map_err(|_| refused())?);
            }
        }
        if keys.is_empty() { Err(refused()) } else { Ok(Identities::Keys(keys)) }
    }
}

/// An age file of an archive. Its length is a multiple of 64 KiB and some, so that it tells little. Errors: `ENTROPY_FAILED`.
///
/// ```
/// use strongroom::SecretBytes;
/// use strongroom_bindings::archive::{Form, Identities, Recipients, open, seal};
/// let to = Recipients::parse(&["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj".into()])?;
/// let file = seal(&SecretBytes::copy_of(b"{}\n"), &to, Form::Armored)?;
/// assert!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
/// let key = SecretBytes::copy_of(b"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
/// assert!(open(&file, &Identities::parse(&[key])?)?.expose().starts_with(b"{}\n"));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn seal(archive: &SecretBytes, to: &Recipients, form: Form) -> Result<Vec<u8>> {
    let failed = |_| Error::new(ErrorCode::EntropyFailed, "the age file could not be made: try again");
    let encryptor = match to {
        Recipients::Passphrase(passphrase) => {
            let mut recipient = scrypt::Recipient::new(secret_string(passphrase)?);
            recipient.set_work_factor(WORK);
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        Recipients::Keys(keys) => Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient)),
    };
    let encryptor = encryptor.map_err(|_| invalid("these recipients can't be those of one file"))?;
    let form = match form {
        Form::Binary => Format::Binary,
        Form::Armored => Format::AsciiArmor,
    };
    let written = || -> std::io::Result<Vec<u8>> {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), form)?)?;
        // EXPOSE: to be encrypted.
        writer.write_all(archive.expose())?;
        // The rest of the last chunk, and one more: blank lines, which say nothing.
        let rest = archive.len().next_multiple_of(CHUNK) - archive.len() + CHUNK;
        writer.write_all(&vec![b'\n'; rest])?;
        writer.finish()?.finish()
    };
    written().map_err(failed)
}

/// The archive in an age file, binary or armored. Errors: `BACKUP_INVALID`, and why; `LIMIT_EXCEEDED`.
pub fn open(file: &[u8], with: &Identities) -> Result<SecretBytes> {
    let file = dearmored(file)?;
    let decryptor = Decryptor::new_buffered(header_checked(&file)?).map_err(|error| refusal(&error))?;
    if decryptor.is_scrypt() != matches!(with, Identities::Passphrase(_)) {
        let wanted = if decryptor.is_scrypt() { "a passphrase: give that" } else { "keys: give an identity" };
        return Err(unopened(&format!("it was made for {wanted}")));
    }
    let opened = match with {
        Identities::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(secret_string(passphrase)?);
            identity.set_max_work_factor(WORK_MAX);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        Identities::Keys(keys) => decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)),
    };
    let mut reader = opened.map_err(|error| refusal(&error))?;
    // What is encrypted is shorter than the file: the buffer never moves.
    let mut plain = Zeroizing::new(vec![0u8; file.len()]);
    let mut length = 0;
    loop {
        let read = reader.read(plain.get_mut(length..).unwrap_or_default());
        match read.map_err(|_| unopened("it was cut short or altered"))? {
            0 => break,
            read => length += read,
        }
    }
    plain.truncate(length);
    // The padding that `seal` put there, and no more of it than it puts.
    let blank = plain.iter().rev().take(2 * CHUNK).take_while(|byte| **byte == b'\n').count();
    plain.truncate((length - blank + 1).min(length));
    Ok(SecretBytes::new(std::mem::take(&mut *plain)))
}

/// The bytes of a file that may be armored. Errors: `BACKUP_INVALID`, `LIMIT_EXCEEDED`.
fn dearmored(file: &[u8]) -> Result<Cow<'_, [u8]>> {
    // Armor takes a third more, and the ends of its lines.
    if file.len() > PLAIN_MAX / 2 * 3 {
        return Err(Error::new(ErrorCode::LimitExceeded, "the file is too large: an archive has at most 64 MiB"));
    }
    if file.is_empty() {
        return Err(unopened("it is empty"));
    }
    if !file.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Ok(Cow::Borrowed(file));
    }
    let mut bytes = Vec::new();
    ArmoredReader::new(file)
        .read_to_end(&mut bytes)
        .map_err(|_| unopened("its armor is broken: it was cut short, or altered"))?;
    Ok(Cow::Owned(bytes))
}

/// The same file, when its header is no longer than it may be. Errors: `BACKUP_INVALID`.
fn header_checked(file: &[u8]) -> Result<&[u8]> {
    if !file.starts_with(b"age-encryption.org/") {
        return Err(unopened("it is no age file"));
    }
    let start = file.get(..file.len().min(HEADER_MAX)).unwrap_or_default();
    if start.windows(5).any(|window| window == b"\n--- ") {
        return Ok(file);
    }
    let why = if file.len() < HEADER_MAX { "it was cut short" } else { "its header is longer than 16 KiB" };
    Err(unopened(why))
}

fn refusal(error: &DecryptError) -> Error {
    match error {
        DecryptError::ExcessiveWork { required, .. } => {
            let message = format!(
                "the file was made to take too much work to open: 2^{required}, and at most 2^{WORK_MAX} is spent"
            );
            Error::new(ErrorCode::LimitExceeded, message)
        }
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            unopened("the passphrase is wrong, or the file was altered")
        }
        DecryptError::NoMatchingKeys => unopened("it is for none of these identities, or was altered"),
        DecryptError::InvalidMac => unopened("its header was altered"),
        DecryptError::Io(_) => unopened("it was cut short"),
        DecryptError::UnknownFormat => unopened("it is of an age format that this release does not read"),
        _ => unopened("its header can't be read: it was altered, or is no age file"),
    }
}

fn text_of(passphrase: &SecretBytes) -> Result<&str> {
    // EXPOSE: to see that it is text.
    let text = core::str::from_utf8(passphrase.expose());
    match text {
        Ok(text) if !text.is_empty() && text.len() <= PASSPHRASE_MAX => Ok(text),
        _ => Err(Error::new(ErrorCode::ValueInvalid, "the passphrase must be text of 1 to 1024 bytes")),
    }
}

/// The passphrase in the type of the age crate, which wipes it.
fn secret_string(passphrase: &SecretBytes) -> Result<SecretString> {
    // EXPOSE: to the age crate.
    Ok(SecretString::from(text_of(passphrase)?.to_owned()))
}

fn unopened(why: &str) -> Error {
    Error::new(ErrorCode::BackupInvalid, format!("the file can't be opened: {why}"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_owned())
}

#[cfg(test)]
mod tests;
