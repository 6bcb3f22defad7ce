//! Import: secrets from an archive, sealed anew under this vault's primary key. All or nothing, and checked before anything
//! is written.

use super::Settings;
use super::many::{IfExists, Run};
use super::place::{Place, Problems, places};
use super::scene::{Scene, expected};
use super::set::{Found, Setting, secret_with};
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, authorized, transact};
use crate::archive::{self, About, AboutVersion, Archive, Entry};
use crate::audit::Action;
use crate::crypto::sealed;
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Check, Io};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use crate::record::{Grace, Reason, RecordKey, SecretRecord, SecretState, Version};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The longest that an earlier value is still accepted, in milliseconds, whatever the archive says: 366 days.
const GRACE_MAX: i64 = 366 * 24 * 60 * 60 * 1000;

/// How an archive is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// What becomes of secrets that are there already; they fail the whole unless told otherwise.
    pub on_conflict: IfExists,
    /// Whether it is done.
    pub run: Run,
}

impl Default for ImportOptions {
    fn default() -> Self {
        ImportOptions { on_conflict: IfExists::Fail, run: Run::Real }
    }
}

/// What an import did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Which vault the archive is of: 32 hex digits.
    pub vault_id: String,
    /// When it was made.
    pub exported_at: Timestamp,
    /// What becomes of its secrets, in its order.
    pub secrets: Vec<Imported>,
    /// How many events of their history came with them.
    pub events: u64,
    /// Whether nothing was done, and this is what would be. That it was asked is recorded.
    pub dry_run: bool,
}

/// What becomes of a secret of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub outcome: ImportOutcome,
    /// The number of the version that is current then; absent for one that is refused.
    pub version: Option<u64>,
    /// Why it is refused: the code.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
}

/// What becomes of a secret of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// There was none of that name.
    Created,
    /// It has a new version.
    Replaced,
    /// It has that value already. To whom may not read it, it is replaced.
    Unchanged,
    /// It is there, and stays as it is.
    Skipped,
    /// It can't be imported, and so nothing is. In dry runs alone: a real one fails with it.
    Refused,
}

/// What makes an archive of what is offered: of a passphrase, for one that is sealed in a file.
pub type Opening = Box<dyn FnOnce(Vec<SecretBytes>) -> Result<SecretBytes> + Send>;

/// The one archive that is offered, as it is.
pub(crate) fn opened(offered: Vec<SecretBytes>) -> Result<SecretBytes> {
    let [archive] = <[SecretBytes; 1]>::try_from(offered)
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "one archive is to be offered before the first step"))?;
    Ok(archive)
}

/// Imports the archive that is offered, once it is opened.
///
/// Errors: those of opening it; `BACKUP_INVALID`, `LIMIT_EXCEEDED`, `NAME_INVALID` for what is no good archive; one that tells
/// all problems: `PERMISSION_DENIED`, `SECRET_EXISTS`, `VALUE_INVALID`, `VERSION_COMPROMISED`, `SECRET_EXPIRED`,
/// `LIMIT_EXCEEDED`, `RECORD_TAMPERED`; those of [`transact`].
pub(crate) async fn import(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (options, open): (ImportOptions, Opening),
) -> Result<ImportReport> {
    let (alone, offered) = (Call::of_namespace(Action::Import, actor, None), io.take_offered());
    // To open an archive and to read it can take a second and much memory: not for somebody who may import nothing at all.
    authorized(io, settings, &alone).await?;
    let read = open(offered).and_then(|archive| archive::read(&archive, io.now()));
    let Archive { vault_id, at, entries, .. } = match read {
        Ok(archive) => archive,
        Err(refusal) => return transact(io, settings, &alone, |_, _| Err(refusal.clone())).await,
    };
    let slots: Result<Vec<Slot>> =
        entries.iter().map(|entry| Slot::parse(Some(&entry.about.namespace), &entry.about.name)).collect();
    let slots = slots?;
    let call = match slots.as_slice() {
        [] => alone,
        slots => Call::of_many(Action::Import, actor, slots),
    };
    transact(io, settings, &call, |scene, entropy| {
        let report = ImportReport {
            vault_id: vault_id.clone(),
            exported_at: at,
            secrets: Vec::new(),
            events: 0,
            dry_run: options.run == Run::Dry,
        };
        plan(scene, entropy, actor, (&slots, &entries), (options, report))
    })
    .await
}

