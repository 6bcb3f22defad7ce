//! A whole vault in one text, for hosts that have one place to keep it in and nothing else: a file, an object in a bucket.
//!
//! Its layout is strict and carries a checksum, so that a text that was cut short or altered is never taken for a vault
//! (`docs/format.md`, "Documents"). The checksum is no MAC: what a vault believes, it verifies by its own.

use super::memory::{MemoryStore, Outcome, Stored};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Answer, CommitAnswer, Request};
use crate::wire::{FromJson, read};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;
use sha2::{Digest, Sha256};

const BEGIN: &str = "{\"format\":\"strongroom/document/v1\",\"sha256\":\"";
const MIDDLE: &str = "\",\"body\":";
const END: &str = "}\n";
/// SHA-256 as hex.
const DIGITS: usize = 64;

const RECORDS: &str = "{\"records\":[";
const EVENTS: &str = "],\"events\":[";
const BODY_END: &str = "]}";

/// A row has all its fields, so that it is longer than this. Shorter ones would take many times their length when read.
const ROW_MIN: usize = 128;
/// How many values stand in a row at most, for the same reason.
const ROW_VALUES: usize = 1024;
/// How many fingerprints a record is found by at most in a document; secrets have 10.
const FINGERPRINTS_MAX: usize = 512;

/// A document as it was last read or written. It is as large as the vault: every change writes all of it.
///
/// ```
/// use strongroom::record::{Columns, Counters, Record, RecordKey, RecordKind};
/// use strongroom::flow::{ChangeSet, CommitAnswer, Expected, Put};
/// use strongroom::store::{Content, Document};
/// use strongroom::{Answer, Request};
///
/// let key = RecordKey { kind: RecordKind::Secret, namespace: "default".into(), name: "A".into() };
/// let (columns, counters) = (Columns::default(), Counters::default());
/// let record = Record { key: key.clone(), revision: 1, columns, data: "{}".into(), mac: None, counters };
/// let puts = vec![Put::plain(record.clone(), Expected::Absent)];
/// let (operation_id, deletes, checks, counters, events) = Default::default();
/// let change_set = ChangeSet { operation_id, puts, deletes, checks, counters, events };
///
/// let mut document = Document::new(Document::LIMIT);
/// let (answer, text) = document.answer(Content::Absent, &Request::Commit { change_set })?;
/// assert_eq!(answer, Answer::Commit(CommitAnswer::Committed));
///
/// // The host writes the text in place of what it read, and gives it back when something is asked.
/// let text = text.unwrap_or_default();
/// let (answer, changed) = document.answer(Content::Text(&text), &Request::Load { keys: vec![key] })?;
/// assert_eq!((answer, changed), (Answer::Load { records: vec![record] }, None));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Document {
    limit: usize,
    /// Nothing after an answer that failed.
    kept: Option<Kept>,
}

/// What the host has found in the place of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// There is none yet. One that is empty is there, and is no document.
    Absent,
    /// This.
    Text(&'a [u8]),
    /// What was read or written last: see [`Document::was_last`].
    AsBefore,
}

struct Kept {
    store: MemoryStore,
    /// The digits of the text that the store is the content of; NULs when there is none.
    sha256: [u8; DIGITS],
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Document {
    /// How long a text is at most unless told otherwise, in bytes.
    pub const LIMIT: usize = 64 * 1024 * 1024;

    /// As many bytes of a text as [`Document::was_last`] looks at.
    pub const HEAD: usize = BEGIN.len() + DIGITS + MIDDLE.len();

    /// Without content, and with texts of at most so many bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Document { limit, kept: None }
    }

    /// Answers a request over a content; for a commit that changed it, gives the text to write in its place. One that was
    /// applied before gives none. What was read is kept: the same text is not parsed again.
    ///
    /// Errors, none of which has changed anything: `STORAGE_FAILED` for a text that is no whole document;
    /// `LIMIT_EXCEEDED` for one that is too long, or would be.
    pub fn answer(&mut self, content: Content<'_>, request: &Request) -> Result<(Answer, Option<Vec<u8>>)> {
        let last = self.kept.take();
        let mut kept = match content {
            Content::Absent => Kept { store: MemoryStore::new(), sha256: [0; DIGITS] },
            Content::AsBefore => last.ok_or_else(|| unloadable("nothing was read yet"))?,
            Content::Text(text) => {
                let (sha256, body) = self.checked(text)?;
                match last.filter(|last| last.sha256 == sha256) {
                    Some(last) => last,
                    None => Kept { store: read_body(body)?, sha256 },
                }
            }
        };
        let answered = match request {
            Request::Commit { change_set } => {
                let outcome = kept.store.apply(change_set);
                let answer =
                    if outcome == Outcome::Conflict { CommitAnswer::Conflict } else { CommitAnswer::Committed };
                let text = if outcome == Outcome::Applied { Some(kept.write(self.limit)?) } else { None };
                (Answer::Commit(answer), text)
            }
            request => (kept.store.answer(request), None),
        };
        self.kept = Some(kept);
        Ok(answered)
    }

    /// Whether a text that begins so is the one that was read or written last; [`Document::HEAD`] bytes are enough. It goes
    /// by the checksum that the text names: that the rest has not been damaged since is not looked at.
    #[must_use]
    pub fn was_last(&self, head: &[u8]) -> bool {
        let named = head.strip_prefix(BEGIN.as_bytes()).and_then(|rest| rest.split_at_checked(DIGITS));
        let kept = self.kept.as_ref().map(|kept| kept.sha256.as_slice());
        named.is_some_and(|(sha256, rest)| kept == Some(sha256) && rest.starts_with(MIDDLE.as_bytes()))
    }

