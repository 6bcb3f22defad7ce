//! The checks of what is found by something else than its key: when it is due, when it ends, and its fingerprints.

use super::{ABSENT, CONFLICT, Outcome, at, secret_key};
use crate::conformance::probe::{Probe, Stop, ensure, key, other, secret};
use crate::flow::{Lookup, Put};
use crate::record::{Index, RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The last instant that has four digits of a year.
const LAST: i64 = 253_402_300_799_999;

fn due(until: i64) -> Lookup {
    Lookup::Due(Timestamp::from_millis(until))
}

fn expired(until: i64) -> Lookup {
    Lookup::Expired(Timestamp::from_millis(until))
}

fn print(digit: &str) -> String {
    digit.repeat(64)
}

fn by_print(digit: &str) -> Lookup {
    Lookup::Fingerprint(print(digit))
}

fn index(due_at: Option<i64>, expires_at: Option<i64>, fingerprints: &[&str]) -> Index {
    let instant = |at: Option<i64>| at.map(Timestamp::from_millis);
    let fingerprints = fingerprints.iter().map(|digit| print(digit)).collect();
    Index { due_at: instant(due_at), expires_at: instant(expires_at), fingerprints }
}

const fn named(by: &Lookup) -> &'static str {
    match by {
        Lookup::Due(_) => "due",
        Lookup::Expired(_) => "expired",
        Lookup::Fingerprint(_) => "fingerprint",
    }
}

/// A query: of what kind, in which namespace or in all, and by what.
type Query<'a> = (RecordKind, Option<&'a str>, Lookup);

/// The keys that a lookup finds, on pages of a length, with something done after the first one.
async fn found(
    probe: &Probe,
    (kind, namespace, by): &Query<'_>,
    limit: u32,
    between: impl AsyncFnOnce() -> Outcome,
) -> Result<Vec<RecordKey>, Stop> {
    let (mut keys, mut between) = (Vec::new(), Some(between));
    let mut cursor = None;
    // More pages than there are rows.
    for _ in 1..=100 {
        let (items, next) = probe.lookup_page((*kind, *namespace), Some(by.clone()), limit, cursor).await?;
        let what = named(by);
        ensure(items.len() <= limit as usize, format!("`list` by `{what}` gave more than the limit of its query"))?;
        ensure(!items.is_empty() || next.is_none(), format!("`list` by `{what}` gave an empty page and a cursor"))?;
        keys.extend(items.into_iter().map(|item| item.key));
        if next.is_none() {
            return Ok(keys);
        }
        if let Some(between) = between.take() {
            between().await?;
        }
        cursor = next;
    }
    Err(Stop::Wrong("the pages of `list` by an instant or a fingerprint come to no end".into()))
}

/// Whether a lookup finds exactly these, in this order, on one page.
async fn ensure_finds(probe: &Probe, query: Query<'_>, expected: &[&RecordKey]) -> Outcome {
    let keys = found(probe, &query, 1000, async || Ok(())).await?;
    let what = named(&query.2);
    let more = keys.iter().any(|key| !expected.contains(&key));
    ensure(!more, format!("`list` by `{what}` gave records that were not asked for"))?;
    let missing = expected.iter().any(|key| !keys.contains(key));
    ensure(!missing, format!("`list` by `{what}` did not give every record that it is to find"))?;
    let says = "is not ordered by the instant and then namespace and name, each record once";
    ensure(keys.iter().collect::<Vec<_>>() == expected, format!("`list` by `{what}` {says}"))
}

pub(in crate::conformance) async fn lookups(probe: &Probe) -> Outcome {
    finds_what_puts_tell(probe).await?;
    follows_puts_and_deletes(probe).await
}

