//! Reading an archive: strictly, and whole or not at all. It may have been made by anybody.

use super::{ARCHIVE_MAX, ARCHIVE_SECRETS_MAX, About, Archive, Entry, FORMAT, Header, LINE_MAX, VERSIONS_MAX, invalid};
use crate::audit::{Event, verify_enclosed};
use crate::crypto::MacKey;
use crate::encoding::{from_base64, from_hex, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::ident::Slot;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::wire::{self, FromJson};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest header, in bytes.
const HEADER_MAX: usize = 1024;

/// The least that a secret takes, in bytes, so that a header can't promise more of them than there is room for.
const SECRET_MIN: usize = 100;

/// The longest that says who made something, in bytes: old programs wrote more than an actor's id there.
const BY_MAX: usize = 4096;

/// The largest version number: what every host has exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// The largest that is kept: a secret of more is counted anew, so that there is always room for the versions to come.
const NUMBER_KEPT: u64 = 1 << 31;

/// Reads an archive at an instant. Errors: `BACKUP_INVALID` for what is none, or not whole, or has a history that was tampered
/// with, or tells of instants that no calendar has; `LIMIT_EXCEEDED`; `NAME_INVALID`.
pub(crate) fn read(archive: &SecretBytes, now: Timestamp) -> Result<Archive> {
    let text = archive.expose();
    if text.len() > ARCHIVE_MAX {
        return Err(limit(&format!("it has more than {ARCHIVE_MAX} bytes")));
    }
    let (header, rest) = split_line(text, HEADER_MAX).ok_or_else(|| invalid("its first line is no header"))?;
    let header: Header = parse(header).map_err(|fault| invalid(&format!("its header: {fault}")))?;
    if header.format != FORMAT {
        return Err(invalid("it is of another format, or of a newer one than this release reads"));
    }
    // What the header promises is judged before anything else is looked at.
    if header.secrets > ARCHIVE_SECRETS_MAX {
        return Err(limit(&format!(
            "it holds {} secrets, and at most {ARCHIVE_SECRETS_MAX} are taken",
            header.secrets
        )));
    }
    let body = rest.get(..header.bytes).ok_or_else(|| invalid("it was cut short"))?;
    if rest.get(header.bytes..).unwrap_or_default().iter().any(|byte| *byte != b'\n') {
        return Err(invalid("something follows its end"));
    }
    let digest = hex(&Sha256::digest(body));
    if !bool::from(digest.as_bytes().ct_eq(header.digest.as_bytes())) {
        return Err(invalid("it was altered: it does not have the digest that its header tells"));
    }
    if header.secrets.saturating_add(header.events) > body.len() / SECRET_MIN {
        return Err(invalid("its header promises more than there is"));
    }
    check_calendar([Some(header.at)])?;
    let vault_id: [u8; 16] = from_hex(&header.vault_id).ok_or_else(|| invalid("its vault's id can't be read"))?;
    let history_key = from_hex::<32>(&header.history_key).map(Zeroizing::new);
    let history_key = history_key.ok_or_else(|| invalid("its key can't be read"))?;
    let mut reader = Reader { rest: body, events_left: header.events, now, key: MacKey::of(&history_key) };
    let mut entries = Vec::new();
    for index in 0..header.secrets {
        entries.push(reader.entry().map_err(|error| at(index, &error))?);
    }
    if !reader.rest.is_empty() || reader.events_left > 0 {
        return Err(invalid("it does not hold what its header tells"));
    }
    refuse_twins(&entries)?;
    Ok(Archive { vault_id: hex(&vault_id), at: header.at, history_key, entries })
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Of those that the header promises.
    events_left: usize,
    now: Timestamp,
    key: MacKey,
}

impl<'a> Reader<'a> {
    fn line(&mut self, max: usize) -> Result<&'a [u8]> {
        let (line, rest) = split_line(self.rest, max).ok_or_else(|| invalid("a line is missing, or too long"))?;
        self.rest = rest;
        Ok(line)
    }

    fn entry(&mut self) -> Result<Entry> {
        let mut about: About = parse(self.line(LINE_MAX)?).map_err(|fault| invalid(&fault))?;
        check(&about)?;
        hold_to(self.now, &mut about);
        count_anew(&mut about);
        self.events_left = self
            .events_left
            .checked_sub(about.events)
            .ok_or_else(|| invalid("its history: it has more events than the header tells"))?;
        let mut values = Vec::new();
        for text in self.line(ARCHIVE_MAX)?.split(|byte| *byte == b' ') {
            if values.len() == about.versions.len() {
                return Err(invalid("there are more values than versions"));
            }
            values.push(from_base64(text).ok_or_else(|| invalid("a value is no base64"))?);
        }
        if values.len() != about.versions.len() {
            return Err(invalid("there are fewer values than versions"));
        }
        let mut history: Vec<Event> = Vec::new();
        for _ in 0..about.events {
            let event: Event =
                parse(self.line(LINE_MAX)?).map_err(|fault| invalid(&format!("its history: {fault}")))?;
            check_calendar([event.at])?;
            verify_enclosed((history.last(), &event), (&about.namespace, &about.name), &self.key)
                .map_err(|why| invalid(&format!("its history: {why}")))?;
            history.push(event);
        }
        if history.last().and_then(|event| event.mac.as_ref()) != about.end.as_ref() {
            return Err(invalid("its history: it does not end where it should"));
        }
        Ok(Entry { about, values, history })
    }
}