    /// Looks whether a text is a whole document, and gives the checksum that it names, 64 hex digits. Errors: those of
    /// [`Document::answer`].
    pub fn verify(text: &[u8], limit: usize) -> Result<String> {
        let (sha256, body) = Document::new(limit).checked(text)?;
        read_body(body)?;
        Ok(sha256.iter().copied().map(char::from).collect())
    }

    /// The checksum and the body of a text whose checksum is right.
    fn checked<'a>(&self, text: &'a [u8]) -> Result<([u8; DIGITS], &'a str)> {
        if text.len() > self.limit {
            return Err(too_long(text.len(), self.limit));
        }
        let text = str::from_utf8(text).map_err(|_| unloadable("it was altered, or is none"))?;
        let rest = text.strip_prefix(BEGIN).ok_or_else(|| {
            let is_part = BEGIN.starts_with(text);
            unloadable(if is_part { "it is empty or cut short" } else { "it is none of version 1, or was altered" })
        })?;
        let (sha256, rest) = rest.split_at_checked(DIGITS).ok_or_else(|| unloadable("it is cut short"))?;
        let body = rest.strip_prefix(MIDDLE).ok_or_else(|| unloadable("it is cut short, or was altered"))?;
        let body = body.strip_suffix(END).ok_or_else(|| unloadable("it is cut short, or something follows its end"))?;
        if digits(body) != sha256.as_bytes() {
            return Err(unloadable("it was altered or cut short: its checksum is another"));
        }
        Ok((digits(body), body))
    }
}

impl Kept {
    /// The text of what is kept now.
    fn write(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut text = String::from(BEGIN);
        text.extend(core::iter::repeat_n('0', DIGITS));
        text.push_str(MIDDLE);
        text.push_str(RECORDS);
        let mut is_first = true;
        for stored in self.store.all_stored() {
            if stored.index.fingerprints.len() > FINGERPRINTS_MAX {
                let message = format!("a record of a document is found by at most {FINGERPRINTS_MAX} fingerprints");
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            push_row(&mut text, stored, &mut is_first);
        }
        text.push('\n');
        text.push_str(EVENTS);
        is_first = true;
        for event in self.store.all_events() {
            push_row(&mut text, event, &mut is_first);
        }
        text.push('\n');
        text.push_str(BODY_END);
        self.sha256 = digits(text.get(Document::HEAD..).unwrap_or_default());
        text.push_str(END);
        if text.len() > limit {
            return Err(too_long(text.len(), limit));
        }
        let mut text = text.into_bytes();
        let named = text.iter_mut().skip(BEGIN.len());
        named.zip(self.sha256).for_each(|(place, digit)| *place = digit);
        Ok(text)
    }
}

fn push_row(text: &mut String, row: &impl Serialize, is_first: &mut bool) {
    text.push_str(if *is_first { "\n" } else { ",\n" });
    // INVARIANT: rows are plain structs with text keys; serde_json writes them all.
    text.push_str(&serde_json::to_string(row).unwrap_or_default());
    *is_first = false;
}

/// Reads a body line by line, so that no more than one row stands in memory as a tree.
fn read_body(body: &str) -> Result<MemoryStore> {
    let mut store = MemoryStore::new();
    let mut lines = body.split('\n');
    if lines.next() != Some(RECORDS) {
        return Err(malformed("its records do not begin where they must"));
    }
    let mut last = None;
    rows(&mut lines, EVENTS, |stored: Stored| {
        let key = stored.record.key.clone();
        let advances = last.as_ref().is_none_or(|last| *last < key);
        last = Some(key);
        advances && store.put_back(stored)
    })?;
    rows(&mut lines, BODY_END, |event| store.append(event))?;
    if lines.next().is_some() { Err(malformed("something follows its rows")) } else { Ok(store) }
}

/// Takes the rows of a list up to the line that ends it, each followed by a comma but the last.
fn rows<T: FromJson>(lines: &mut core::str::Split<'_, char>, end: &str, mut take: impl FnMut(T) -> bool) -> Result<()> {
    let (mut comma, mut is_first) = (false, true);
    loop {
        let line = lines.next().ok_or_else(|| malformed("its rows have no end"))?;
        if line == end && !comma {
            return Ok(());
        }
        if !is_first && !comma {
            return Err(malformed("two rows have no comma between them"));
        }
        let row = line.strip_suffix(',');
        (comma, is_first) = (row.is_some(), false);
        let row = row.unwrap_or(line);
        if row.len() < ROW_MIN || !has_few_values(row) {
            return Err(malformed("a row has too few fields or too many"));
        }
        let row = read(row).map_err(|fault| malformed(&format!("a row has another shape: {fault}")))?;
        if !take(row) {
            return Err(malformed("two rows have one place, or stand in another order"));
        }
    }
}

/// Whether a row has no more values than one can have, whatever stands in its texts.
fn has_few_values(row: &str) -> bool {
    let (mut values, mut is_text, mut is_escaped) = (0, false, false);
    for byte in row.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => values += 1,
            _ => {}
        }
    }
    values <= ROW_VALUES
}

fn digits(body: &str) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    let text = hex(&Sha256::digest(body));
    digits.iter_mut().zip(text.bytes()).for_each(|(place, digit)| *place = digit);
    digits
}

fn malformed(what: &str) -> Error {
    unloadable(&format!("its checksum is right, but {what}"))
}

fn unloadable(what: &str) -> Error {
    let message = format!("Failed to load secrets: the document is not whole: {what}; put a backup in its place");
    Error::new(ErrorCode::StorageFailed, message)
}

fn too_long(length: usize, limit: usize) -> Error {
    let message = format!(
        "the document has or would have {length} bytes, of at most {limit}; nothing was written: raise the limit, or \
         move the vault to a database"
    );
    Error::new(ErrorCode::LimitExceeded, message)
}