fn plan(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    (slots, entries): (&[Slot], &[Entry]),
    (options, mut report): (ImportOptions, ImportReport),
) -> Result<Plan<ImportReport>> {
    let (mut writes, mut problems) = (Writes::default(), Problems::default());
    for (place, entry) in places(scene, slots).iter().zip(entries) {
        let decided = decide(scene, entropy, actor, (place, entry), options.on_conflict);
        let (outcome, version, refusal) = match decided {
            Ok(Decided::Write(outcome, each)) => {
                let version = each.secret.current.number;
                writes.each.push(*each);
                let has_value = matches!(outcome, ImportOutcome::Created | ImportOutcome::Replaced);
                if has_value && !entry.history.is_empty() {
                    report.events += u64::try_from(entry.history.len()).unwrap_or(u64::MAX);
                    writes.foreign.push((place.slot.clone(), entry.history.clone()));
                }
                (outcome, Some(version), None)
            }
            Ok(Decided::Leave(outcome, secret)) => {
                let check = Check { key: RecordKey::secret(place.slot), expected: expected(secret.revision) };
                writes.checks.push(check);
                (outcome, Some(secret.current.number), None)
            }
            Err(error) => (ImportOutcome::Refused, None, Some(error)),
        };
        report.secrets.push(Imported {
            namespace: entry.about.namespace.clone(),
            name: entry.about.name.clone(),
            outcome,
            version,
            code: refusal.as_ref().map(|error| error.code().name().to_string()),
            message: refusal.as_ref().map(|error| error.message().to_string()),
        });
        // Who may not is told so in a dry run too: what else there is is not theirs to know.
        let is_told = options.run == Run::Dry && !is_denied(refusal.as_ref());
        if let Some(error) = refusal.filter(|_| !is_told) {
            problems.add(place.slot, &error);
        }
    }
    problems.result()?;
    if options.run == Run::Dry {
        scene.check_writer(Action::Import, &writes)?;
        // It tells what there is: whoever asked stands in the history.
        return Ok(Plan::record(report));
    }
    let detail = Detail { reason: Some(Reason::Import), ..Detail::of_vault(Action::Import) };
    Ok(Plan { output: report, writes, event: EventPlan::Detailed(detail) })
}

fn is_denied(refusal: Option<&Error>) -> bool {
    refusal.is_some_and(|error| error.code() == ErrorCode::PermissionDenied)
}

/// What is done with a secret of the archive.
enum Decided<'a> {
    Write(ImportOutcome, Box<Each>),
    Leave(ImportOutcome, &'a SecretRecord),
}

fn decide<'a>(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    (place, entry): (&'a Place<'_>, &Entry),
    on_conflict: IfExists,
) -> Result<Decided<'a>> {
    let rule = place.permit(scene, actor, Permission::Write)?;
    let (current, value) = current(entry)?;
    let write = |outcome, secret: SecretRecord, action| {
        let detail = Detail { reason: Some(Reason::Import), rule, ..Detail::of(action) };
        let stream = place.own_stream(&secret);
        Ok(Decided::Write(outcome, Box::new(Each { stream, secret, detail, access: Access::Written })))
    };
    // What makes a secret, or changes its value, is a `set` wherever that came from: the reason tells it.
    let Some(secret) = place.secret()? else {
        return write(ImportOutcome::Created, created(scene, entropy, (place, entry), (current, value))?, Action::Set);
    };
    // Whether a value is, or was, that of a secret is for those to know who may read it: of others, what the archive calls
    // leaked is no more than a guess, which a refusal later on would confirm.
    let may_read = scene.may(actor, Permission::Read, secret);
    let leaks = if may_read { leaked(scene, entry) } else { Vec::new() };
    let fingerprint = hex(&scene.head.keys.fingerprint.mac(value.expose()));
    let is_same = may_read && secret.current.fingerprint.as_ref() == Some(&fingerprint);
    let outcome = match on_conflict {
        IfExists::Fail => {
            let message = format!("{} exists: choose to skip or to replace those that do", place.slot);
            return Err(Error::new(ErrorCode::SecretExists, message));
        }
        IfExists::Skip => ImportOutcome::Skipped,
        IfExists::Replace if is_same => ImportOutcome::Unchanged,
        IfExists::Replace => {
            let secret = replaced(scene, entropy, actor, (secret, entry, &leaks), value)?;
            return write(ImportOutcome::Replaced, secret, Action::Set);
        }
    };
    let is_news = |fingerprint: &String| leaks.contains(&Some(fingerprint.clone())) && !secret.has_leaked(fingerprint);
    if secret.current.fingerprint.as_ref().is_some_and(is_news) {
        let message =
            format!("{} has a value that was compromised where the archive is from: rotate it first", secret.slot);
        return Err(Error::new(ErrorCode::VersionCompromised, message));
    }
    // It stays as it is, but for what it will not accept.
    let mut known = secret.clone();
    known.learn_compromised(&leaks)?;
    if known.compromised == secret.compromised && known.previous == secret.previous {
        return Ok(Decided::Leave(outcome, secret));
    }
    write(outcome, known, Action::Import)
}

fn current(entry: &Entry) -> Result<(&AboutVersion, &SecretBytes)> {
    let first = entry.about.versions.first().zip(entry.values.first());
    // INVARIANT: what was read has a version at least, and a value for each.
    first.ok_or_else(|| Error::new(ErrorCode::BackupInvalid, "a secret of the archive has no value"))
}

