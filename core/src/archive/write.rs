//! Writing an archive, into one buffer that never moves: what a growing one leaves behind would not be wiped.

use super::{ARCHIVE_MAX, ARCHIVE_SECRETS_MAX, Archive, FORMAT, Header, too_large};
use crate::encoding::{base64_append, base64_length, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::secret::SecretBytes;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The text of an archive. Errors: `LIMIT_EXCEEDED`.
pub(crate) fn write(archive: &Archive) -> Result<SecretBytes> {
    let entries = &archive.entries;
    if entries.len() > ARCHIVE_SECRETS_MAX {
        return Err(too_large(&format!(
            "it holds at most {ARCHIVE_SECRETS_MAX} secrets; export a namespace or names at a time"
        )));
    }
    let mut told = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let mut lines = vec![line(&entry.about)?];
        for event in &entry.history {
            lines.push(line(event)?);
        }
        // A space or the end of the line follows each value.
        let values: usize = entry.values.iter().map(|value| base64_length(value.len()) + 1).sum();
        bytes += values + lines.iter().map(|line| line.len() + 1).sum::<usize>();
        told.push(lines);
    }
    let header = Header {
        format: FORMAT.to_string(),
        vault_id: archive.vault_id.clone(),
        at: archive.at,
        secrets: entries.len(),
        events: entries.iter().map(|entry| entry.history.len()).sum(),
        bytes,
        history_key: hex(&*archive.history_key),
        digest: hex(&[0; 32]),
    };
    let header = Zeroizing::new(line(&header)?);
    if header.len() + 1 + bytes > ARCHIVE_MAX {
        return Err(too_large(&format!(
            "it has at most {ARCHIVE_MAX} bytes; export without the history, or a namespace or names at a time"
        )));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(header.len() + 1 + bytes));
    push(&mut text, &header);
    let body = text.len();
    for (entry, lines) in entries.iter().zip(&told) {
        let [about, events @ ..] = lines.as_slice() else { continue };
        push(&mut text, about);
        for (index, value) in entry.values.iter().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            // EXPOSE: into the archive, which is a secret itself.
            base64_append(value.expose(), &mut text);
        }
        text.push(b'\n');
        events.iter().for_each(|event| push(&mut text, event));
    }
    let digest = hex(&Sha256::digest(text.get(body..).unwrap_or_default()));
    // The header ends with the digest, a quote, a brace and the end of the line.
    if let Some(place) = text.get_mut(body - 3 - digest.len()..body - 3) {
        place.copy_from_slice(digest.as_bytes());
    }
    Ok(SecretBytes::new(core::mem::take(&mut *text)))
}

fn push(text: &mut Vec<u8>, line: &str) {
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

fn line(told: &impl Serialize) -> Result<String> {
    serde_json::to_string(told)
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "something of a secret can't be written as JSON"))
}
