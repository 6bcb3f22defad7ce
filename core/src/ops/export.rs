//! Export: secrets with their versions and their history, in an archive that another vault imports.
//!
//! Whole or not at all: what can't be opened refuses it. Every secret has an event of it before anything leaves.

use super::Settings;
use super::adopt::is_nameless;
use super::get::open_version;
use super::initialise::ensure_initialised;
use super::place::{Place, Problems, places};
use super::scene::Scene;
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, authorized, transact};
use super::verify_audit::examine_chain_of;
use crate::archive::{self, ARCHIVE_SECRETS_MAX, About, AboutVersion, Archive, Entry};
use crate::audit::{Action, Event, VAULT_STREAM, enclose};
use crate::crypto::MacKey;
use crate::encoding::hex;
use crate::entropy::make_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Io, ListQuery, PAGE_LIMIT};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use crate::record::{Grace, RecordKind, SecretRecord};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// How many secrets are read and recorded at a time.
const PAGE: usize = 100;

/// Which secrets are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exports {
    /// All of them.
    All,
    /// Those of a namespace.
    Namespace(String),
    /// These, at most 10,000.
    Secrets(Vec<Slot>),
}

/// Whether what happened to them goes with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithHistory {
    /// It does.
    #[default]
    Yes,
    /// It stays.
    No,
}

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The archive, in plaintext: to be sealed at once, such as in an age file.
    pub archive: SecretBytes,
    /// How many secrets are in it.
    pub secrets: u64,
    /// How many events of their history.
    pub events: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// Exports secrets.
