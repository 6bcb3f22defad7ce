//! The checks of what is read in pages: which rows, in which order, and where the next page begins.

use super::{ABSENT, Outcome, at, create, secret_key};
use crate::audit::Event;
use crate::conformance::probe::{Probe, Stop, ensure, event_of, key, other, slot_of};
use crate::flow::{EventScope, Item};
use crate::record::{RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(in crate::conformance) async fn queries_are_exact(probe: &Probe) -> Outcome {
    let names = ["q_a", "q-a", "qxa", "Q_A", "q_a/b"].map(|namespace| secret_key(namespace, "a"));
    create(probe, &names.iter().collect::<Vec<_>>()).await?;
    let stream = key(RecordKind::Stream, "q_a", "a");
    probe.must_commit(&probe.change()?.put(other(&stream, 1), ABSENT)).await?;
    for name in &names {
        let items = probe.list(RecordKind::Secret, Some(&name.namespace)).await?;
        let says = format!("`list` of the namespace {:?} did not give exactly its own records", name.namespace);
        ensure(items == [Item { key: name.clone(), revision: 1 }], says)?;
    }
    let nowhere = probe.list(RecordKind::Secret, Some("q%")).await?;
    ensure(nowhere.is_empty(), "`list` of a namespace that does not exist gave records")?;
    let streams = probe.list(RecordKind::Stream, Some("q_a")).await?;
    ensure(streams == [Item { key: stream, revision: 1 }], "`list` of one kind gave records of another")?;

    let [unnamed, named] = ["", "q_a"].map(|namespace| key(RecordKind::Pending, namespace, "a"));
    let mut change = probe.change()?.put(other(&unnamed, 1), ABSENT).put(other(&named, 1), ABSENT);
    change.log(event_of(&unnamed, &probe.fresh_id()?, 1));
    change.log(event_of(&named, &probe.fresh_id()?, 1));
    probe.must_commit(&change).await?;
    let says = "was taken for any namespace: it is one, and only `null` stands for all";
    let items = probe.list(RecordKind::Pending, Some("")).await?;
    ensure(items == [Item { key: unnamed.clone(), revision: 1 }], format!("the empty namespace of a `list` {says}"))?;
    let events = probe.events(slot_of(&unnamed)).await?;
    let alone = matches!(&events[..], [event] if event.namespace.as_deref() == Some(""));
    ensure(alone, format!("the empty namespace of a `slot` {says}"))
}

pub(in crate::conformance) async fn page_order(probe: &Probe) -> Outcome {
    // By namespace, then by name, as bytes: upper case before lower, `-` before `_`, and no joining of the two. The last
    // two names are in another order where text is compared by units of UTF-16.
    let mut keys: Vec<RecordKey> = ["o", "o-p", "o/p", "O", "o_p"]
        .iter()
        .flat_map(|namespace| {
            ["b", "B", "a10", "a2", "_", "-", ".", "\u{e9}", "z", "\u{fffd}", "\u{1f511}"]
                .map(|name| secret_key(namespace, name))
        })
        .collect();
    create(probe, &keys.iter().collect::<Vec<_>>()).await?;
    keys.sort();
    let all = probe.list(RecordKind::Secret, None).await?;
    let own: Vec<&RecordKey> = all.iter().map(|item| &item.key).filter(|key| keys.contains(key)).collect();
    let says = "`list` is not ordered by namespace and then name, byte by byte in UTF-8: A before a, a10 before a2";
    ensure(own == keys.iter().collect::<Vec<_>>(), says)?;
    ensure(all.iter().map(|item| &item.key).is_sorted(), says)?;

    let (one, two) = (probe.fresh_id()?, probe.fresh_id()?);
    let slot = secret_key("o", "b");
    let mut written = Vec::new();
    for seq in 1..=12 {
        for stream in [&two, &one] {
            let mut change = probe.change()?;
            // The clocks of several hosts: what is committed later may say that it happened earlier.
            let at = Timestamp::from_millis(1_700_000_000_000 - i64::try_from(seq).unwrap_or(0));
            change.log(Event { at: Some(at), ..event_of(&slot, stream, seq) });
            probe.must_commit(&change).await?;
            written.extend(change.events);
        }
    }
    let chained = probe.events(EventScope::Chained).await?;
    ensure(
        chained.iter().is_sorted_by_key(place),
        "`chained` is not ordered by stream and then by number: 2 before 10",
    )?;
    written.reverse();
    let latest = probe.events(EventScope::Latest).await?;
    let says = "does not give the events in the order of their commits, the last one first, whatever their times";
    ensure(latest.get(..written.len()) == Some(&written), format!("`latest` {says}"))?;
    written.retain(|event| event.name.is_some());
    let of_slot = probe.events(slot_of(&slot)).await?;
    ensure(of_slot == written, format!("`slot` {says}"))
}

fn place(event: &Event) -> (Option<String>, Option<u64>) {
    (event.stream.clone(), event.seq)
}

pub(in crate::conformance) async fn cursors(probe: &Probe) -> Outcome {
    let names = ["a", "b", "c", "d", "e", "f", "g"].map(|name| secret_key("pages", name));
    create(probe, &names.iter().collect::<Vec<_>>()).await?;
    let own: Vec<RecordKey> = names.to_vec();
    let (first, rest) = listed_in_pages(probe, Some("pages"), async || Ok(())).await?;
    ensure([first, rest].concat() == own, "the pages of `list` do not give every record once: a cursor was lost")?;
    let all: Vec<RecordKey> = probe.list(RecordKind::Secret, None).await?.into_iter().map(|item| item.key).collect();
    let (first, rest) = listed_in_pages(probe, None, async || Ok(())).await?;
    let says =
        "the pages of `list` of all namespaces do not give every record once: a cursor is a namespace and a name";
    ensure([first, rest].concat() == all, says)?;

    // What is written between two pages, before the place where the first one ended, moves nothing after it; nor does it
    // when the record is gone that the first one ended with.
    let between = async || {
        create(probe, &["X", "Y", "Z"].map(|name| secret_key("pages", name)).each_ref()).await?;
        let gone = ["a", "c"].map(|name| secret_key("pages", name));
        probe
            .must_commit(
                &gone.iter().try_fold(probe.change()?, |change, name| Ok::<_, Stop>(change.delete(name, at(1))))?,
            )
            .await
    };
    let (first, rest) = listed_in_pages(probe, Some("pages"), between).await?;
    let says = "a record written or deleted between two pages of `list` shifted the next page";
    ensure([first, rest].concat() == own, says)?;

    let (stream, slot) = (probe.fresh_id()?, secret_key("pages", "events"));
    for seq in 1..=5 {
        let mut change = probe.change()?;
        change.log(event_of(&slot, &stream, seq));
        probe.must_commit(&change).await?;
    }
    for (scope, limit) in [(slot_of(&slot), 2), (EventScope::Latest, 40), (EventScope::Chained, 40)] {
        let before = probe.events(scope.clone()).await?;
        let read = events_in_pages(probe, &scope, limit, &slot).await?;
        let again: Vec<&Event> = read.iter().filter(|event| before.contains(event)).collect();
        let says =
            "the pages of `events` do not give every event once, whatever is appended meanwhile: a cursor was lost";
        let named = match scope {
            EventScope::Slot { .. } => "slot",
            EventScope::Latest => "latest",
            EventScope::Chained | EventScope::Unchained => "chained",
        };
        ensure(again == before.iter().collect::<Vec<_>>(), format!("{says}, in the scope `{named}`"))?;
    }
    Ok(())
}

/// More pages than these tests have rows.
const PAGES_AT_MOST: u64 = 400;

/// The keys of the first page of secrets, and of all others after something was done in between.
async fn listed_in_pages(
    probe: &Probe,
    namespace: Option<&str>,
    between: impl AsyncFnOnce() -> Outcome,
) -> Result<(Vec<RecordKey>, Vec<RecordKey>), Stop> {
    let page = async |cursor: Option<String>| {
        let (items, next) = probe.list_page((RecordKind::Secret, namespace), 3, cursor).await?;
        ensure(items.len() <= 3, "`list` gave more than the limit of its query")?;
        ensure(!items.is_empty() || next.is_none(), "`list` gave an empty page and a cursor")?;
        Ok((items.into_iter().map(|item| item.key).collect::<Vec<_>>(), next))
    };
    let (first, mut cursor) = page(None).await?;
    between().await?;
    let mut rest = Vec::new();
    for _ in 1..=PAGES_AT_MOST {
        if cursor.is_none() {
            break;
        }
        let (keys, next) = page(cursor).await?;
        rest.extend(keys);
        cursor = next;
    }
    Ok((first, rest))
}

/// The events of a scope, while others append after each page: to the slot, and in a stream before all others.
async fn events_in_pages(probe: &Probe, scope: &EventScope, limit: u32, slot: &RecordKey) -> Result<Vec<Event>, Stop> {
    let (mut read, mut cursor) = (Vec::new(), None);
    for _ in 1..=PAGES_AT_MOST {
        let (events, next) = probe.events_page(scope.clone(), limit, cursor).await?;
        ensure(
            u32::try_from(events.len()).is_ok_and(|count| count <= limit),
            "`events` gave more than the limit of its query",
        )?;
        ensure(!events.is_empty() || next.is_none(), "`events` gave an empty page and a cursor")?;
        read.extend(events);
        let first: String = ["0000", probe.fresh_id()?.get(4..).unwrap_or_default()].concat();
        let mut change = probe.change()?;
        change.log(event_of(slot, &first, 1));
        probe.must_commit(&change).await?;
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(read)
}
