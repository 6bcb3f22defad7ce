//! Versions: what there is of a secret's history of values, without a value.

use super::Settings;
use super::transact::{Call, Plan, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::record::{Reason, Version, is_left_behind};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// How many hex digits of a fingerprint are shown.
const FINGERPRINT_SHOWN: usize = 12;

/// What is told of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedVersion {
    /// Its number, from 1.
    pub number: u64,
    /// Whether it is the current one.
    pub current: bool,
    /// When it came to be.
    pub at: Option<Timestamp>,
    /// Who made it.
    pub by: Option<String>,
    /// Why it came to be.
    pub reason: Reason,
    /// The first 12 hex digits of the value's keyed fingerprint: equal values of a vault have equal ones.
    pub fingerprint: Option<String>,
    /// Whether it leaked, and is never accepted again.
    pub compromised: bool,
    /// Until when it is accepted although it is a previous one.
    pub valid_until: Option<Timestamp>,
}

/// The versions of a secret, newest first: the last 10.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// The versions.
    pub versions: Vec<ListedVersion>,
}

/// Lists a secret's versions. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn versions(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Versions> {
    let call = Call::of_secret(Action::Versions, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let secret = scene.existing(slot)?;
        let mut versions = Vec::new();
        for version in secret.versions() {
            let accepted = secret.accepted(scene.now).find(|(accepted, _)| accepted.number == version.number);
            versions.push(ListedVersion {
                current: version.number == secret.current.number,
                valid_until: accepted.map(|(_, until)| until),
                ..listed(version)
            });
        }
        Ok(Plan::record(Versions { versions }))
    })
    .await
}

fn listed(version: &Version) -> ListedVersion {
    let fingerprint = version.fingerprint.as_deref().filter(|it| !is_left_behind(it));
    let fingerprint = fingerprint.and_then(|hex| hex.get(..FINGERPRINT_SHOWN));
    ListedVersion {
        number: version.number,
        current: false,
        at: version.at,
        by: version.by.clone(),
        reason: version.reason,
        fingerprint: fingerprint.map(ToString::to_string),
        compromised: version.compromised,
        valid_until: None,
    }
}
