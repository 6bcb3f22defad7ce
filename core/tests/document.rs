//! Documents: whole vaults in one text. What is cut short or altered is never taken for a vault; what is whole answers as
//! every store does.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test crate: helpers outside #[test] may fail loudly too"
)]

mod support;

use sha2::{Digest, Sha256};
use strongroom::audit::Event;
use strongroom::conformance::check_store;
use strongroom::flow::{Applied, ChangeSet, CommitAnswer, EventQuery, EventScope, Expected, ListQuery, Put};
use strongroom::ident::Slot;
use strongroom::ops::Setting;
use strongroom::record::{Columns, Counters, Index, Record, RecordKey, RecordKind};
use strongroom::store::{
    Answering, Blob, BlobWritten, CommitFailed, Content, Document, DocumentFailed, DocumentStore, MemoryStore, Store,
    drive,
};
use strongroom::wire::read;
use strongroom::{Actor, Answer, Error, ErrorCode, Keyring, Request, SecretBytes, Timestamp, Vault, VaultOptions};
use support::Seeded;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A text and how often it was written; and what goes wrong with it.
#[derive(Default)]
struct Cell {
    text: Option<(Vec<u8>, u64)>,
    /// So many writes find that another came first.
    conflicts: u32,
    /// So many writes are done, and said to have failed.
    lost_replies: u32,
    reads: u32,
    /// What becomes of the reads from this one on, which is counted from 0.
    broken: Option<(u32, Broken)>,
    /// Another comes first whenever it was read an even number of times.
    is_busy: bool,
}

#[derive(Clone, Copy)]
enum Broken {
    Fails,
    IsCutShort,
}

impl Blob for Cell {
    type Tag = u64;
    type Error = &'static str;

    fn read(&mut self) -> Result<Option<(Vec<u8>, u64)>, &'static str> {
        let broken = self.broken.filter(|(from, _)| *from <= self.reads).map(|(_, broken)| broken);
        self.reads += 1;
        match broken {
            None => Ok(self.text.clone()),
            Some(Broken::Fails) => Err("the bucket is away"),
            Some(Broken::IsCutShort) => Ok(Some((small()[..100].to_vec(), 1))),
        }
    }

    fn write(&mut self, text: &[u8], expected: Option<&u64>) -> Result<BlobWritten, &'static str> {
        let tag = self.text.as_ref().map(|(_, tag)| *tag);
        if tag.as_ref() != expected || self.conflicts > 0 || (self.is_busy && self.reads.is_multiple_of(2)) {
            self.conflicts = self.conflicts.saturating_sub(1);
            return Ok(BlobWritten::Conflict);
        }
        self.text = Some((text.to_vec(), tag.unwrap_or_default() + 1));
        if self.lost_replies > 0 {
            self.lost_replies -= 1;
            return Err("the reply got lost");
        }
        Ok(BlobWritten::Written)
    }
}

fn key(name: &str) -> RecordKey {
    RecordKey { kind: RecordKind::Secret, namespace: "default".into(), name: name.into() }
}

fn record(name: &str) -> Record {
    let (columns, counters) = (Columns::default(), Counters::default());
    Record { key: key(name), revision: 1, columns, data: "{}".into(), mac: None, counters }
}