async fn finds_what_puts_tell(probe: &Probe) -> Outcome {
    let [z, m, a, b, c, plain] = ["z", "m", "a", "b", "c", "plain"].map(|name| secret_key("by", name));
    let [too, last] = ["a", "c"].map(|name| secret_key("by-2", name));
    let mut change = probe.change()?;
    for (name, index) in [
        // Due since the beginning of time, which is no absence; and in an order that is neither that of the keys nor that
        // of the instants as texts.
        (&z, index(Some(0), None, &["a"])),
        (&m, index(Some(900), Some(5000), &["a", "b"])),
        (&a, index(Some(1000), Some(900), &[])),
        (&b, index(Some(1000), Some(900), &["b"])),
        (&too, index(Some(1000), Some(900), &["a"])),
        (&c, index(Some(1001), None, &[])),
        (&last, index(Some(LAST), None, &[])),
        (&plain, Index::default()),
    ] {
        change.puts.push(Put { record: secret(name, 1), expected: ABSENT, index });
    }
    let [early, late, never] =
        [("", "by-1"), ("", "by-0"), ("by", "a")].map(|(namespace, name)| key(RecordKind::Pending, namespace, name));
    for (name, index) in
        [(&early, index(None, Some(900), &[])), (&late, index(None, Some(1000), &[])), (&never, Index::default())]
    {
        change.puts.push(Put { record: other(name, 1), expected: ABSENT, index });
    }
    probe.must_commit(&change).await?;

    let all = |by| (RecordKind::Secret, None, by);
    ensure_finds(probe, all(due(-1)), &[]).await?;
    ensure_finds(probe, all(due(0)), &[&z]).await?;
    ensure_finds(probe, all(due(999)), &[&z, &m]).await?;
    ensure_finds(probe, all(due(1000)), &[&z, &m, &a, &b, &too]).await?;
    ensure_finds(probe, all(due(LAST)), &[&z, &m, &a, &b, &too, &c, &last]).await?;
    ensure_finds(probe, all(expired(899)), &[]).await?;
    ensure_finds(probe, all(expired(900)), &[&a, &b, &too]).await?;
    ensure_finds(probe, all(expired(LAST)), &[&a, &b, &too, &m]).await?;
    ensure_finds(probe, all(by_print("a")), &[&m, &z, &too]).await?;
    ensure_finds(probe, all(by_print("b")), &[&b, &m]).await?;
    ensure_finds(probe, all(by_print("c")), &[]).await?;
    let pending = |namespace, by| (RecordKind::Pending, namespace, by);
    ensure_finds(probe, pending(None, expired(900)), &[&early]).await?;
    ensure_finds(probe, pending(Some(""), expired(LAST)), &[&early, &late]).await?;
    ensure_finds(probe, pending(Some("by"), expired(LAST)), &[]).await?;
    ensure_finds(probe, (RecordKind::Stream, None, expired(LAST)), &[]).await?;
    let within = |namespace, by| (RecordKind::Secret, Some(namespace), by);
    ensure_finds(probe, within("by", due(1000)), &[&z, &m, &a, &b]).await?;
    ensure_finds(probe, within("by-2", due(LAST)), &[&too, &last]).await?;
    ensure_finds(probe, within("by-2", expired(LAST)), &[&too]).await?;
    ensure_finds(probe, within("by-2", by_print("a")), &[&too]).await?;
    ensure_finds(probe, within("", due(LAST)), &[]).await?;

    let loaded = probe.record(&m).await?;
    ensure(loaded == Some(secret(&m, 1)), "a record that was put with an index did not come back as it was")?;

    // In pages, which end within those of one instant; and where the record is gone that the first one ended with.
    let quiet = async || Ok(());
    let says =
        |by: &str| format!("the pages of `list` by `{by}` do not give every record once: a cursor was lost, or ties");
    let keys = found(probe, &all(expired(LAST)), 2, quiet).await?;
    ensure(keys == [a.clone(), b.clone(), too.clone(), m.clone()], says("expired"))?;
    let keys = found(probe, &pending(None, expired(LAST)), 1, quiet).await?;
    ensure(keys == [early.clone(), late.clone()], says("expired"))?;
    let keys = found(probe, &all(by_print("a")), 1, quiet).await?;
    ensure(keys == [m.clone(), z.clone(), too.clone()], says("fingerprint"))?;
    let keys = found(probe, &all(due(LAST)), 2, quiet).await?;
    ensure(keys == [&z, &m, &a, &b, &too, &c, &last].map(Clone::clone), says("due"))?;
    let between = async || {
        let mut change = probe.change()?.delete(&b, at(1));
        let index = index(Some(1), None, &[]);
        change.puts.push(Put { record: secret(&secret_key("by", "y"), 1), expected: ABSENT, index });
        probe.must_commit(&change).await
    };
    let keys = found(probe, &all(due(LAST)), 4, between).await?;
    let says = "a record written or deleted between two pages of `list` by `due` shifted the next page";
    ensure(keys == [&z, &m, &a, &b, &too, &c, &last].map(Clone::clone), says)
}

