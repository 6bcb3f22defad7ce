//! The checks. Each works in a namespace of its own, so that what one leaves behind does not matter to the next.

mod lookups;
mod pages;

pub(super) use lookups::lookups;
pub(super) use pages::{cursors, page_order, queries_are_exact};

use super::probe::{Probe, Stop, ensure, event, event_of, key, other, secret, slot_of};
use crate::audit::Event;
use crate::flow::{ChangeSet, CommitAnswer, EventScope, Expected};
use crate::record::{Columns, Counters, Record, RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

type Outcome = Result<(), Stop>;

const ABSENT: Expected = Expected::Absent;
const CONFLICT: CommitAnswer = CommitAnswer::Conflict;

const fn at(revision: u64) -> Expected {
    Expected::Revision(revision)
}

fn secret_key(namespace: &str, name: &str) -> RecordKey {
    key(RecordKind::Secret, namespace, name)
}

/// Puts secrets that are not there yet, in one commit.
async fn create(probe: &Probe, keys: &[&RecordKey]) -> Outcome {
    let change = keys.iter().fold(probe.change()?, |change, key| change.put(secret(key, 1), ABSENT));
    probe.must_commit(&change).await
}

pub(super) async fn load_gives_what_was_asked(probe: &Probe) -> Outcome {
    let [a, b, missing] = ["a", "b", "missing"].map(|name| secret_key("load", name));
    create(probe, &[&a, &b]).await?;
    ensure(probe.load(&[]).await?.is_empty(), "`load` of no keys gave records")?;
    ensure(probe.load(&[&missing]).await?.is_empty(), "`load` gave a record for a key that does not exist")?;
    let elsewhere = key(RecordKind::Stream, "load", "a");
    ensure(probe.load(&[&elsewhere]).await?.is_empty(), "`load` gave a record of another kind")?;
    // As many as a vault asks for at once: more than some databases take as parameters of one statement.
    let many: Vec<RecordKey> = (0..997).map(|index| secret_key("load", &format!("none-{index}"))).collect();
    let asked: Vec<&RecordKey> = many.iter().chain([&b, &missing, &a]).collect();
    let mut loaded: Vec<RecordKey> = probe.load(&asked).await?.into_iter().map(|record| record.key).collect();
    loaded.sort();
    ensure(loaded == [a, b], "`load` of 1000 keys did not give exactly the two that exist, each once")
}

pub(super) async fn values_are_kept_whole(probe: &Probe) -> Outcome {
    let odd = "quote\" apostrophe' backslash\\ percent% tab\t newline\n gr\u{fc}\u{df}e \u{1f511} \u{2028} NULL";
    let record = Record {
        columns: Columns {
            uid: Some(probe.fresh_id()?),
            value_encrypted: Some(format!("sr1.{}", "Aa0_-".repeat(60_000))),
            created_by: Some(odd.to_string()),
            // 2^53 - 1 and the last instant that has four digits of a year.
            version: Some(9_007_199_254_740_991),
            last_rotated: Some(Timestamp::from_millis(253_402_300_799_999)),
            created_at: Some(Timestamp::from_millis(0)),
            ..secret(&secret_key("whole", "all"), 1).columns
        },
        data: format!("{{\"text\": \"{}\" ,  \"n\":1e3}}", "0123456789".repeat(100_000)),
        ..secret(&secret_key("whole", "all"), 1)
    };
    let bare = Record {
        key: secret_key("whole", "bare"),
        columns: Columns { created_by: Some(String::new()), ..Columns::default() },
        mac: None,
        ..record.clone()
    };
    let others = [RecordKind::Pending, RecordKind::Stream, RecordKind::Head].map(|kind| {
        let plain = other(&key(kind, "whole", "all"), 1);
        Record { data: serde_json::json!([odd]).to_string(), ..plain }
    });
    let stream = probe.fresh_id()?;
    let full = Event {
        secret_uid: Some(probe.fresh_id()?),
        actor: Some(odd.to_string()),
        platform: Some(String::new()),
        outcome: Some("denied".to_string()),
        success: Some(false),
        code: Some("PERMISSION_DENIED".to_string()),
        reason: Some("manual".to_string()),
        digest: Some("d1".repeat(32)),
        rule: Some("r1".to_string()),
        prev_mac: Some("ab".repeat(32)),
        ..event_of(&record.key, &stream, 9_007_199_254_740_991)
    };
    let mut change = probe.change()?.put(record.clone(), ABSENT).put(bare.clone(), ABSENT);
    change.log(full);
    for record in &others {
        change = change.put(record.clone(), ABSENT);
    }
    probe.must_commit(&change).await?;
    for written in [&record, &bare].into_iter().chain(&others) {
        let Some(read) = probe.record(&written.key).await? else {
            return Err(Stop::Wrong("a record that was put can't be loaded".to_string()));
        };
        ensure_same(written, &read)?;
    }
    let events = probe.events(EventScope::Chained).await?;
    ensure(
        change.events.iter().all(|event| events.contains(event)),
        "an event did not come back field for field: keep every field to the letter, absent ones absent",
    )
}

/// Names the first field of a record that was not kept.
fn ensure_same(written: &Record, read: &Record) -> Outcome {
    let (before, after) = (&written.columns, &read.columns);
    let pairs = [
        ("revision", written.revision == read.revision),
        ("uid", before.uid == after.uid),
        ("state", before.state == after.state),
        ("version", before.version == after.version),
        ("value_encrypted", before.value_encrypted == after.value_encrypted),
        ("encryption_key_id", before.encryption_key_id == after.encryption_key_id),
        ("value_fingerprint", before.value_fingerprint == after.value_fingerprint),
        ("last_rotated", before.last_rotated == after.last_rotated),
        ("created_by", before.created_by == after.created_by),
        ("created_at", before.created_at == after.created_at),
        ("updated_at", before.updated_at == after.updated_at),
        ("data", written.data == read.data),
        ("mac", written.mac == read.mac),
    ];
    let lost = pairs.iter().find(|(_, same)| !same);
    let kind = written.key.kind.name();
    let says =
        |field: &str| format!("`{field}` of a {kind} came back otherwise than it was put: cut, rounded, or rewritten");
    lost.map_or(Ok(()), |(field, _)| Err(Stop::Wrong(says(field))))
}

pub(super) async fn names_are_exact(probe: &Probe) -> Outcome {
    // Letters of either case, with and without accents composed, blanks, wildcards of SQL, what looks like two names.
    let names = ["Key", "key", "KEY", "cl\u{e9}", "cle\u{301}", "key ", " key", "k_y", "k%y", "k*y", "k'y", "a/b"];
    let mut keys: Vec<RecordKey> = names.iter().map(|name| secret_key("exact", name)).collect();
    keys.extend([secret_key("Exact", "key"), secret_key("exact/a", "b"), secret_key("exact ", "key")]);
    for (index, name) in keys.iter().enumerate() {
        let before = probe.record(name).await?;
        ensure(before.is_none(), format!("`load` of {:?} gave the record of another name", name.name))?;
        let mut change = probe.change()?;
        change.log(event_of(name, &probe.fresh_id()?, 1));
        let record = Record { data: format!("{{\"index\":{index}}}"), ..secret(name, 1) };
        let answer = probe.commit(&change.put(record, ABSENT)).await?;
        ensure(answer != CONFLICT, format!("the name {:?} was taken for another one that is there", name.name))?;
    }
    for (index, name) in keys.iter().enumerate() {
        let data = probe.record(name).await?.map(|record| record.data);
        let own = data == Some(format!("{{\"index\":{index}}}"));
        ensure(own, format!("{:?} in {:?} does not give what was put under it", name.name, name.namespace))?;
        let events = probe.events(slot_of(name)).await?;
        let alone = matches!(&events[..], [event] if event.name.as_ref() == Some(&name.name));
        ensure(alone, format!("the events of {:?} are not its own alone", name.name))?;
    }
    Ok(())
}

pub(super) async fn reads_are_fresh(probe: &Probe) -> Outcome {
    let name = secret_key("fresh", "a");
    let listed = async || Ok(probe.list(RecordKind::Secret, Some("fresh")).await?.first().map(|item| item.revision));
    let stale = |what: &str| format!("{what} showed an earlier state than the commit before it made");
    for revision in 1..=3 {
        let expected = if revision == 1 { ABSENT } else { at(revision - 1) };
        let mut change = probe.change()?.put(secret(&name, revision), expected);
        change.log(event_of(&name, &probe.fresh_id()?, 1));
        ensure(probe.commit(&change).await? != CONFLICT, stale("the check of a revision"))?;
        ensure(probe.record(&name).await? == Some(secret(&name, revision)), stale("`load`"))?;
        ensure(listed().await? == Some(revision), stale("`list`"))?;
        let events = probe.events(slot_of(&name)).await?;
        ensure(Some(events.len()) == usize::try_from(revision).ok(), stale("`events`"))?;
    }
    probe.must_commit(&probe.change()?.delete(&name, at(3))).await?;
    ensure(probe.record(&name).await?.is_none(), stale("`load` of a deleted record"))?;
    ensure(listed().await?.is_none(), stale("`list` after a deletion"))
}

pub(super) async fn compare_and_swap(probe: &Probe) -> Outcome {
    let [name, missing] = ["a", "missing"].map(|name| secret_key("swap", name));
    create(probe, &[&name]).await?;
    probe.must_commit(&probe.change()?.put(secret(&name, 2), at(1))).await?;
    let wrong = [
        ("a put that expects no record, where one is", probe.change()?.put(secret(&name, 1), ABSENT)),
        ("a put that expects an earlier revision", probe.change()?.put(secret(&name, 2), at(1))),
        ("a put that expects a later revision", probe.change()?.put(secret(&name, 4), at(3))),
        ("a put that expects a revision, where no record is", probe.change()?.put(secret(&missing, 2), at(1))),
        ("a deletion that expects an earlier revision", probe.change()?.delete(&name, at(1))),
        ("a deletion that expects a revision, where no record is", probe.change()?.delete(&missing, at(1))),
        ("a check for an earlier revision", probe.change()?.check(&name, at(1))),
        ("a check for a revision, where no record is", probe.change()?.check(&missing, at(1))),
        ("a check for no record, where one is", probe.change()?.check(&name, ABSENT)),
        ("a put beside a check for another revision", probe.change()?.put(secret(&name, 3), at(2)).check(&name, at(1))),
    ];
    for (what, change) in &wrong {
        let answer = probe.commit(change).await?;
        ensure(answer == CONFLICT, format!("`commit` applied {what}, instead of answering `conflict`"))?;
        let untouched = probe.revision(&name).await? == Some(2) && probe.revision(&missing).await?.is_none();
        ensure(untouched, format!("`commit` answered `conflict` to {what}, and wrote all the same"))?;
    }
    let right = probe.change()?.check(&name, at(2)).check(&missing, ABSENT);
    probe.must_commit(&right).await
}

pub(super) async fn compare_and_swap_of_each_record(probe: &Probe) -> Outcome {
    // Of one name, and of different revisions: who looks at the wrong record finds the wrong number.
    let first = secret_key("each", "a");
    let others = [
        secret_key("each", "b"),
        secret_key("each-too", "a"),
        key(RecordKind::Stream, "each", "a"),
        key(RecordKind::Pending, "each", "a"),
    ];
    let row = |name: &RecordKey, revision| match name.kind {
        RecordKind::Secret => secret(name, revision),
        _ => other(name, revision),
    };
    create(probe, &[&first]).await?;
    probe.must_commit(&probe.change()?.put(secret(&first, 2), at(1))).await?;
    for name in &others {
        probe.must_commit(&probe.change()?.put(row(name, 1), ABSENT)).await?;
        let wrong = [
            probe.change()?.put(secret(&first, 3), at(2)).put(row(name, 3), at(2)),
            probe.change()?.put(row(name, 2), at(1)).put(secret(&first, 2), at(1)),
            probe.change()?.put(secret(&first, 3), at(2)).check(name, at(2)),
            probe.change()?.check(&first, at(2)).delete(name, at(2)),
        ];
        for change in &wrong {
            let answer = probe.commit(change).await?;
            let where_it_is = format!("{} {:?} in {:?}", name.kind.name(), name.name, name.namespace);
            let says = "`commit` compared the revision of another record, or of one record only, beside";
            ensure(answer == CONFLICT, format!("{says} {where_it_is}"))?;
        }
        let right = probe.change()?.check(&first, at(2)).put(row(name, 2), at(1));
        probe.must_commit(&right).await?;
    }
    Ok(())
}

pub(super) async fn all_or_nothing(probe: &Probe) -> Outcome {
    let [fresh, kept, counted, stale] = ["fresh", "kept", "counted", "stale"].map(|name| secret_key("whole-or", name));
    create(probe, &[&kept, &counted, &stale]).await?;
    let taken = probe.fresh_id()?;
    let mut first = probe.change()?;
    first.log(event(&taken, 1));
    probe.must_commit(&first).await?;
    let changes = || {
        let change = probe.change()?.put(secret(&fresh, 1), ABSENT).delete(&kept, at(1)).count(&counted, 5, 1);
        Ok(change)
    };
    let mut place_taken = changes()?;
    place_taken.log(event(&taken, 1));
    let sets = [
        ("a later put", changes()?.put(secret(&stale, 3), at(2))),
        ("a later deletion", changes()?.delete(&stale, at(2))),
        ("a check", changes()?.check(&stale, at(2))),
        ("the place of an event", place_taken),
    ];
    for (what, change) in &sets {
        let answer = probe.commit(change).await?;
        ensure(answer == CONFLICT, format!("`commit` applied a change set though {what} was not as expected"))?;
        let says = |part: &str| format!("`commit` found {what} not as expected, and applied {part} all the same");
        ensure(probe.revision(&fresh).await?.is_none(), says("a put"))?;
        ensure(probe.revision(&kept).await? == Some(1), says("a deletion"))?;
        let counters = probe.record(&counted).await?.map(|record| record.counters);
        ensure(counters == Some(Counters::default()), says("a counter"))?;
        let events = probe.events(EventScope::Latest).await?;
        let logged = events.iter().any(|event| event.operation_id.as_ref() == Some(&change.operation_id));
        ensure(!logged, says("an event"))?;
    }
    Ok(())
}

pub(super) async fn idempotent_by_operation_id(probe: &Probe) -> Outcome {
    let name = secret_key("again", "a");
    create(probe, &[&name]).await?;
    let change = probe.change()?.put(secret(&name, 2), at(1)).count(&name, 1, 1_700_000_000_000);
    probe.must_commit(&change).await?;
    let again = async |state: &str, revision: Option<u64>| {
        let answer = probe.commit(&change).await?;
        let says = format!("a change set that was applied before is answered `conflict`, {state}, not `committed`");
        ensure(answer != CONFLICT, says)?;
        let (record, events) = (probe.record(&name).await?, probe.events(EventScope::Latest).await?);
        let of_it = |event: &&Event| event.operation_id.as_ref() == Some(&change.operation_id);
        let counted = record.as_ref().map_or(1, |record| record.counters.accessed_count);
        let once = record.map(|record| record.revision) == revision && counted == 1;
        let says = format!("a change set with an operation id that was applied before was applied again, {state}");
        ensure(once && events.iter().filter(of_it).count() == 1, says)
    };
    again("at once", Some(2)).await?;
    probe.must_commit(&probe.change()?.put(secret(&name, 3), at(2))).await?;
    again("after a later change", Some(3)).await?;
    probe.must_commit(&probe.change()?.delete(&name, at(3))).await?;
    again("after the record was deleted", None).await?;

    // An operation that met a conflict reads anew, and asks again under the same operation id.
    let refused = probe.change()?.put(secret(&name, 2), at(1));
    let says = "a change set that was answered `conflict` is not applied: asked again, it is to be judged again";
    for _ in 1..=2 {
        ensure(probe.commit(&refused).await? == CONFLICT, says)?;
    }
    let anew = ChangeSet { puts: Vec::new(), ..refused }.put(secret(&name, 1), ABSENT);
    probe.must_commit(&anew).await?;
    ensure(probe.revision(&name).await? == Some(1), says)
}

pub(super) async fn counters_stand_beside_records(probe: &Probe) -> Outcome {
    let name = secret_key("counters", "a");
    create(probe, &[&name]).await?;
    let counters = async || Ok(probe.record(&name).await?.map(|record| record.counters));
    let expected =
        |accessed_count, millis| Some(Counters { accessed_count, last_accessed: Some(Timestamp::from_millis(millis)) });
    probe.must_commit(&probe.change()?.count(&name, 2, 1_700_000_000_500)).await?;
    ensure(counters().await? == expected(2, 1_700_000_000_500), "a counter was not added to, or its time not set")?;
    ensure(probe.revision(&name).await? == Some(1), "a counter changed the revision of its record")?;
    probe.must_commit(&probe.change()?.count(&name, 3, 1_700_000_000_400)).await?;
    let says = "counters do not add up, or the time of the last access went backwards";
    ensure(counters().await? == expected(5, 1_700_000_000_500), says)?;
    probe.must_commit(&probe.change()?.put(secret(&name, 2), at(1))).await?;
    ensure(counters().await? == expected(5, 1_700_000_000_500), "a put set the counters of an existing record back")?;
    probe.must_commit(&probe.change()?.delete(&name, at(2))).await?;
    create(probe, &[&name]).await?;
    let says = "a record that was deleted and made anew has the counters of the one before";
    ensure(counters().await? == Some(Counters::default()), says)?;
    let brought = secret_key("counters", "brought");
    let counters = Counters { accessed_count: 7, last_accessed: Some(Timestamp::from_millis(1_700_000_000_600)) };
    let record = Record { counters, ..secret(&brought, 1) };
    probe.must_commit(&probe.change()?.put(record, ABSENT)).await?;
    let kept = probe.record(&brought).await?.map(|record| record.counters);
    ensure(kept == Some(counters), "a put of a new record did not keep the counters that it brought")
}

pub(super) async fn events_are_kept(probe: &Probe) -> Outcome {
    let name = secret_key("events", "a");
    let stream = probe.fresh_id()?;
    let mut changes = [
        probe.change()?.put(secret(&name, 1), ABSENT),
        probe.change()?.put(secret(&name, 2), at(1)),
        probe.change()?.count(&name, 1, 1_700_000_000_000),
        probe.change()?.check(&name, at(2)),
        probe.change()?.delete(&name, at(2)),
        probe.change()?,
    ];
    for (seq, change) in (1..).zip(&mut changes) {
        change.log(event_of(&name, &stream, seq));
        probe.must_commit(change).await?;
    }
    let kinds = ["a first put", "a put", "a counter", "a check", "a deletion", "nothing else"];
    let (chained, latest) = (probe.events(EventScope::Chained).await?, probe.events(EventScope::Latest).await?);
    let of_slot = probe.events(slot_of(&name)).await?;
    for (change, with) in changes.iter().zip(kinds) {
        let says = |scope: &str| format!("an event that was committed with {with} is missing in the scope `{scope}`");
        ensure(change.events.iter().all(|event| chained.contains(event)), says("chained"))?;
        ensure(change.events.iter().all(|event| latest.contains(event)), says("latest"))?;
        let own = change.events.last();
        ensure(own.is_some_and(|event| of_slot.contains(event)), says("slot"))?;
    }
    let unchained = probe.events(EventScope::Unchained).await?;
    ensure(unchained.is_empty(), "the scope `unchained` gave events that have a stream")
}

pub(super) async fn places_of_events_are_unique(probe: &Probe) -> Outcome {
    let (stream, elsewhere) = (probe.fresh_id()?, probe.fresh_id()?);
    for (stream, seq, expected) in
        [(&stream, 1, "new"), (&stream, 1, "taken"), (&stream, 2, "new"), (&elsewhere, 1, "new"), (&stream, 2, "taken")]
    {
        let mut change = probe.change()?;
        change.log(event(stream, seq));
        let taken = probe.commit(&change).await? == CONFLICT;
        let says = if taken {
            "a place of a stream that is free was answered `conflict`"
        } else {
            "two events were written at one place of one stream: (stream, seq) is unique, a second one is a conflict"
        };
        ensure(taken == (expected == "taken"), says)?;
    }
    Ok(())
}
