//! The audit rows outside the chain: what an adopted store held before it had one.

use crate::audit::{Event, Fault, digest_of_unchained};
use crate::encoding::hex;
use crate::error::{Error, Result};
use crate::flow::{EventQuery, EventScope, Io, PAGE_LIMIT};
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// All of them, by their digests: the digest of a row is that of all rows up to it.
#[derive(Clone, Default)]
pub(super) struct Unchained {
    digests: Vec<[u8; 32]>,
    pub(super) count: u64,
}

impl Unchained {
    /// Reads all of them. Errors: `AUDIT_TAMPERED` for an event that was in the chain once; those of the store.
    pub(super) async fn read(io: &Io) -> Result<Self> {
        let query = EventQuery { scope: EventScope::Unchained, limit: PAGE_LIMIT };
        let mut found = Unchained::default();
        let (mut running, mut cursor): (Sha256, Option<String>) = (Sha256::new(), None);
        loop {
            let (events, next) = io.events(&query, cursor.clone()).await?;
            for event in &events {
                refuse_chained(event)?;
                digest_of_unchained(&mut running, event);
                found.digests.push(running.clone().finalize().into());
                found.count = found.count.saturating_add(1);
            }
            if next.is_none() {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// The digest over all; `None` for no rows.
    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        self.digests.last().copied()
    }

    /// Whether what was adopted before is still there, and comes first. Errors: `AUDIT_TAMPERED`.
    pub(super) fn check_begins_with(&self, adopted: Option<&str>) -> Result<()> {
        match adopted {
            Some(adopted) if !self.digests.iter().any(|digest| hex(digest) == adopted) => {
                let why = "they are not what was adopted";
                Err(Error::from(&Fault { stream: String::new(), seq: 0, why }))
            }
            _ => Ok(()),
        }
    }
}

fn refuse_chained(event: &Event) -> Result<()> {
    if !event.is_chained() {
        return Ok(());
    }
    let stream = event.stream.clone().unwrap_or_else(|| "(none)".into());
    let seq = event.seq.unwrap_or_default();
    Err(Error::from(&Fault { stream, seq, why: "the event lost its place" }))
}
