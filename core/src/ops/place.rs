//! What stands in the slots of an operation on many, and what is wrong there, told in one error.

use super::scene::{Scene, check_not_put_back, not_found, own_stream, verify_secret};
use super::set::Found;
use crate::error::{Error, ErrorCode, Result};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::{Record, SecretRecord, StreamHead};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How many problems one error lists.
const LISTED_MAX: usize = 20;

/// What stands in one slot.
pub(super) struct Place<'a> {
    pub(super) slot: &'a Slot,
    /// The secret, unless its record was tampered with: then the error, which the operation meets when it looks.
    secret: Result<Option<SecretRecord>>,
    /// The head of the slot's stream: the secret's own, or that of the secret which had the slot before.
    stream: Option<StreamHead>,
}

/// What stands in the slots that a call [of many](super::transact::Call::of_many) is about, in their order.
pub(super) fn places<'a>(scene: &Scene<'_>, slots: &'a [Slot]) -> Vec<Place<'a>> {
    let mut places = Vec::with_capacity(slots.len());
    for (slot, pair) in slots.iter().zip(scene.records.chunks(2)) {
        let [secret, stream] = pair else { break };
        let read = read(scene, secret.as_ref(), stream.as_ref());
        let (secret, stream) = read.unwrap_or_else(|error| (Err(error), None));
        places.push(Place { slot, secret, stream });
    }
    places
}

type Read = (Result<Option<SecretRecord>>, Option<StreamHead>);

fn read(scene: &Scene<'_>, secret: Option<&Record>, stream: Option<&Record>) -> Result<Read> {
    let stream = stream.map(|record| StreamHead::verify(record, scene.head.record_keys())).transpose()?;
    check_not_put_back(stream.as_ref(), scene.revisions())?;
    let secret = secret.map(|record| verify_secret(record, stream.as_ref(), &scene.head)).transpose();
    Ok((secret, stream))
}

impl Place<'_> {
    /// What allows an actor something here. Errors: `PERMISSION_DENIED`.
    pub(super) fn permit(&self, scene: &Scene<'_>, actor: &Actor, permission: Permission) -> Result<Option<String>> {
        let grants = self.secret.as_ref().ok().and_then(Option::as_ref).map(|secret| secret.grants.as_slice());
        scene.permit_with(actor, permission, Scope::from(self.slot), grants.unwrap_or_default())
    }

    /// The secret, if there is one. Errors: `RECORD_TAMPERED`.
    pub(super) fn secret(&self) -> Result<Option<&SecretRecord>> {
        self.secret.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The secret. Errors: `RECORD_TAMPERED`; `SECRET_NOT_FOUND`; `NAME_INVALID` when no secret could have that name.
    pub(super) fn existing(&self) -> Result<&SecretRecord> {
        match self.secret()? {
            Some(secret) => Ok(secret),
            None => {
                self.slot.check()?;
                Err(not_found(self.slot, self.stream.is_some()))
            }
        }
    }

    /// The same for what gives the slot a value. Errors: `RECORD_TAMPERED`.
    pub(super) fn found(&self) -> Result<Found<'_>> {
        let compromised = self.stream.as_ref().map(|stream| stream.compromised.as_slice()).unwrap_or_default();
        Ok(Found { secret: self.secret()?, compromised })
    }

    /// The head of the secret's own stream, from the start for one that is to be created.
    pub(super) fn own_stream(&self, secret: &SecretRecord) -> StreamHead {
        own_stream(self.stream.as_ref(), secret)
    }
}

/// What is wrong with some of many: all of it in one error.
#[derive(Default)]
pub(super) struct Problems {
    code: Option<ErrorCode>,
    listed: Vec<String>,
    count: usize,
}

impl Problems {
    /// A problem, and of which: its name where that is the caller's own writing, otherwise its place from 0, since values
    /// are pasted where names belong.
    pub(super) fn add(&mut self, of: impl ToString, error: &Error) {
        self.count += 1;
        // A refusal is the first that its caller has to know, whatever else there is.
        if self.code.is_none() || error.code() == ErrorCode::PermissionDenied {
            self.code = Some(error.code());
        }
        if self.listed.len() < LISTED_MAX {
            self.listed.push(format!("{}: {}", of.to_string(), error.message()));
        }
    }

    /// Errors: that of the first problem, or `PERMISSION_DENIED` when that is among them; the first 20 and their number.
    pub(super) fn result(self) -> Result<()> {
        let Some(code) = self.code else { return Ok(()) };
        let noun = if self.count == 1 { "problem" } else { "problems" };
        let more = match self.count - self.listed.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("{} {noun}, and nothing was done: {}{more}", self.count, self.listed.join("; "));
        Err(Error::new(code, message))
    }
}