async fn follows_puts_and_deletes(probe: &Probe) -> Outcome {
    let name = secret_key("by-put", "a");
    let put = async |revision: u64, expected, index| {
        let mut change = probe.change()?;
        change.puts.push(Put { record: secret(&name, revision), expected, index });
        probe.commit(&change).await
    };
    let is_found = async |by| {
        let keys = found(probe, &(RecordKind::Secret, Some("by-put"), by), 10, async || Ok(())).await?;
        Ok(!keys.is_empty())
    };
    let gone = async |lookups: [Lookup; 3], says: &str| {
        for by in lookups {
            let what = named(&by);
            ensure(!is_found(by).await?, format!("`list` by `{what}` found {says}"))?;
        }
        Ok(())
    };
    let any = || [due(LAST), expired(LAST), by_print("e")];
    let first = || index(Some(10), Some(20), &["d", "e"]);
    let second = || index(Some(1000), Some(2000), &["e", "f"]);
    put(1, ABSENT, first()).await?;
    // What met a conflict says nothing.
    let refused = put(3, at(2), second()).await? == CONFLICT;
    let untouched = is_found(due(10)).await? && !is_found(by_print("f")).await?;
    ensure(refused && untouched, "a put that met a conflict changed what its record is found by")?;
    put(2, at(1), second()).await?;
    gone([due(10), expired(20), by_print("d")], "a record by the index of an earlier put").await?;
    for by in [due(1000), expired(2000), by_print("e"), by_print("f")] {
        let what = named(&by);
        let says = format!("`list` by `{what}` did not find a record by the index of its last put");
        ensure(is_found(by).await?, says)?;
    }
    put(3, at(2), Index::default()).await?;
    gone(any(), "a record whose last put came without an index").await?;
    put(4, at(3), index(Some(10), Some(20), &["e"])).await?;
    probe.must_commit(&probe.change()?.delete(&name, at(4))).await?;
    gone(any(), "a record that was deleted").await?;
    put(1, ABSENT, Index::default()).await?;
    gone(any(), "a record that was deleted and made anew by the index of the one before").await?;

    let pending = key(RecordKind::Pending, "by-put", "a");
    let put = async |revision: u64, expected, index| {
        let mut change = probe.change()?;
        change.puts.push(Put { record: other(&pending, revision), expected, index });
        probe.must_commit(&change).await
    };
    put(1, ABSENT, index(None, Some(10), &[])).await?;
    put(2, at(1), index(None, Some(2000), &[])).await?;
    ensure_finds(probe, (RecordKind::Pending, Some("by-put"), expired(1999)), &[]).await?;
    ensure_finds(probe, (RecordKind::Pending, Some("by-put"), expired(2000)), &[&pending]).await?;
    put(3, at(2), Index::default()).await?;
    ensure_finds(probe, (RecordKind::Pending, Some("by-put"), expired(LAST)), &[]).await
}
