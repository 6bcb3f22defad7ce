//! What the host does with a vault, over `strongroom::store::drive`.

use crate::tape::{Faults, Rows, Tape, TapedStore};
use crate::{Octets, hex};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::ident::Slot;
use strongroom::record::Change;
use strongroom::store::drive;
use strongroom::{Actor, Entropy, Error, ErrorCode, Flow, Keyring, Result, Timestamp, Vault};
use strongroom_bindings::{OsEntropy, open_vault};

/// A request.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum VaultRequest {
    /// Opens a vault on a store with these rows; `page` is the longest page that the store gives.
    Open {
        key: String,
        options: Value,
        rows: Rows,
        page: Option<u32>,
    },
    Dump,
    /// Adds rows, as another program would.
    Put {
        rows: Rows,
    },
    Clock {
        at: i64,
    },
    Faults {
        faults: Faults,
    },
    /// What the last operation asked and was answered.
    Taken,
    Set {
        name: String,
        namespace: Option<String>,
        value: Octets,
        actor: WireActor,
    },
    Rotate {
        name: String,
        namespace: Option<String>,
        value: Octets,
        actor: WireActor,
    },
    Get {
        name: String,
        namespace: Option<String>,
        actor: WireActor,
    },
    Exists {
        name: String,
        namespace: Option<String>,
        actor: WireActor,
    },
    Delete {
        name: String,
        namespace: Option<String>,
        actor: WireActor,
    },
    List {
        namespace: Option<String>,
        actor: WireActor,
    },
    Audit {
        name: Option<String>,
        namespace: Option<String>,
        limit: u32,
        actor: WireActor,
    },
    VerifyAudit {
        actor: WireActor,
    },
    Propose {
        change: String,
        name: String,
        namespace: Option<String>,
        value: Option<Octets>,
        actor: WireActor,
    },
    Confirm {
        id: String,
        actor: WireActor,
    },
    Cancel {
        id: String,
        actor: WireActor,
    },
    Census {
        actor: WireActor,
    },
    Adopt {
        actor: WireActor,
    },
    Command {
        text: String,
        actor: WireActor,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireActor {
    id: String,
    platform: Option<String>,
    session_expires_at: Option<i64>,
}

impl WireActor {
    fn parse(&self) -> Result<Actor> {
        let mut actor = Actor::new(&self.id)?;
        if let Some(platform) = &self.platform {
            actor = actor.on_platform(platform)?;
        }
        Ok(match self.session_expires_at {
            Some(at) => actor.until(Timestamp::from_millis(at)),
            None => actor,
        })
    }
}

/// A vault, its store, and its clock.
#[derive(Default)]
pub(crate) struct VaultHost {
    pub(crate) tape: Tape,
    store: TapedStore,
    vault: Option<Vault>,
}

impl VaultHost {
    pub(crate) fn answer(&mut self, request: VaultRequest) -> Result<Value> {
        match request {
            VaultRequest::Open { key, options, rows, page } => {
                self.store = TapedStore::new(self.tape.clone(), rows, page);
                self.vault = Some(open_vault(Arc::new(Keyring::parse(&key)?), &options.to_string())?);
            }
            VaultRequest::Dump => return Ok(json!(self.store.rows())),
            VaultRequest::Put { rows } => self.store.put(rows),
            VaultRequest::Clock { at } => self.tape.set_clock(at),
            VaultRequest::Faults { faults } => self.store.faults = faults,
            VaultRequest::Taken => return Ok(self.tape.taken()),
            operation => {
                self.tape.rewind();
                let flow = self.begin(operation)?;
                return drive(flow, &mut self.store, self.tape.clone()).map_err(|failed| failed.error);
            }
        }
        Ok(Value::Null)
    }

    fn begin(&self, operation: VaultRequest) -> Result<Flow<Value>> {
        use VaultRequest as R;
        let no_vault = || Error::new(ErrorCode::InvalidArgument, "no vault is open");
        let vault = self.vault.as_ref().ok_or_else(no_vault)?;
        let slot = |namespace: Option<String>, name: String| Slot::parse_stored(namespace.as_deref(), &name);
        let entropy: Box<dyn Entropy> = Box::new(OsEntropy);
        Ok(match operation {
            R::Set { name, namespace, value, actor } => vault
                .set(&actor.parse()?, &slot(namespace, name)?, value.into_secret(), entropy)
                .map(|told| json!(told)),
            R::Rotate { name, namespace, value, actor } => vault
                .rotate(&actor.parse()?, &slot(namespace, name)?, value.into_secret(), entropy)
                .map(|told| json!(told)),
            R::Get { name, namespace, actor } => {
                vault.get(&actor.parse()?, &slot(namespace, name)?, entropy).map(|revealed| {
                    json!({
                        "value": hex(revealed.value.expose()),
                        "namespace": revealed.slot.namespace(),
                        "name": revealed.slot.name(),
                        "version": revealed.version,
                        "format": revealed.format.name(),
                        "key_id": revealed.key_id.to_hex(),
                        "last_rotated": revealed.last_rotated,
                    })
                })
            }
            R::Exists { name, namespace, actor } => {
                vault.exists(&actor.parse()?, &slot(namespace, name)?, entropy).map(Value::Bool)
            }
            R::Delete { name, namespace, actor } => {
                vault.delete(&actor.parse()?, &slot(namespace, name)?, entropy).map(|told| json!(told))
            }
            R::List { namespace, actor } => {
                vault.list(&actor.parse()?, namespace.as_deref(), entropy)?.map(|listing| json!(listing.secrets))
            }
            R::Audit { name, namespace, limit, actor } => {
                let slot = name.map(|name| slot(namespace, name)).transpose()?;
                vault
                    .audit(&actor.parse()?, slot.as_ref(), limit, entropy)?
                    .map(|history| history.events.iter().map(|event| without_links(json!(event))).collect())
            }
            R::VerifyAudit { actor } => vault.verify_audit(&actor.parse()?, entropy).map(|told| json!(told)),
            R::Propose { change, name, namespace, value, actor } => {
                let proposed = (Change::from_name(&change)?, value.map(Octets::into_secret));
                vault.propose(&actor.parse()?, &slot(namespace, name)?, proposed, entropy).map(|told| json!(told))
            }
            R::Confirm { id, actor } => vault.confirm(&actor.parse()?, &id, entropy).map(|told| json!(told)),
            R::Cancel { id, actor } => vault.cancel(&actor.parse()?, &id, entropy).map(|()| Value::Null),
            R::Census { actor } => vault.census(&actor.parse()?, entropy).map(|told| json!(told)),
            R::Adopt { actor } => vault.adopt(&actor.parse()?, entropy).map(|told| json!(told)),
            R::Command { text, actor } => {
                let text = strongroom::SecretBytes::new(text.into_bytes());
                vault.command(&actor.parse()?, text, entropy).map(|told| json!(told))
            }
            R::Open { .. } | R::Dump | R::Put { .. } | R::Clock { .. } | R::Faults { .. } | R::Taken => {
                return Err(Error::new(ErrorCode::InvalidArgument, "this is no operation of a vault"));
            }
        })
    }
}

/// An event as the packages of the other languages show it: without what only the chain needs.
fn without_links(mut event: Value) -> Value {
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|name, _| !["mac", "prev_mac", "digest", "epoch"].contains(&name.as_str()));
    }
    event
}
