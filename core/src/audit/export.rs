//! Events for programs that watch many systems: a line of JSON for each.
//!
//! `jsonl` is the event as the store keeps it, MACs included. `ocsf` is an Entity Management event of the Open Cybersecurity
//! Schema Framework in the JSON envelope of CloudEvents 1.0. `docs/audit-export.md` lists every field.

use super::{Action, Event, Outcome, VAULT_STREAM};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use serde::Serialize;

/// How events are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// As stores keep them.
    #[default]
    Jsonl,
    /// OCSF 1.3 in CloudEvents 1.0.
    Ocsf,
}

impl ExportFormat {
    /// The format of that wire name: `jsonl` or `ocsf`. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<ExportFormat> {
        match name {
            "jsonl" => Ok(ExportFormat::Jsonl),
            "ocsf" => Ok(ExportFormat::Ocsf),
            _ => Err(Error::new(ErrorCode::InvalidArgument, "the format of an export is not known: use jsonl or ocsf")),
        }
    }

    /// One event as one line, without its newline. Rows outside the chain have no place; they are numbered from 1.
    pub(crate) fn line(self, event: &Event, vault_id: &[u8; 16], row: u64) -> Result<String> {
        let written = match self {
            ExportFormat::Jsonl => serde_json::to_string(event),
            ExportFormat::Ocsf => serde_json::to_string(&CloudEvent::of(event, &hex(vault_id), row)),
        };
        // INVARIANT: texts and numbers are JSON.
        written.map_err(|_| Error::new(ErrorCode::AuditTampered, "an event cannot be written as JSON"))
    }
}

const VERSION: &str = "1.3.0";
const CATEGORY: u32 = 3;
const CLASS: u32 = 3004;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: Ocsf<'a>,
}

#[derive(Serialize)]
struct Ocsf<'a> {
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    activity_id: u32,
    activity_name: &'a str,
    type_uid: u32,
    time: Timestamp,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'a str>,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ActorOf<'a>>,
    entity: Entity<'a>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    uid: String,
    log_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
}

#[derive(Serialize)]
struct ActorOf<'a> {
    user: User<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    uid: &'a str,
}

#[derive(Serialize)]
struct Entity<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
}

/// What OCSF has no name for.
#[derive(Serialize)]
struct Unmapped<'a> {
    stream: Option<&'a str>,
    platform: Option<&'a str>,
    outcome: Option<&'a str>,
    reason: Option<&'a str>,
    rule: Option<&'a str>,
    epoch: Option<u64>,
    digest: Option<&'a str>,
    prev_mac: Option<&'a str>,
    mac: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported<'a>>,
}

/// What an event of another vault says of that vault: nothing that this one knows.
#[derive(Serialize)]
struct Imported<'a> {
    secret_uid: Option<&'a str>,
    rule: Option<&'a str>,
}

impl<'a> CloudEvent<'a> {
    fn of(event: &'a Event, vault_id: &'a str, row: u64) -> Self {
        let id = match (&event.stream, event.seq) {
            (Some(stream), Some(seq)) => format!("{stream}/{seq}"),
            _ => format!("unchained/{row}"),
        };
        let place = event.name.as_deref().map(|name| match &event.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_string(),
        });
        let time = event.at.filter(|at| at.is_in_calendar());
        CloudEvent {
            specversion: "1.0",
            source: format!("strongroom:vault:{vault_id}"),
            kind: format!("strongroom.audit.{}", action(event).as_deref().unwrap_or("unknown")),
            subject: place.clone(),
            time: time.map(|at| at.to_string()),
            datacontenttype: "application/json",
            data: Ocsf::of(event, (vault_id, id.clone(), place)),
            id,
        }
    }
}