fn event(stream: &str, seq: u64, operation_id: &str) -> Event {
    let names = "stream seq at operation_id action secret_uid namespace name actor platform outcome success code reason \
                 epoch digest rule prev_mac mac";
    let fields: Vec<String> = names
        .split_whitespace()
        .map(|name| match name {
            "stream" => format!(r#""stream":"{stream}""#),
            "seq" => format!(r#""seq":{seq}"#),
            "operation_id" => format!(r#""operation_id":"{operation_id}""#),
            name => format!(r#""{name}":null"#),
        })
        .collect();
    read(&format!("{{{}}}", fields.join(","))).unwrap()
}

fn change_set(operation_id: &str, puts: Vec<Put>, events: Vec<Event>) -> ChangeSet {
    let (deletes, checks, counters) = Default::default();
    ChangeSet { operation_id: operation_id.into(), puts, deletes, checks, counters, events }
}

fn new_record(name: &str) -> Vec<Put> {
    vec![Put::plain(record(name), Expected::Absent)]
}

fn commit(change_set: ChangeSet) -> Request {
    Request::Commit { change_set }
}

fn load(name: &str) -> Request {
    Request::Load { keys: vec![key(name)] }
}

fn small() -> Vec<u8> {
    let change_set = change_set("one", new_record("A"), vec![event("vault", 1, "one")]);
    Document::new(Document::LIMIT).answer(Content::Absent, &commit(change_set)).unwrap().1.unwrap()
}

/// A document of a body, with the checksum that it must have.
fn whole(body: &str) -> Vec<u8> {
    let sha256: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{{\"format\":\"strongroom/document/v1\",\"sha256\":\"{sha256}\",\"body\":{body}}}\n").into_bytes()
}

fn body_of(text: &[u8]) -> String {
    let text = str::from_utf8(text).unwrap();
    text[Document::HEAD..text.len() - 2].to_owned()
}

/// What is said of a text that is no document.
fn refusal(text: &[u8]) -> String {
    let error = Document::new(Document::LIMIT).answer(Content::Text(text), &load("A")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageFailed);
    assert!(error.message().starts_with("Failed to load secrets: "), "{error}");
    error.message().to_owned()
}

#[test]
fn the_kit_passes_a_store_over_a_blob_and_conflicts_do_not_show() {
    let mut store = DocumentStore::new(Cell { is_busy: true, ..Cell::default() });
    let report = drive(check_store(Box::new(Seeded::new(1))), &mut store, || NOW).unwrap();
    assert!(report.failures.is_empty(), "{report:?}");
}

#[test]
fn a_text_that_is_cut_short_anywhere_is_refused() {
    let text = small();
    for length in 0..text.len() {
        refusal(&text[..length]);
    }
    assert!(refusal(b"").contains("it is empty or cut short"));
}

#[test]
fn a_text_with_any_bit_flipped_or_any_byte_more_is_refused() {
    let mut text = small();
    for at in 0..text.len() {
        for bit in 0..8 {
            text[at] ^= 1 << bit;
            refusal(&text);
            text[at] ^= 1 << bit;
        }
    }
    for extra in [&b"\n"[..], b" ", b"\0", b"{}"] {
        refusal(&[&text, extra].concat());
        refusal(&[extra, &text].concat());
    }
    assert!(Document::new(Document::LIMIT).answer(Content::Text(&text), &load("A")).is_ok());
}

#[test]
fn a_body_that_no_document_has_is_refused_whatever_its_checksum() {
    let body = body_of(&small());
    assert!(Document::verify(&whole(&body), Document::LIMIT).is_ok());
    let (record, event) = (body.lines().nth(1).unwrap(), body.lines().nth(3).unwrap());
    let of = |records: &[&str], events: &[&str]| {
        let rows = |rows: &[&str]| {
            rows.iter()
                .enumerate()
                .map(|(at, row)| format!("{}\n{row}", if at > 0 { "," } else { "" }))
                .collect::<String>()
        };
        whole(&format!("{{\"records\":[{}\n],\"events\":[{}\n]}}", rows(records), rows(events)))
    };
    assert_eq!(of(&[record], &[event]), small());
    let later = record.replace("\"name\":\"A\"", "\"name\":\"B\"");
    assert!(Document::verify(&of(&[record, &later], &[event]), Document::LIMIT).is_ok());
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("[{}1]", "1,".repeat(2_000_000));
    let hostile = [
        ("a record twice", of(&[record, record], &[event])),
        ("records in another order", of(&[&later, record], &[event])),
        ("a place twice", of(&[record], &[event, event])),
        ("a key twice", of(&[&record.replacen("{\"key\"", "{\"revision\":1,\"key\"", 1)], &[])),
        ("an unknown field", of(&[&record.replacen("{\"key\"", "{\"more\":1,\"key\"", 1)], &[])),
        ("a number that is none", of(&[&record.replace("\"revision\":1", "\"revision\":NaN")], &[])),
        ("an endless number", of(&[&record.replace("\"revision\":1", "\"revision\":1e999999999")], &[])),
        (
            "a long number",
            of(&[&record.replace("\"revision\":1", &format!("\"revision\":{}", "9".repeat(1_000_000)))], &[]),
        ),
        ("a negative number", of(&[&record.replace("\"revision\":1", "\"revision\":-1")], &[])),
        ("deep nesting", of(&[&record.replace("\"revision\":1", &format!("\"revision\":{nested}"))], &[])),
        ("millions of values", of(&[&record.replace("\"revision\":1", &format!("\"revision\":{wide}"))], &[])),
        ("a million empty rows", of(&[record], &vec!["{}"; 1_000_000])),
        ("a row of white space", of(&[record], &[&" ".repeat(1_000_000)])),
        ("half a character", of(&[&record.replace("\"data\":\"{}\"", "\"data\":\"\\ud800\"")], &[])),
        ("no rows at all", whole("{}")),
        ("rows without end", whole(body.strip_suffix("\n]}").unwrap())),
        ("a comma at the end", of(&[&format!("{record},")], &[])),
        ("rows without a comma", whole(&body.replace(event, &format!("{event}\n{event}")))),
        ("something after the rows", whole(&format!("{body}\n"))),
        ("carriage returns", whole(&body.replace('\n', "\r\n"))),
    ];
    for (what, text) in hostile {
        let refusal = refusal(&text);
        assert!(refusal.contains("its checksum is right, but"), "{what}: {refusal}");
        assert!(refusal.len() < 300, "{what}");
        // Counted, before anything is made of them.
        let is_much = ["deep nesting", "millions of values", "a million empty rows"].contains(&what);
        assert!(!is_much || refusal.contains("a row has too few fields or too many"), "{what}: {refusal}");
    }
}

#[test]
fn a_document_that_is_not_text_or_of_another_version_says_so() {
    assert!(refusal(&[0xff; 500]).contains("it was altered, or is none"));
    assert!(refusal(b"SQLite format 3\0").contains("none of version 1"));
    let later = String::from_utf8(small()).unwrap().replace("document/v1", "document/v2");
    assert!(refusal(later.as_bytes()).contains("none of version 1"));
}

#[test]
fn a_document_answers_as_a_store_in_memory_whatever_is_written() {
    let mut random = Seeded::new(7);
    let (mut memory, mut document) = (MemoryStore::new(), Document::new(Document::LIMIT));
    let mut text: Option<Vec<u8>> = None;
    for step in 0..300 {
        let name = format!("N\"\n\u{e9}\u{1f511}{}", random.below(6));
        let revision = 1 + random.below(3) as u64;
        let actual = match memory.answer(&load(&name)) {
            Answer::Load { records } => records.first().map(|record| record.revision),
            _ => None,
        };
        let expected = match (random.below(4), actual) {
            (0, _) => Expected::Revision(revision),
            (_, None) => Expected::Absent,
            (_, Some(actual)) => Expected::Revision(actual),
        };
        let index = Index { due_at: (step % 2 == 0).then_some(NOW), ..Index::default() };
        let put = Put { record: Record { revision: revision + 1, ..record(&name) }, expected, index };
        let operation_id = format!("{}", random.below(250));
        let mut change_set =
            change_set(&operation_id, vec![put], vec![event("s", random.below(200) as u64, &operation_id)]);
        if random.below(4) == 0 {
            change_set.deletes.push(strongroom::flow::Delete { key: key(&name), expected });
        }
        let query = ListQuery {
            kind: RecordKind::Secret,
            namespace: None,
            by: (step % 3 == 0).then_some(strongroom::flow::Lookup::Due(NOW)),
            limit: 4,
        };
        let requests = [
            commit(change_set),
            load(&name),
            Request::List { query, cursor: None },
            Request::Events { query: EventQuery { scope: EventScope::Chained, limit: 5 }, cursor: None },
            Request::Events { query: EventQuery { scope: EventScope::Latest, limit: 5 }, cursor: None },
        ];
        for request in requests {
            // Every third time by a reader who has not seen the text before.
            if step % 3 == 0 {
                document = Document::new(Document::LIMIT);
            }
            let content = text.as_deref().map_or(Content::Absent, Content::Text);
            let (answer, written) = document.answer(content, &request).unwrap();
            assert_eq!(answer, memory.answer(&request));
            text = written.or(text);
        }
    }
    assert!(memory.all_events().len() > 20);
}

#[test]
fn the_same_content_is_known_again_and_one_that_was_never_written_is_not_taken_for_it() {
    let mut document = Document::new(Document::LIMIT);
    assert!(!document.was_last(&small()));
    let text = small();
    document.answer(Content::Text(&text), &load("A")).unwrap();
    assert!(document.was_last(&text[..Document::HEAD]));
    assert!(!document.was_last(&text[..Document::HEAD - 1]));
    assert_eq!(document.answer(Content::AsBefore, &load("A")).unwrap().0, Answer::Load { records: vec![record("A")] });
    // A change that the host could not write.
    document.answer(Content::AsBefore, &commit(change_set("two", new_record("B"), vec![]))).unwrap().1.unwrap();
    assert!(!document.was_last(&text));
    assert_eq!(document.answer(Content::Text(&text), &load("B")).unwrap().0, Answer::Load { records: vec![] });
}

#[test]
fn a_change_set_that_was_applied_before_is_not_written_again() {
    let again = commit(change_set("one", new_record("A"), vec![event("vault", 1, "one")]));
    let mut document = Document::new(Document::LIMIT);
    let answer = document.answer(Content::Text(&small()), &again).unwrap();
    assert_eq!(answer, (Answer::Commit(CommitAnswer::Committed), None));
}

#[test]
fn a_text_beyond_the_limit_is_neither_written_nor_read_and_nothing_has_changed() {
    let text = small();
    let limit = text.len();
    let mut document = Document::new(limit);
    let error = document
        .answer(Content::Text(&text), &commit(change_set("two", new_record("B"), vec![event("vault", 2, "two")])))
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert!(error.message().contains("nothing was written: raise the limit, or move the vault to a database"));
    assert!(!document.was_last(&text));
    assert_eq!(document.answer(Content::Text(&text), &load("B")).unwrap().0, Answer::Load { records: vec![] });
    let error = Document::new(limit - 1).answer(Content::Text(&text), &load("A")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn a_record_that_could_not_be_read_again_is_not_written() {
    let index = Index { fingerprints: vec!["ab".into(); 513], ..Index::default() };
    let put = Put { record: record("A"), expected: Expected::Absent, index };
    let error = Document::new(Document::LIMIT).answer(Content::Absent, &commit(change_set("x", vec![put], vec![])));
    assert_eq!(error.unwrap_err().code(), ErrorCode::LimitExceeded);
}

#[test]
fn two_events_of_one_change_set_in_one_place_are_a_conflict() {
    let events = vec![event("vault", 1, "x"), event("vault", 1, "x")];
    let answer = MemoryStore::new().answer(&commit(change_set("x", vec![], events)));
    assert_eq!(answer, Answer::Commit(CommitAnswer::Conflict));
}

#[test]
fn a_lost_reply_is_found_out_by_the_operation_id() {
    let (keyring, mut entropy) = (Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=").unwrap(), 0);
    let vault = Vault::new(keyring.into(), VaultOptions::default()).unwrap();
    let (alice, slot) = (Actor::new("alice").unwrap(), Slot::parse(None, "A").unwrap());
    let mut store = DocumentStore::new(Cell::default());
    let mut set = |store: &mut DocumentStore<Cell>, value: &[u8]| {
        entropy += 1;
        let value = (SecretBytes::copy_of(value).into(), Setting::default());
        drive(vault.set(&alice, &slot, value, Box::new(Seeded::new(entropy))), store, || NOW)
    };
    assert_eq!(set(&mut store, b"one").unwrap().version, Some(1));
    let mut store = DocumentStore::new(Cell { lost_replies: 1, ..store.into_blob() });
    assert_eq!(set(&mut store, b"two").unwrap().version, Some(2));
    assert_eq!(set(&mut store, b"three").unwrap().version, Some(3));
}

#[test]
fn others_who_always_come_first_are_a_conflict_in_the_end() {
    let mut store = DocumentStore::new(Cell { conflicts: u32::MAX, ..Cell::default() });
    assert_eq!(store.commit(&change_set("x", new_record("A"), vec![])).unwrap(), CommitAnswer::Conflict);
    assert_eq!(store.into_blob().reads, 8);
}

#[test]
fn a_store_over_a_blob_tells_what_failed() {
    let mut store = DocumentStore::new(Cell { text: Some((b"{}".to_vec(), 1)), ..Cell::default() });
    let DocumentFailed::Document(error) = store.load(&[key("A")]).unwrap_err() else { panic!("the blob did not fail") };
    assert_eq!(error.code(), ErrorCode::StorageFailed);
    let mut store = DocumentStore::new(Cell { lost_replies: 1, ..Cell::default() });
    let failed = store.commit(&change_set("x", new_record("A"), vec![])).unwrap_err();
    assert_eq!(failed.cause, DocumentFailed::Blob("the reply got lost"));
    assert_eq!(failed.applied, strongroom::flow::Applied::Unknown);
}

#[test]
fn once_a_write_was_a_conflict_nobody_knows_what_was_applied_when_the_next_look_fails() {
    let applied = |broken| {
        let mut store = DocumentStore::new(Cell { conflicts: 1, broken: Some(broken), ..Cell::default() });
        store.commit(&change_set("x", new_record("A"), vec![])).unwrap_err().applied
    };
    assert_eq!(applied((0, Broken::IsCutShort)), Applied::No);
    for broken in [(0, Broken::Fails), (1, Broken::Fails), (1, Broken::IsCutShort)] {
        assert_eq!(applied(broken), Applied::Unknown);
    }
}

/// A store that has the same answer for whatever it is asked.
struct Same(Answer);

impl Answering for Same {
    type Error = Error;

    fn answer(&mut self, _: &Request) -> Result<Answer, CommitFailed<Error>> {
        Ok(self.0.clone())
    }
}

#[test]
fn an_answer_to_something_else_is_a_failure_and_no_empty_store() {
    let mut store = Same(Answer::Wait {});
    let list = ListQuery { kind: RecordKind::Secret, namespace: None, by: None, limit: 1 };
    let events = EventQuery { scope: EventScope::Latest, limit: 1 };
    let errors = [
        (store.load(&[]).unwrap_err(), "`load`"),
        (store.list(&list, None).unwrap_err(), "`list`"),
        (store.events(&events, None).unwrap_err(), "`events`"),
    ];
    for (error, request) in errors {
        assert_eq!(error.code(), ErrorCode::StorageFailed);
        assert!(error.message().contains(request), "{error}");
    }
    let failed = store.commit(&change_set("x", new_record("A"), vec![])).unwrap_err();
    assert_eq!((failed.applied, failed.cause.code()), (Applied::Unknown, ErrorCode::StorageFailed));
    let (keyring, slot) =
        (Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=").unwrap(), Slot::parse(None, "A"));
    let vault = Vault::new(keyring.into(), VaultOptions::default()).unwrap();
    let get = vault.get(&Actor::new("alice").unwrap(), &slot.unwrap(), Box::new(Seeded::new(1)));
    let failed = drive(get, &mut store, || NOW).unwrap_err();
    assert_eq!(failed.error.code(), ErrorCode::StorageFailed);
    assert!(failed.cause.unwrap().message().contains("`load`"));
}