/// The secret that is there with the archive's current value as a new version, and what the archive tells of it.
fn replaced(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    (secret, entry, leaks): (&SecretRecord, &Entry, &[Option<String>]),
    value: &SecretBytes,
) -> Result<SecretRecord> {
    let about = &entry.about;
    if about.expires_at.is_some_and(|end| end <= scene.now) {
        let message = format!("the value of {} in the archive has ended: leave it out, or set one", secret.slot);
        return Err(Error::new(ErrorCode::SecretExpired, message));
    }
    let mut known = secret.clone();
    known.learn_compromised(leaks)?;
    // What is replaced leaked as well, if its value did where the archive is from.
    known.is_exposed |= known.current.fingerprint.is_some() && leaks.contains(&known.current.fingerprint);
    // By the archive's own word, whoever asks.
    if leaked(scene, entry).contains(&Some(hex(&scene.head.keys.fingerprint.mac(value.expose())))) {
        let message = format!("the value of {} in the archive was compromised: give it another one", secret.slot);
        return Err(Error::new(ErrorCode::VersionCompromised, message));
    }
    let found = Found { secret: Some(&known), compromised: &[] };
    let told = setting(about);
    let mut secret = secret_with(scene, entropy, actor, (&secret.slot, found), (value, &told, Reason::Import))?;
    secret.expires_at = about.expires_at;
    // What was disabled somewhere is not enabled by the way.
    if about.state == SecretState::Disabled {
        secret.state = SecretState::Disabled;
    }
    Ok(secret)
}

/// A secret as the archive has it, its versions too, under a uid of its own.
fn created(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    (place, entry): (&Place<'_>, &Entry),
    (current, value): (&AboutVersion, &SecretBytes),
) -> Result<SecretRecord> {
    let (about, slot) = (&entry.about, place.slot);
    let mut secret = SecretRecord {
        state: about.state,
        expires_at: about.expires_at,
        compromised: place.found()?.compromised.to_vec(),
        created_by: about.created_by.clone(),
        created_at: about.created_at,
        updated_at: Some(scene.now),
        ..SecretRecord::unset(slot.clone(), make_bytes(entropy)?, scene.head.epoch)
    };
    setting(about).tell(&mut secret)?;
    let leaked_before = |secret: &SecretRecord| {
        if !secret.is_compromised(value, &scene.head)? {
            return Ok(());
        }
        let message = format!("{slot} had this value when it was compromised: give it another one");
        Err(Error::new(ErrorCode::VersionCompromised, message))
    };
    // What this vault knows to have leaked comes back by no archive, whatever that says of it.
    leaked_before(&secret)?;
    for (version, value) in about.versions.iter().zip(&entry.values).skip(1) {
        let compromised = version.compromised || secret.is_compromised(value, &scene.head)?;
        secret.previous.push(resealed(scene, entropy, &secret, (version, value, compromised))?);
    }
    secret.learn_compromised(&leaked(scene, entry))?;
    // What leaked elsewhere is kept as what leaked; no other value comes back that did.
    if !about.exposed && !current.compromised {
        leaked_before(&secret)?;
    }
    secret.current = resealed(scene, entropy, &secret, (current, value, current.compromised))?;
    secret.is_exposed = about.exposed;
    let latest = scene.now.plus_millis(GRACE_MAX);
    let is_open = |grace: &&Grace| {
        let version = secret.previous.iter().find(|version| version.number == grace.version);
        scene.now < grace.valid_until && version.is_some_and(|version| !version.compromised)
    };
    let open = about.grace.iter().filter(is_open);
    secret.grace =
        open.map(|grace| Grace { valid_until: grace.valid_until.min(latest), version: grace.version }).collect();
    Ok(secret)
}

/// What the archive says leaked, as this vault knows it again.
fn leaked(scene: &Scene<'_>, entry: &Entry) -> Vec<Option<String>> {
    let about = &entry.about;
    let is_leak = |at: usize, version: &AboutVersion| version.compromised || (at == 0 && about.exposed);
    let versions = about.versions.iter().zip(&entry.values).enumerate();
    versions
        .filter(|(at, (version, _))| is_leak(*at, version))
        .map(|(_, (_, value))| Some(hex(&scene.head.keys.fingerprint.mac(value.expose()))))
        .collect()
}

fn setting(about: &About) -> Setting {
    Setting {
        sensitivity: Some(about.sensitivity),
        expiry: None,
        notify: Some(about.notify.clone()),
        generator: about.generator.clone(),
    }
}

/// A version as the archive has it, sealed for this vault. Errors: `VALUE_INVALID`.
fn resealed(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    secret: &SecretRecord,
    (about, value, compromised): (&AboutVersion, &SecretBytes, bool),
) -> Result<Version> {
    scene.settings.check_value(value)?;
    let primary = scene.settings.keyring.primary()?;
    let context = secret.context(&scene.head.vault_id, about.number);
    Ok(Version {
        number: about.number,
        value: Some(sealed::seal(primary, entropy, &context, value.expose())?),
        key_id: Some(primary.id().to_hex()),
        at: about.at,
        by: about.by.clone(),
        reason: about.reason,
        fingerprint: Some(hex(&scene.head.keys.fingerprint.mac(value.expose()))),
        compromised,
        ended_at: about.ended_at,
    })
}