impl<'a> Ocsf<'a> {
    fn of(event: &'a Event, (vault_id, uid, place): (&'a str, String, Option<String>)) -> Self {
        let text = |field: &'a Option<String>| field.as_deref();
        let (activity_id, activity_name) = activity(event);
        // Rows of old programs know success or failure, and some not even that.
        let (status_id, status) = match event.success {
            Some(true) => (1, "Success"),
            Some(false) => (2, "Failure"),
            None => (0, "Unknown"),
        };
        let (severity_id, severity) = if status_id == 2 { (2, "Low") } else { (1, "Informational") };
        let here = |field: &'a Option<String>| text(field).filter(|_| !event.is_foreign());
        let entity = match place {
            Some(_) => Entity { kind: "Secret", name: place, uid: here(&event.secret_uid) },
            None => Entity { kind: "Vault", name: None, uid: Some(vault_id) },
        };
        Ocsf {
            category_uid: CATEGORY,
            category_name: "Identity & Access Management",
            class_uid: CLASS,
            class_name: "Entity Management",
            activity_id,
            activity_name,
            type_uid: CLASS * 100 + activity_id,
            time: event.at.unwrap_or(Timestamp::from_millis(0)),
            severity_id,
            severity,
            status_id,
            status,
            status_code: text(&event.code),
            metadata: Metadata {
                version: VERSION,
                product: Product { name: "strongroom", vendor_name: "strongroom" },
                uid,
                log_name: "audit",
                event_code: action(event),
                correlation_uid: text(&event.operation_id),
                sequence: event.seq,
            },
            actor: text(&event.actor).map(|id| ActorOf { user: User { name: id, uid: id } }),
            entity,
            unmapped: Unmapped {
                stream: text(&event.stream),
                platform: text(&event.platform),
                outcome: text(&event.outcome),
                reason: text(&event.reason),
                rule: here(&event.rule),
                epoch: event.epoch,
                digest: text(&event.digest),
                prev_mac: text(&event.prev_mac),
                mac: text(&event.mac),
                imported: event
                    .is_foreign()
                    .then(|| Imported { secret_uid: text(&event.secret_uid), rule: text(&event.rule) }),
            },
        }
    }
}

/// What was done, told apart where it was in another vault: no rule for this one's reads and writes is about that.
fn action(event: &Event) -> Option<String> {
    let imported = if event.is_foreign() { "imported." } else { "" };
    event.action.as_deref().map(|action| format!("{imported}{action}"))
}

