//! What a vault has seen, in numbers. Counted here for all hosts, from what flows ask, are answered and end with.
//!
//! A call counts once, when its flow ends: what it tried again is no call of its own. Events count when the answer says that they are
//! committed. Only names of actions, codes and requests are labels, and the names of up to 1000 secrets beside when they were
//! rotated; no value ever is.

mod text;

use crate::audit::{AccessFinding, Action, Event, Outcome, SharedWatch};
use crate::error::{ErrorCode, Result};
use crate::flow::{Answer, ChangeSet, CommitAnswer, Request};
use crate::record::{Reason, RecordKind};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use spin::Mutex;

/// Of how many secrets it is kept when they were rotated. Beyond, those that are due last are left out.
const ROTATIONS_MAX: usize = 1000;

/// The longest name or namespace that becomes a label, in bytes. Those of today are shorter; stores that were adopted can hold
/// others.
const LABEL_MAX: usize = 256;

/// The counters of one vault, shared by its flows.
pub(crate) struct Meter {
    counts: Mutex<Counts>,
    watch: Option<SharedWatch>,
}

#[derive(Default)]
struct Counts {
    calls: BTreeMap<&'static str, u64>,
    events: BTreeMap<(&'static str, &'static str), u64>,
    errors: BTreeMap<&'static str, u64>,
    store_failures: BTreeMap<&'static str, u64>,
    findings: BTreeMap<&'static str, u64>,
    validation_errors: u64,
    emergencies: u64,
    conflicts: u64,
    rotations: BTreeMap<(String, String), Turned>,
    rotations_dropped: u64,
    /// How many were overdue when somebody looked at the whole vault last, and when that was.
    overdue: Option<(u64, Timestamp)>,
}

/// When a secret's value changed last, and when it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) at: Option<Timestamp>,
    pub(crate) due_at: Option<Timestamp>,
}

impl Turned {
    /// By what those are left out that are due last.
    fn due(&self) -> i64 {
        self.due_at.map_or(i64::MAX, Timestamp::as_millis)
    }
}

/// How secrets stand, as an operation found them.
pub(crate) struct Standings {
    pub(crate) secrets: Vec<((String, String), Turned)>,
    pub(crate) overdue: u64,
    pub(crate) coverage: Coverage,
    pub(crate) now: Timestamp,
}

/// Of what an operation told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// Of every secret of the vault.
    Whole,
    /// Of every secret of the vault that is due.
    AllDue,
    /// Of a namespace, or of what the actor may see.
    Part,
}

impl Meter {
    pub(crate) fn new(watch: Option<SharedWatch>) -> Self {
        Meter { counts: Mutex::default(), watch }
    }

    /// Counts a call that ended.
    pub(crate) fn ended(&self, code: Option<ErrorCode>) {
        let mut counts = self.counts.lock();
        add(&mut counts.calls, code.map_or(Outcome::Success, Outcome::of).name());
        if let Some(code) = code {
            add(&mut counts.errors, code.name());
            counts.validation_errors += u64::from(is_of_validation(code));
        }
    }

    /// The counters as text. Errors: `INVALID_ARGUMENT`.
    pub(crate) fn text(&self, prefix: &str) -> Result<String> {
        text::write(&self.counts.lock(), prefix)
    }

    fn committed(&self, open: &Commit) -> Vec<AccessFinding> {
        let findings: Vec<AccessFinding> =
            self.watch.iter().flat_map(|watch| open.events.iter().flat_map(|event| watch.observe(event))).collect();
        let mut counts = self.counts.lock();
        // What happened in another vault was counted there.
        for event in open.events.iter().filter(|event| !event.is_foreign()) {
            let action = event.action.as_deref().and_then(Action::from_name);
            let outcome = event.outcome.as_deref().and_then(Outcome::from_name);
            let (Some(action), Some(outcome)) = (action, outcome) else { continue };
            let count = counts.events.entry((action.name(), outcome.name())).or_default();
            *count = count.saturating_add(1);
            let is_emergency = event.reason.as_deref() == Some(Reason::Emergency.name());
            counts.emergencies += u64::from(is_emergency && outcome == Outcome::Success);
        }
        for (slot, turned) in &open.turned {
            match turned {
                Some(turned) => counts.turn(slot.clone(), *turned),
                None => {
                    counts.rotations.remove(slot);
                }
            }
        }
        for finding in &findings {
            add(&mut counts.findings, finding.rule.name());
        }
        findings
    }

    fn stand(&self, mut standings: Standings) {
        // Those that are due first are all that is kept: what comes after them is not put in to be taken out again.
        standings.secrets.sort_unstable_by_key(|(_, turned)| turned.due());
        let late = standings.secrets.split_off(standings.secrets.len().min(ROTATIONS_MAX));
        let mut counts = self.counts.lock();
        if standings.coverage == Coverage::Whole {
            counts.rotations.clear();
        }
        for (slot, _) in &late {
            counts.rotations.remove(slot);
            counts.rotations_dropped = counts.rotations_dropped.saturating_add(1);
        }
        for (slot, turned) in standings.secrets {
            counts.turn(slot, turned);
        }
        if standings.coverage != Coverage::Part {
            counts.overdue = Some((standings.overdue, standings.now));
        }
    }
}

