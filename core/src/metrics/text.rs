//! The text format of Prometheus, version 0.0.4.

use super::{Counts, Turned};
use crate::audit::{AccessRule, Outcome};
use crate::error::{Error, ErrorCode, Result};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

/// The longest prefix, in bytes.
const PREFIX_MAX: usize = 64;

/// Writes all metrics. Those that have a sample for each of a few names have all of them from the start, so that the first of
/// a kind is an increase.
pub(super) fn write(counts: &Counts, prefix: &str) -> Result<String> {
    check_prefix(prefix)?;
    let mut page = Page { text: String::new(), prefix };
    let outcomes = [Outcome::Success, Outcome::Denied, Outcome::Error].map(Outcome::name);

    let help = "Calls of the vault's operations, by how they ended.";
    page.counters(("secret_access_total", help), "result", &outcomes, &counts.calls);

    page.head("secret_rotation_timestamp_seconds", "gauge", "Since when a secret has its value.");
    page.instants("secret_rotation_timestamp_seconds", &counts.rotations, |turned| turned.at);
    page.head("secret_rotation_due_timestamp_seconds", "gauge", "When a secret is due for rotation; 0 for ever since.");
    page.instants("secret_rotation_due_timestamp_seconds", &counts.rotations, |turned| turned.due_at);
    let help = "Times that a secret was left out of the two above, which take 1000.";
    page.counter("secret_rotation_dropped_total", help, counts.rotations_dropped);

    let help = "Calls that were refused because of the form of what was given.";
    page.counter("secret_validation_errors_total", help, counts.validation_errors);
    let help = "Secrets that were rotated, marked or disabled in an emergency.";
    page.counter("emergency_rotation_total", help, counts.emergencies);

    page.head("events_total", "counter", "Events that were committed to the history, by action and result.");
    for ((action, result), count) in &counts.events {
        page.sample("events_total", &[("action", action), ("result", result)], count);
    }
    let help = "Calls that failed or were denied, by code.";
    page.counters(("errors_total", help), "code", &[], &counts.errors);
    page.counter("commit_conflicts_total", "Commits that another writer came before.", counts.conflicts);
    let help = "Requests that the store failed to answer, by request.";
    page.counters(
        ("store_failures_total", help),
        "request",
        &["load", "list", "commit", "events"],
        &counts.store_failures,
    );
    let help = "Unusual access that was found, by rule.";
    page.counters(("access_findings_total", help), "rule", &AccessRule::ALL.map(|rule| rule.name()), &counts.findings);

    page.head("secrets_overdue", "gauge", "Secrets that were overdue when the whole vault was looked at last.");
    page.head(
        "rotation_checked_timestamp_seconds",
        "gauge",
        "When the whole vault was looked at last for what is due.",
    );
    if let Some((overdue, at)) = counts.overdue {
        page.sample("secrets_overdue", &[], overdue);
        page.sample("rotation_checked_timestamp_seconds", &[], Seconds(at));
    }
    Ok(page.text)
}

/// A letter, `_` or `:`, then digits too. Errors: `INVALID_ARGUMENT`.
fn check_prefix(prefix: &str) -> Result<()> {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let is_name = prefix.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit());
    if is_name && prefix.bytes().next().is_some_and(is_letter) && prefix.len() <= PREFIX_MAX {
        return Ok(());
    }
    let message = "the prefix of metrics has 1 to 64 of A-Z a-z 0-9 _ : and no digit in front, such as strongroom";
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

struct Page<'a> {
    text: String,
    prefix: &'a str,
}

impl Page<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = self.prefix;
        let _ = writeln!(self.text, "# HELP {prefix}_{name} {help}\n# TYPE {prefix}_{name} {kind}");
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.head(name, "counter", help);
        self.sample(name, &[], count);
    }

    /// A sample for each of the names, and for those that were counted besides.
    fn counters(
        &mut self,
        (name, help): (&str, &str),
        label: &str,
        always: &[&'static str],
        counts: &BTreeMap<&'static str, u64>,
    ) {
        self.head(name, "counter", help);
        for each in always {
            self.sample(name, &[(label, each)], counts.get(each).copied().unwrap_or_default());
        }
        for (each, count) in counts.iter().filter(|(each, _)| !always.contains(each)) {
            self.sample(name, &[(label, each)], count);
        }
    }

    fn instants(
        &mut self,
        name: &str,
        rotations: &BTreeMap<(String, String), Turned>,
        instant: fn(&Turned) -> Option<Timestamp>,
    ) {
        for ((namespace, secret), turned) in rotations {
            if let Some(at) = instant(turned) {
                self.sample(name, &[("namespace", namespace), ("name", secret)], Seconds(at));
            }
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl core::fmt::Display) {
        let _ = write!(self.text, "{}_{name}", self.prefix);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.text.push_str(if place == 0 { "{" } else { "," });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    character => self.text.push(character),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// Seconds since the epoch, in integers to the end.
struct Seconds(Timestamp);

impl core::fmt::Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let millis = self.0.as_millis();
        let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
        write!(f, "{sign}{}.{:03}", millis / 1000, millis % 1000)
    }
}