/// What a secret's own line must be, whatever vault it is for.
fn check(about: &About) -> Result<()> {
    let slot = Slot::parse(Some(&about.namespace), &about.name)?;
    // Nothing here is a path. A name that climbs out of a folder was made for somebody who takes it for one.
    if [slot.namespace(), slot.name()].iter().any(|text| text.split('/').any(|part| part == "." || part == "..")) {
        return Err(Error::new(ErrorCode::NameInvalid, "a name with `.` or `..` for a part of it is not imported"));
    }
    let numbers = || about.versions.iter().map(|version| version.number);
    let falls = numbers().zip(numbers().skip(1)).all(|(newer, older)| newer > older);
    if !(1..=VERSIONS_MAX).contains(&about.versions.len()) || !falls {
        return Err(invalid("its versions are not 1 to 10, newest first"));
    }
    if numbers().any(|number| !(1..=NUMBER_MAX).contains(&number)) {
        return Err(invalid(&format!("a version's number is not one of 1 to {NUMBER_MAX}")));
    }
    let by = about.versions.iter().map(|version| &version.by).chain([&about.created_by]).flatten();
    if by.into_iter().any(|text| text.len() > BY_MAX || text.contains(char::is_control)) {
        return Err(invalid("it says of somebody what is no name"));
    }
    let previous = |number: u64| numbers().skip(1).any(|other| other == number);
    if about.grace.len() >= VERSIONS_MAX || !about.grace.iter().all(|grace| previous(grace.version)) {
        return Err(invalid("a grace is of no previous version"));
    }
    check_calendar(about.versions.iter().flat_map(|version| [version.at, version.ended_at]))?;
    check_calendar(about.grace.iter().map(|grace| Some(grace.valid_until)).chain([about.created_at, about.expires_at]))
}

/// Errors: `BACKUP_INVALID` for what stores that keep instants as text could not keep.
fn check_calendar(instants: impl IntoIterator<Item = Option<Timestamp>>) -> Result<()> {
    if instants.into_iter().flatten().any(|at| !at.is_in_calendar()) {
        return Err(invalid("it tells of an instant outside the years 0 to 9999"));
    }
    Ok(())
}

/// What a clock that ran ahead wrote is of now: a value of years to come would never be due.
fn hold_to(now: Timestamp, about: &mut About) {
    let made = about.versions.iter_mut().map(|version| &mut version.at);
    for at in made.chain([&mut about.created_at]).flatten() {
        *at = (*at).min(now);
    }
}

/// Counts versions from 1 where they come near the last number that there is.
fn count_anew(about: &mut About) {
    if about.versions.iter().all(|version| version.number <= NUMBER_KEPT) {
        return;
    }
    for (number, version) in (1..).zip(about.versions.iter_mut().rev()) {
        for grace in about.grace.iter_mut().filter(|grace| grace.version == version.number) {
            grace.version = number;
        }
        version.number = number;
    }
}

/// Errors: `BACKUP_INVALID` when a secret is there twice.
fn refuse_twins(entries: &[Entry]) -> Result<()> {
    let mut places: Vec<(&About, usize)> = entries.iter().map(|entry| &entry.about).zip(0..).collect();
    places.sort_unstable_by(|(one, a), (other, b)| {
        (&one.namespace, &one.name, a).cmp(&(&other.namespace, &other.name, b))
    });
    let same = |one: &About, other: &About| one.namespace == other.namespace && one.name == other.name;
    match places.array_windows().find(|[one, next]| same(one.0, next.0)) {
        Some([first, second]) => Err(invalid(&format!("[{}] is the same secret as [{}]", second.1, first.1))),
        None => Ok(()),
    }
}

/// A line without its end, and what follows it.
fn split_line(text: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(max.saturating_add(1)).position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

fn parse<T: FromJson>(line: &[u8]) -> core::result::Result<T, String> {
    let text = core::str::from_utf8(line).map_err(|_| String::from("it is no text"))?;
    wire::read(text).map_err(|fault| fault.into_owned())
}

fn limit(what: &str) -> Error {
    Error::new(ErrorCode::LimitExceeded, format!("the archive is too large to be imported: {what}"))
}

/// The same error, of which secret it is.
fn at(index: usize, error: &Error) -> Error {
    Error::new(error.code(), format!("[{index}] {}", error.message()))
}