impl Counts {
    fn turn(&mut self, slot: (String, String), turned: Turned) {
        if slot.0.len() > LABEL_MAX || slot.1.len() > LABEL_MAX {
            self.rotations_dropped = self.rotations_dropped.saturating_add(1);
            return;
        }
        self.rotations.insert(slot, turned);
        if self.rotations.len() <= ROTATIONS_MAX {
            return;
        }
        if let Some(last) = self.rotations.iter().max_by_key(|(_, turned)| turned.due()).map(|(slot, _)| slot.clone()) {
            self.rotations.remove(&last);
            self.rotations_dropped = self.rotations_dropped.saturating_add(1);
        }
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}

/// Whether what was given was refused for its form.
const fn is_of_validation(code: ErrorCode) -> bool {
    use ErrorCode as C;
    matches!(
        code,
        C::NameInvalid
            | C::ValueInvalid
            | C::InvalidArgument
            | C::LimitExceeded
            | C::ReferenceInvalid
            | C::ManifestInvalid
            | C::CommandInvalid
    )
}

/// What watches one flow for the meter.
pub(crate) struct Observer {
    meter: Arc<Meter>,
    open: Open,
    /// What a call was refused with that tells of it in words.
    refused: Option<ErrorCode>,
    findings: Vec<AccessFinding>,
}

/// The open request, as far as it counts.
enum Open {
    Nothing,
    Asked(&'static str),
    Commit(Commit),
}

/// What a commit will have been.
struct Commit {
    events: Vec<Event>,
    /// The secrets that it writes, and deletes.
    turned: Vec<((String, String), Option<Turned>)>,
}

impl Observer {
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        Observer { meter, open: Open::Nothing, refused: None, findings: Vec::new() }
    }

    pub(crate) fn asked(&mut self, request: &Request) {
        self.open = match request {
            Request::Commit { change_set } => Open::Commit(Commit::of(change_set)),
            Request::Load { .. } | Request::List { .. } | Request::Events { .. } => Open::Asked(request.name()),
            _ => Open::Nothing,
        };
    }

    pub(crate) fn answered(&mut self, answer: &Answer) {
        let request = match (core::mem::replace(&mut self.open, Open::Nothing), answer) {
            (Open::Commit(commit), Answer::Commit(CommitAnswer::Committed)) => {
                self.findings.extend(self.meter.committed(&commit));
                return;
            }
            (Open::Commit(_), Answer::Commit(CommitAnswer::Conflict)) => {
                self.meter.counts.lock().conflicts += 1;
                return;
            }
            (Open::Commit(_), Answer::Failed { .. }) => "commit",
            (Open::Asked(request), Answer::Failed { .. }) => request,
            _ => return,
        };
        add(&mut self.meter.counts.lock().store_failures, request);
    }

    pub(crate) fn ended(&self, code: Option<ErrorCode>) {
        self.meter.ended(code.or(self.refused));
    }

    pub(crate) fn refused(&mut self, code: ErrorCode) {
        self.refused = Some(code);
    }

    pub(crate) fn stand(&self, standings: Standings) {
        self.meter.stand(standings);
    }

    pub(crate) fn take_findings(&mut self) -> Vec<AccessFinding> {
        core::mem::take(&mut self.findings)
    }
}

impl Commit {
    fn of(change_set: &ChangeSet) -> Self {
        let mut turned = Vec::new();
        for delete in change_set.deletes.iter().filter(|delete| delete.key.kind == RecordKind::Secret) {
            turned.push(((delete.key.namespace.clone(), delete.key.name.clone()), None));
        }
        for put in change_set.puts.iter().filter(|put| put.record.key.kind == RecordKind::Secret) {
            let (key, at) = (&put.record.key, put.record.columns.last_rotated);
            turned.push(((key.namespace.clone(), key.name.clone()), Some(Turned { at, due_at: put.index.due_at })));
        }
        Commit { events: change_set.events.clone(), turned }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_due_later_than_a_thousand_others_is_not_kept_as_it_was() {
        let of = |name: &str, due: i64| {
            let turned = Turned { at: None, due_at: Some(Timestamp::from_millis(due)) };
            ((String::from("default"), String::from(name)), turned)
        };
        let meter = Meter::new(None);
        let stand = |secrets| {
            meter.stand(Standings { secrets, overdue: 0, coverage: Coverage::AllDue, now: Timestamp::from_millis(0) });
        };
        stand(alloc::vec![of("LATE", 1)]);
        let mut secrets = alloc::vec![of("LATE", 9000)];
        secrets.extend((0..1000).map(|due| of(&alloc::format!("N{due}"), 2000 - due)));
        stand(secrets);
        let counts = meter.counts.lock();
        assert_eq!((counts.rotations.len(), counts.rotations_dropped), (1000, 1));
        assert!(!counts.rotations.keys().any(|(_, name)| name == "LATE"));
    }
}
