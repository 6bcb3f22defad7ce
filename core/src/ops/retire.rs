//! Retire: a key that nothing needs any more is disabled in the vault's ring, and destroyed the next time.

use super::Settings;
use super::census::{Gathered, KeyCount};
use super::transact::{Call, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::crypto::KeyId;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io, Put};
use crate::ident::Actor;
use crate::keyring::KeyState;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use serde::Serialize;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// The key's id, 64 hex digits.
    pub id: String,
    /// Its state in the vault's ring now: `disabled`, then `destroyed`.
    pub state: KeyState,
}

/// Moves a key one step further: enabled to disabled, disabled to destroyed.
///
/// Between the count and the commit nothing is written under the key: it is not the ring's primary, every write checks the
/// ring, and the commit does too. Errors: `KEY_IN_USE` when anything needs the key, saying what, or when it is the primary;
/// `KEY_UNKNOWN`; `INVALID_ARGUMENT` when it is destroyed already; those of [`transact`].
pub(crate) async fn retire(io: &Io, settings: &Settings, actor: &Actor, id: &KeyId) -> Result<Retired> {
    let call = Call::of_vault(Action::Retire, actor);
    authorized(io, settings, &call).await?;
    // INVARIANT: the ring was read before the values were, and is the same at the commit.
    let before = transact(io, settings, &call, |scene, _| {
        let ring = scene.ring.as_ref();
        match ring.and_then(|ring| Some((ring.revision, ring.state(id)?))) {
            None => {
                let message = format!("the vault has no key {id} in its ring: rekey first, which writes the ring");
                Err(Error::new(ErrorCode::KeyUnknown, message))
            }
            Some((_, KeyState::Primary)) => {
                let message = format!("key {id} is the vault's primary: rekey with another primary first");
                Err(Error::new(ErrorCode::KeyInUse, message))
            }
            Some((revision, _)) => Ok(Plan::silent(revision)),
        }
    })
    .await?;
    let gathered = Gathered::read(io, settings).await?;
    transact(io, settings, &call, |scene, _| {
        let Some(ring) = scene.ring.as_ref().filter(|ring| ring.revision == before) else {
            let message = "the ring of keys changed meanwhile and nothing was done: look at it, then try again";
            return Err(Error::new(ErrorCode::Conflict, message));
        };
        let census = gathered.count(scene)?;
        let needed = census.keys.iter().find(|(key, _)| *key == id.to_hex());
        if let Some((_, KeyCount { values, versions, proposals, root })) = needed {
            let message = format!(
                "key {id} is needed by {values} values, {versions} earlier versions, {proposals} proposals and {root} \
                 vault roots: rekey first"
            );
            return Err(Error::new(ErrorCode::KeyInUse, message));
        }
        if census.unreadable > 0 {
            let message = format!(
                "{} values in an old format open under no key of this keyring, and may need key {id}: use the keyring \
                 that opens them, or set or delete those secrets",
                census.unreadable
            );
            return Err(Error::new(ErrorCode::KeyInUse, message));
        }
        let mut ring = ring.clone();
        let mut state = KeyState::Destroyed;
        for (known, its_state) in &mut ring.keys {
            if known == id {
                state = match its_state {
                    KeyState::Enabled => KeyState::Disabled,
                    KeyState::Disabled => KeyState::Destroyed,
                    KeyState::Primary | KeyState::Destroyed => {
                        let message = format!("key {id} is {} and goes no further", its_state.name());
                        return Err(Error::new(ErrorCode::InvalidArgument, message));
                    }
                };
                *its_state = state;
            }
        }
        let expected = Expected::Revision(ring.revision);
        let puts = vec![Put::plain(ring.next_record(&scene.head.keys.record, scene.now)?, expected)];
        let output = Retired { id: id.to_hex(), state };
        Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await
}
