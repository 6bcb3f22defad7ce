//! Census: how many stored values need which key, and in which format they are. What a rotation of keys has left to do.

use super::Settings;
use super::list::{SecretWithStream, all_secrets, for_each_page, unless_renewed};
use super::scene::Scene;
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::Action;
use crate::crypto::Format;
use crate::crypto::sealed::Sealed;
use crate::error::Result;
use crate::flow::{Io, ListQuery, PAGE_LIMIT};
use crate::ident::Actor;
use crate::keyring::Keyring;
use crate::record::{Proposal, Record, RecordKey, RecordKind};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Serialize, Serializer};

/// What needs one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyCount {
    /// Current values of secrets.
    pub values: u64,
    /// Earlier versions, and those that a rotator gave and that are not activated.
    pub versions: u64,
    /// Proposals that wait.
    pub proposals: u64,
    /// Roots of the vault: the one in force, and those that were before it.
    pub root: u64,
}

/// What a store holds, by key and by format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// By key id, 64 hex digits.
    #[serde(serialize_with = "as_map")]
    pub keys: Vec<(String, KeyCount)>,
    /// By format: `sealed`, `node_gcm`, `fernet`.
    #[serde(serialize_with = "as_map")]
    pub formats: Vec<(String, u64)>,
    /// Values in an old format that no key of the ring opens.
    pub unreadable: u64,
}

enum Place {
    Value,
    Version,
    Proposal,
    Root,
}

/// Counts. Values in the old formats name no key and are opened to find theirs. Errors: `RECORD_TAMPERED`, those of
/// [`transact`].
pub(crate) async fn census(io: &Io, settings: &Settings, actor: &Actor) -> Result<Census> {
    let call = Call::of_vault(Action::Census, actor);
    authorized(io, settings, &call).await?;
    let gathered = Gathered::read(io, settings).await?;
    transact(io, settings, &call, |scene, _| gathered.count(scene).map(Plan::record)).await
}

/// Everything that is sealed, as it was read.
pub(super) struct Gathered {
    secrets: Vec<SecretWithStream>,
    proposals: Vec<Record>,
    /// The revision of the vault's head before the proposals were read.
    head: u64,
}

impl Gathered {
    pub(super) async fn read(io: &Io, settings: &Settings) -> Result<Self> {
        let secrets = all_secrets(io, settings, None).await?;
        let mut proposals = Vec::new();
        let alone = |key: &RecordKey| vec![key.clone()];
        let take = |page: Vec<Option<Record>>| proposals.extend(page.into_iter().flatten());
        let query = ListQuery { kind: RecordKind::Pending, namespace: None, by: None, limit: PAGE_LIMIT };
        let head = for_each_page(io, settings, &query, alone, take).await?;
        Ok(Gathered { secrets, proposals, head })
    }

    /// Errors: `RECORD_TAMPERED`; `CONFLICT` when the root was renewed meanwhile.
    pub(super) fn count(&self, scene: &Scene<'_>) -> Result<Census> {
        let (mut census, keyring) = (Census::default(), &scene.settings.keyring);
        for id in scene.head.sealing_keys() {
            census.add_key(id.to_hex(), Place::Root);
        }
        for record in &self.secrets {
            let secret = record.verify(scene)?;
            for version in secret.sealed_versions() {
                let place = if version.number == secret.current.number { Place::Value } else { Place::Version };
                census.add(keyring, version.value.as_deref(), place);
            }
        }
        for record in &self.proposals {
            let proposal = Proposal::verify(record, scene.head.record_keys());
            let proposal = proposal.map_err(|error| unless_renewed(error, self.head, &scene.head))?;
            census.add(keyring, proposal.body.sealed.as_deref(), Place::Proposal);
        }
        Ok(census)
    }
}

impl Census {
    fn add(&mut self, keyring: &Keyring, value: Option<&str>, place: Place) {
        let Some(value) = value else { return };
        if let (Format::Sealed, Ok(sealed)) = (Format::of(value), Sealed::parse(value)) {
            self.add_format(Format::Sealed);
            return self.add_key(sealed.key_id().to_hex(), place);
        }
        match keyring.decrypt(value, None) {
            Ok(opened) => {
                self.add_format(opened.format);
                self.add_key(opened.key_id.to_hex(), place);
            }
            Err(_) => {
                self.add_format(Format::of(value));
                self.unreadable = self.unreadable.saturating_add(1);
            }
        }
    }

    fn add_format(&mut self, format: Format) {
        count(&mut self.formats, format.name().to_string(), |count| *count = count.saturating_add(1));
    }

    fn add_key(&mut self, id: String, place: Place) {
        count(&mut self.keys, id, |count| {
            let counter = match place {
                Place::Value => &mut count.values,
                Place::Version => &mut count.versions,
                Place::Proposal => &mut count.proposals,
                Place::Root => &mut count.root,
            };
            *counter = counter.saturating_add(1);
        });
    }
}

/// Adds to the count of a name, in order of names.
fn count<T: Default>(counts: &mut Vec<(String, T)>, name: String, add: impl FnOnce(&mut T)) {
    match counts.binary_search_by(|(counted, _)| counted.cmp(&name)) {
        Ok(place) => counts.get_mut(place).map_or((), |(_, count)| add(count)),
        Err(place) => {
            let mut first = T::default();
            add(&mut first);
            counts.insert(place, (name, first));
        }
    }
}

fn as_map<S: Serializer, T: Serialize>(counts: &[(String, T)], to: S) -> core::result::Result<S::Ok, S::Error> {
    to.collect_map(counts.iter().map(|(name, count)| (name, count)))
}