///
/// Errors: one that tells all problems: `PERMISSION_DENIED`, also where only some may not be exported; `SECRET_NOT_FOUND`,
/// `KEY_UNKNOWN`, `NOT_AUTHENTIC`, `RECORD_TAMPERED`; `AUDIT_TAMPERED`; `INVALID_ARGUMENT` for a name that is there twice;
/// `LIMIT_EXCEEDED`; those of [`transact`].
pub(crate) async fn export(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (exports, history): (&Exports, WithHistory),
) -> Result<Exported> {
    let slots = match exports {
        Exports::All => listed(io, settings, actor, None).await?,
        Exports::Namespace(namespace) => listed(io, settings, actor, Some(namespace)).await?,
        Exports::Secrets(slots) => sorted(slots)?,
    };
    if slots.len() > ARCHIVE_SECRETS_MAX {
        let message = format!(
            "{} secrets are too many for one archive: export at most {ARCHIVE_SECRETS_MAX} at a time",
            slots.len()
        );
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    let mut archive = Archive {
        vault_id: String::new(),
        at: io.now(),
        history_key: io.with_entropy(make_bytes).map(Zeroizing::new)?,
        entries: Vec::new(),
    };
    for page in slots.chunks(PAGE) {
        let call = Call::of_many(Action::Export, actor, page);
        let (vault_id, entries) = transact(io, settings, &call, |scene, _| plan(scene, actor, (page, exports))).await?;
        archive.vault_id = vault_id;
        archive.entries.extend(entries);
    }
    if slots.is_empty() {
        let call = Call::of_namespace(Action::Export, actor, None);
        archive.vault_id =
            transact(io, settings, &call, |scene, _| Ok(Plan::record(hex(&scene.head.vault_id)))).await?;
    }
    if history == WithHistory::Yes {
        add_history(io, settings, &slots, &mut archive).await?;
    }
    let events: usize = archive.entries.iter().map(|entry| entry.history.len()).sum();
    Ok(Exported {
        archive: archive::write(&archive)?,
        secrets: u64::try_from(archive.entries.len()).unwrap_or(u64::MAX),
        events: u64::try_from(events).unwrap_or(u64::MAX),
        at: archive.at,
    })
}

/// The secrets that there are in a namespace, or in all.
async fn listed(io: &Io, settings: &Settings, actor: &Actor, namespace: Option<&str>) -> Result<Vec<Slot>> {
    authorized(io, settings, &Call::of_namespace(Action::Export, actor, namespace)).await?;
    ensure_initialised(io, settings).await?;
    let query = ListQuery {
        kind: RecordKind::Secret,
        namespace: namespace.map(ToString::to_string),
        by: None,
        limit: PAGE_LIMIT,
    };
    let items = io.list_all(&query).await?.into_iter().filter(|item| !is_nameless(item));
    items.map(|item| Slot::parse_stored(Some(&item.key.namespace), &item.key.name)).collect()
}

fn sorted(slots: &[Slot]) -> Result<Vec<Slot>> {
    let mut sorted = slots.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < slots.len() {
        return Err(Error::new(ErrorCode::InvalidArgument, "a name is there twice: name each secret once"));
    }
    if sorted.is_empty() {
        return Err(Error::new(ErrorCode::InvalidArgument, "there are no names: leave them out to export all"));
    }
    Ok(sorted)
}

/// What a page of secrets comes to, and which vault it is of.
fn plan(scene: &Scene<'_>, actor: &Actor, (slots, exports): (&[Slot], &Exports)) -> Result<Plan<(String, Vec<Entry>)>> {
    let (mut entries, mut writes, mut problems) = (Vec::new(), Writes::default(), Problems::default());
    for place in &places(scene, slots) {
        // What was deleted since it was listed is not there to be exported.
        let is_gone = !matches!(exports, Exports::Secrets(_)) && place.secret().is_ok_and(|secret| secret.is_none());
        if is_gone {
            continue;
        }
        match exported(scene, actor, place) {
            Ok((each, entry)) => {
                writes.each.push(each);
                entries.push(entry);
            }
            // A name that no secret has is not repeated: it may be a value that was pasted in its place.
            Err(error) if error.code() == ErrorCode::SecretNotFound => problems.add("a name", &error),
            // What was not named by the caller is not named to one who may not export it.
            Err(error) if error.code() == ErrorCode::PermissionDenied && !matches!(exports, Exports::Secrets(_)) => {
                return Err(error);
            }
            Err(error) => problems.add(place.slot, &error),
        }
    }
    problems.result()?;
    Ok(Plan { output: (hex(&scene.head.vault_id), entries), writes, event: EventPlan::Plain })
}

fn exported(scene: &Scene<'_>, actor: &Actor, place: &Place<'_>) -> Result<(Each, Entry)> {
    let rule = place.permit(scene, actor, Permission::Export)?;
    let secret = place.existing()?;
    let (mut versions, mut values) = (Vec::new(), Vec::new());
    // Old stores may lack an earlier value; the current one has to be there.
    let kept = secret.versions().filter(|version| version.value.is_some() || version.number == secret.current.number);
    for version in kept {
        values.push(open_version(scene, secret, version)?.value);
        let is_current = version.number == secret.current.number;
        let leaked = version.fingerprint.as_deref().is_some_and(|fingerprint| secret.has_leaked(fingerprint));
        versions.push(AboutVersion {
            number: version.number,
            at: version.at,
            by: version.by.clone(),
            reason: version.reason,
            compromised: version.compromised || (leaked && !is_current),
            ended_at: version.ended_at,
        });
    }
    let about = About {
        namespace: secret.slot.namespace().to_string(),
        name: secret.slot.name().to_string(),
        state: secret.state,
        sensitivity: secret.sensitivity,
        expires_at: secret.expires_at,
        notify: secret.notify.clone(),
        generator: secret.generator.clone(),
        created_by: secret.created_by.clone(),
        created_at: secret.created_at,
        exposed: secret.is_exposed,
        grace: graces(secret, &versions),
        versions,
        events: 0,
        end: None,
    };
    let detail = Detail { rule, ..Detail::of(Action::Export) };
    let (secret, stream) = (secret.clone(), place.own_stream(secret));
    Ok((Each { secret, stream, detail, access: Access::Read }, Entry { about, values, history: Vec::new() }))
}

fn graces(secret: &SecretRecord, versions: &[AboutVersion]) -> Vec<Grace> {
    let is_there = |number| versions.iter().skip(1).any(|version| version.number == number);
    secret.grace.iter().filter(|grace| is_there(grace.version)).cloned().collect()
}

/// Adds whatever happened under the names, once the whole history of the vault was verified.
async fn add_history(io: &Io, settings: &Settings, slots: &[Slot], archive: &mut Archive) -> Result<()> {
    let key = MacKey::of(&archive.history_key);
    for event in examine_chain_of(io, settings, slots).await? {
        let place = (event.namespace.as_deref(), event.name.as_deref());
        let found = archive
            .entries
            .binary_search_by(|entry| (Some(&*entry.about.namespace), Some(&*entry.about.name)).cmp(&place));
        if let Some(entry) = found.ok().and_then(|index| archive.entries.get_mut(index)) {
            entry.history.push(event);
        }
    }
    for Entry { about, history, .. } in &mut archive.entries {
        put_in_order(history);
        enclose(history, &key);
        about.events = history.len();
        about.end = history.last().and_then(|event| event.mac.clone());
    }
    Ok(())
}

/// Puts what happened under one name in the order in which it did, given stream by stream. What is of the same instant: the
/// vault's stream has the order of its own, and a secret's events come after the one that it came to be by.
fn put_in_order(history: &mut [Event]) {
    let is_of_vault = |event: &Event| event.stream.as_deref() == Some(VAULT_STREAM);
    let made: Vec<(Option<String>, u64)> = history
        .iter()
        .filter(|event| is_of_vault(event))
        .map(|event| (event.secret_uid.clone(), event.seq.unwrap_or_default()))
        .collect();
    let place = |event: &Event| match event.seq {
        Some(seq) if is_of_vault(event) => (seq, false),
        _ => (made.iter().find(|(uid, _)| *uid == event.stream).map_or(0, |(_, seq)| *seq), true),
    };
    history.sort_by_key(|event| (event.at, place(event)));
}