/// OCSF's number and name of what was done.
fn activity(event: &Event) -> (u32, &str) {
    let is_success = event.outcome.as_deref() == Some(Outcome::Success.name());
    let Some(name) = event.action.as_deref() else { return (0, "Unknown") };
    if event.is_foreign() {
        return (99, name);
    }
    match Action::from_name(name) {
        Some(Action::Init | Action::Adopted) => (1, "Create"),
        // What makes a secret stands in the vault's stream.
        Some(Action::Set) if is_success && event.stream.as_deref() == Some(VAULT_STREAM) => (1, "Create"),
        Some(Action::Delete | Action::Purge) => (4, "Delete"),
        Some(
            Action::Get
            | Action::GetMany
            | Action::Exists
            | Action::List
            | Action::Audit
            | Action::VerifyAudit
            | Action::Checkpoint
            | Action::ExportAudit
            | Action::Census
            | Action::Versions
            | Action::Verify
            | Action::VerifyPrevious
            | Action::Identify
            | Action::RotationStatus
            | Action::Due
            | Action::Overdue
            | Action::Resolve
            | Action::Check
            | Action::Grants
            | Action::Policy
            | Action::Export
            | Action::CopyTo,
        ) => (2, "Read"),
        Some(
            Action::Set
            | Action::Rotate
            | Action::Propose
            | Action::Confirm
            | Action::Cancel
            | Action::Rollback
            | Action::Disable
            | Action::Enable
            | Action::RevokePrevious
            | Action::Expire
            | Action::RotateDue
            | Action::RotateAll
            | Action::EmergencyRotate
            | Action::RotateBegin
            | Action::RotateCreate
            | Action::SetMany
            | Action::Provision
            | Action::Grant
            | Action::Revoke
            | Action::SetPolicy
            | Action::Rekey
            | Action::Retire
            | Action::RenewRoot
            | Action::Import
            | Action::ImportHistory,
        ) => (3, "Update"),
        Some(Action::Command) | None => (99, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event() -> Event {
        Event {
            stream: Some("vault".into()),
            seq: Some(7),
            at: Some(Timestamp::from_millis(1_765_108_800_007)),
            operation_id: Some("0f".repeat(16)),
            action: Some("set".into()),
            secret_uid: Some("ab".repeat(16)),
            namespace: Some("default".into()),
            name: Some("A".into()),
            actor: Some("alice".into()),
            outcome: Some("success".into()),
            success: Some(true),
            epoch: Some(1),
            mac: Some("cd".repeat(32)),
            ..Event::default()
        }
    }

    fn exported(event: &Event, format: ExportFormat) -> Value {
        serde_json::from_str(&format.line(event, &[0x11; 16], 3).unwrap()).unwrap()
    }

    #[test]
    fn jsonl_is_the_event_as_it_is_stored() {
        let line = exported(&event(), ExportFormat::Jsonl);
        assert_eq!(serde_json::from_value::<Event>(line.clone()).unwrap(), event());
        assert_eq!(line.as_object().unwrap().len(), 19);
        assert_eq!(line["platform"], Value::Null);
    }

    #[test]
    fn ocsf_tells_an_event_in_the_envelope_of_cloudevents() {
        let line = exported(&event(), ExportFormat::Ocsf);
        let data = line["data"].clone();
        assert_eq!(line["id"], "vault/7");
        assert_eq!(line["source"], format!("strongroom:vault:{}", "11".repeat(16)));
        assert_eq!((&line["type"], &line["subject"]), (&json!("strongroom.audit.set"), &json!("default/A")));
        assert_eq!(line["time"], "2025-12-07T12:00:00.007Z");
        assert_eq!((&data["activity_id"], &data["type_uid"]), (&json!(1), &json!(300_401)));
        assert_eq!(data["actor"], json!({ "user": { "name": "alice", "uid": "alice" } }));
        assert_eq!(data["entity"], json!({ "type": "Secret", "name": "default/A", "uid": "ab".repeat(16) }));
        assert_eq!((&data["status_id"], &data["severity_id"]), (&json!(1), &json!(1)));
    }

    #[test]
    fn what_takes_values_out_of_the_vault_reads_and_what_brings_them_in_updates() {
        let activity_of = |action: &str| {
            let event = Event { action: Some(action.into()), ..event() };
            exported(&event, ExportFormat::Ocsf)["data"]["activity_id"].clone()
        };
        for (action, expected) in [("export", 2), ("copy_to", 2), ("import", 3), ("rotate", 3), ("exported", 99)] {
            assert_eq!(activity_of(action), expected, "{action}");
        }
    }

    #[test]
    fn what_happened_in_another_vault_is_told_apart_and_names_nothing_of_this_one() {
        let foreign = Event {
            stream: Some(format!("imported:{}", "0f".repeat(16))),
            action: Some("get".into()),
            rule: Some("theirs".into()),
            ..event()
        };
        let line = exported(&foreign, ExportFormat::Ocsf);
        let data = line["data"].clone();
        assert_eq!((&line["type"], &data["activity_id"]), (&json!("strongroom.audit.imported.get"), &json!(99)));
        assert_eq!(data["metadata"]["event_code"], "imported.get");
        assert_eq!(data["entity"], json!({ "type": "Secret", "name": "default/A" }));
        let theirs = json!({ "secret_uid": "ab".repeat(16), "rule": "theirs" });
        assert_eq!((&data["unmapped"]["rule"], &data["unmapped"]["imported"]), (&Value::Null, &theirs));
        let own = exported(&event(), ExportFormat::Ocsf);
        assert_eq!(own["data"]["unmapped"].get("imported"), None);
    }

    #[test]
    fn refusals_are_failures_with_their_code() {
        let denied = Event {
            action: Some("get".into()),
            outcome: Some("denied".into()),
            success: Some(false),
            code: Some("PERMISSION_DENIED".into()),
            ..event()
        };
        let data = exported(&denied, ExportFormat::Ocsf)["data"].clone();
        assert_eq!((&data["activity_id"], &data["status_id"]), (&json!(2), &json!(2)));
        assert_eq!((&data["severity_id"], &data["status_code"]), (&json!(2), &json!("PERMISSION_DENIED")));
    }

    #[test]
    fn an_old_row_of_which_nothing_is_known_is_an_event_all_the_same() {
        let old = Event { action: Some("accessed".into()), ..Event::default() };
        let line = exported(&old, ExportFormat::Ocsf);
        assert_eq!((&line["id"], line.get("time")), (&json!("unchained/3"), None));
        let data = line["data"].clone();
        assert_eq!((&data["activity_id"], &data["activity_name"]), (&json!(99), &json!("accessed")));
        assert_eq!((&data["time"], &data["status_id"], data.get("actor")), (&json!(0), &json!(0), None));
        assert_eq!(exported(&Event::default(), ExportFormat::Ocsf)["data"]["activity_id"], 0);
    }

    #[test]
    fn what_looks_like_markup_or_a_new_line_stays_in_its_line() {
        let hostile = Event { name: Some("a\n\u{2028}\"}".into()), ..event() };
        for format in [ExportFormat::Jsonl, ExportFormat::Ocsf] {
            assert!(!format.line(&hostile, &[0; 16], 0).unwrap().contains('\n'));
        }
        assert_eq!(ExportFormat::from_name("csv").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
