//! Reading a manifest, strictly, and telling all mistakes at once.
//!
//! Mistakes name entries and fields. They repeat the names of entries that were parsed, and nothing else that was given:
//! a value that was put in the wrong field must not be shown.

use super::weakness::broken_rules;
use super::{CLASSES, ENTRIES_MAX, Entry, Kind, Manifest, Pattern, SENSITIVITIES, ValueType};
use crate::error::{Error, ErrorCode, Result};
use crate::generate::{CharacterClass, Generator};
use crate::ident::Slot;
use crate::wire::{Fields, FromJson, Json};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How many mistakes one error lists.
const LISTED_MAX: usize = 20;
const ENVIRONMENTS_MAX: usize = 64;
const ENVIRONMENT_LENGTH_MAX: usize = 64;
const DEFAULT_MAX: usize = 65_536;
const NOTE_MAX: usize = 4096;
const CONTACTS_MAX: usize = 16;
const CONTACT_LENGTH_MAX: usize = 256;

const VERSION: &str = "it must be 1, the version of the format";
const ENVIRONMENTS: &str = "it must be a list of 1 to 64 different names, each 1 to 64 of A-Z a-z 0-9 _ . -";
const MINIMUM_LENGTH: &str = "it must be an integer from 1 to 65536";
const PATTERN: &str = "it must be 1 to 256 bytes of text without control characters, in which * and ? are wildcards";
const NOTE: &str = "it must be text of at most 4096 bytes";
const NOTIFY: &str = "it must be a list of at most 16 texts, each 1 to 256 bytes without control characters";
const DEFAULT: &str = "it must be text of at most 65536 bytes without NUL, an integer, true or false";
const NO_VALUES: &str = "a secret has none: its value has no place in a manifest";
const SECRETS_ONLY: &str = "only secrets have one";

pub(super) fn manifest(tree: Json) -> Result<Manifest> {
    let mut mistakes = Mistakes::default();
    let mut top = Reader::of(tree, String::new(), &mut mistakes);
    if !matches!(top.take("version"), Some(Json::Unsigned(1))) {
        top.mistake("version", VERSION);
    }
    let namespace = top.text("namespace");
    if let Some(Err(error)) = namespace.as_deref().map(|namespace| Slot::parse(Some(namespace), "A")) {
        top.mistake("namespace", error.message());
    }
    let environments = top.environments().unwrap_or_default();
    let given = match top.take("entries") {
        Some(Json::List(entries)) => entries,
        _ => {
            top.mistake("entries", "it must be a list");
            Vec::new()
        }
    };
    top.end();
    if given.len() > ENTRIES_MAX {
        let message = format!("the manifest has more than {ENTRIES_MAX} entries: split it");
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    let mut entries = Vec::new();
    for (index, tree) in given.into_iter().enumerate() {
        let mut reader = Reader::of(tree, format!("entries[{index}]"), &mut mistakes);
        let entry = entry(&mut reader, namespace.as_deref(), &environments);
        reader.end();
        entries.extend(entry.map(|entry| (index, entry)));
    }
    check_unique(&entries, &mut mistakes);
    mistakes.result()?;
    Ok(Manifest { environments, entries: entries.into_iter().map(|(_, entry)| entry).collect() })
}

/// An entry; nothing when it has no name to speak of it by. Whatever else is wrong is among the mistakes.
fn entry(fields: &mut Reader<'_>, namespace: Option<&str>, declared: &[String]) -> Option<Entry> {
    let slot = slot(fields, namespace);
    if let Some(slot) = &slot {
        fields.place = format!("{} ({slot})", fields.place);
    }
    let environments = fields.environments();
    let undeclared = |name: &String| !declared.is_empty() && !declared.contains(name);
    if environments.iter().flatten().any(undeclared) {
        fields.mistake("environments", "it names one that the manifest does not declare");
    }
    let kind = fields.one_of("kind", Kind::NAMED).unwrap_or(Kind::Secret);
    let value_type = fields.one_of("type", ValueType::NAMED).unwrap_or(ValueType::Text);
    let default = fields.default(kind);
    let required = match fields.take("required") {
        None => true,
        Some(Json::Bool(required)) => required,
        Some(_) => {
            fields.mistake("required", "it must be true or false");
            true
        }
    };
    let minimum_length = match fields.take("minimum_length") {
        None => None,
        Some(Json::Unsigned(length @ 1..=0x1_0000)) => usize::try_from(length).ok(),
        Some(_) => fields.refused("minimum_length", MINIMUM_LENGTH),
    };
    let pattern = fields.take("pattern").and_then(|given| match given {
        Json::Text(text) => Pattern::parse(text).or_else(|| fields.refused("pattern", PATTERN)),
        _ => fields.refused("pattern", PATTERN),
    });
    let classes = fields.classes();
    let sensitivity = fields.one_of("sensitivity", SENSITIVITIES);
    let generator = fields.take("generator");
    let generator = generator.and_then(|given| match Generator::from_json(given) {
        _ if kind == Kind::Plain => fields.refused("generator", SECRETS_ONLY),
        Ok(generator) => Some(generator),
        Err(fault) => fields.refused("generator", &fault),
    });
    if kind == Kind::Plain && sensitivity.is_some() {
        fields.mistake("sensitivity", SECRETS_ONLY);
    }
    let note = fields.text("note");
    if note.as_ref().is_some_and(|note| note.len() > NOTE_MAX) {
        fields.mistake("note", NOTE);
    }
    let notify = fields.notify();
    let entry = Entry {
        slot: slot?,
        environments,
        kind,
        value_type,
        default,
        required,
        pattern,
        minimum_length,
        classes,
        sensitivity,
        generator,
        note,
        notify,
    };
    if let Some(broken) = entry.default.as_deref().and_then(|default| broken_rules(&entry, default).into_iter().next())
    {
        fields.mistake("default", &format!("it breaks the entry's own rules: {broken}"));
    }
    Some(entry)
}

fn slot(fields: &mut Reader<'_>, namespace: Option<&str>) -> Option<Slot> {
    let name = match fields.take("name") {
        Some(Json::Text(name)) => Some(name),
        Some(_) => fields.refused("name", "it must be text"),
        None => fields.refused("name", "it is missing"),
    };
    let own = fields.text("namespace");
    // A namespace of the whole manifest that is wrong was told already.
    let namespace = own.as_deref().or(namespace.filter(|shared| Slot::parse(Some(shared), "A").is_ok()));
    Slot::parse(namespace, &name?).map_err(|error| fields.mistake("name", error.message())).ok()
}

/// No two entries for one name in one environment. Sorted, since there may be 10,000 for one name.
fn check_unique(entries: &[(usize, Entry)], mistakes: &mut Mistakes) {
    // An entry for all environments stands with an empty name, which sorts first and meets every other.
    let mut claims: Vec<(&Slot, &str, usize)> = Vec::new();
    for (index, entry) in entries {
        match &entry.environments {
            Some(own) => claims.extend(own.iter().map(|name| (&entry.slot, name.as_str(), *index))),
            None => claims.push((&entry.slot, "", *index)),
        }
    }
    claims.sort_unstable();
    let mut for_all: Option<(&Slot, usize)> = None;
    let mut doubled: Vec<(usize, usize, &Slot)> = Vec::new();
    for [(slot, name, first), (next_slot, next_name, second)] in claims.array_windows() {
        if name.is_empty() && for_all.is_none_or(|(known, _)| known != *slot) {
            for_all = Some((slot, *first));
        }
        if slot != next_slot {
            continue;
        }
        let everywhere = for_all.filter(|(known, _)| known == slot).map(|(_, index)| index);
        if let Some(earlier) = everywhere.or((name == next_name).then_some(*first)).filter(|other| other != second) {
            doubled.push((earlier.max(*second), earlier.min(*second), slot));
        }
    }
    doubled.sort_unstable();
    doubled.dedup_by_key(|(later, _, _)| *later);
    for (later, earlier, slot) in doubled {
        let fault = format!("entries[{earlier}] is for the same name, in the same environment");
        mistakes.add(&format!("entries[{later}] ({slot})"), &fault);
    }
}

#[derive(Default)]
struct Mistakes {
    listed: Vec<String>,
    count: usize,
}

impl Mistakes {
    fn add(&mut self, place: &str, fault: &str) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(if place.is_empty() { fault.to_string() } else { format!("{place}: {fault}") });
        }
    }

    fn result(self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let noun = if self.count == 1 { "mistake" } else { "mistakes" };
        let more = match self.count - self.listed.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("{} {noun} in the manifest: {}{more}", self.count, self.listed.join("; "));
        Err(Error::new(ErrorCode::ManifestInvalid, message))
    }
}

/// The fields of one object, and where its mistakes go. A field that is null is not there.
struct Reader<'a> {
    fields: Option<Fields>,
    place: String,
    mistakes: &'a mut Mistakes,
}

impl<'a> Reader<'a> {
    fn of(tree: Json, place: String, mistakes: &'a mut Mistakes) -> Self {
        let fields = Fields::of(tree).map_err(|fault| mistakes.add(&place, &fault)).ok();
        Reader { fields, place, mistakes }
    }

    fn mistake(&mut self, field: &str, fault: &str) {
        // One mistake for what is no object at all.
        if self.fields.is_some() {
            self.mistakes.add(&self.place, &format!("`{field}`: {fault}"));
        }
    }

    fn refused<T>(&mut self, field: &str, fault: &str) -> Option<T> {
        self.mistake(field, fault);
        None
    }

    fn take(&mut self, field: &str) -> Option<Json> {
        self.fields.as_mut()?.take(field).ok().flatten()
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Json::Text(text) => Some(text),
            _ => self.refused(field, "it must be text"),
        }
    }

    /// A list of texts, each of which passes.
    fn texts(&mut self, field: &str, most: usize, passes: fn(&str) -> bool, rule: &str) -> Option<Vec<String>> {
        let Json::List(items) = self.take(field)? else { return self.refused(field, rule) };
        if items.len() > most {
            return self.refused(field, rule);
        }
        let mut texts = Vec::new();
        for item in items {
            match item {
                Json::Text(text) if passes(&text) => texts.push(text),
                _ => return self.refused(field, rule),
            }
        }
        Some(texts)
    }

    fn environments(&mut self) -> Option<Vec<String>> {
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            (1..=ENVIRONMENT_LENGTH_MAX).contains(&name.len()) && name.bytes().all(allowed)
        };
        let names = self.texts("environments", ENVIRONMENTS_MAX, is_name, ENVIRONMENTS)?;
        let is_doubled = names.iter().enumerate().any(|(index, name)| names.iter().take(index).any(|n| n == name));
        if names.is_empty() || is_doubled {
            return self.refused("environments", ENVIRONMENTS);
        }
        Some(names)
    }

    fn classes(&mut self) -> Vec<CharacterClass> {
        let is_class = |name: &str| CLASSES.iter().any(|(known, _)| *known == name);
        let rule = format!("it must be a list of some of {}", names(CLASSES));
        let given = self.texts("classes", CLASSES.len(), is_class, &rule).unwrap_or_default();
        let wanted = |name: &str| given.iter().any(|given| given == name);
        CLASSES.iter().filter(|(name, _)| wanted(name)).map(|(_, class)| *class).collect()
    }

    fn notify(&mut self) -> Vec<String> {
        let is_contact =
            |contact: &str| (1..=CONTACT_LENGTH_MAX).contains(&contact.len()) && !contact.chars().any(char::is_control);
        self.texts("notify", CONTACTS_MAX, is_contact, NOTIFY).unwrap_or_default()
    }

    fn default(&mut self, kind: Kind) -> Option<String> {
        let given = self.take("default")?;
        if kind == Kind::Secret {
            return self.refused("default", NO_VALUES);
        }
        match given {
            Json::Text(text) if text.len() <= DEFAULT_MAX && !text.contains('\0') => Some(text),
            Json::Unsigned(number) => Some(number.to_string()),
            Json::Negative(number) => Some(number.to_string()),
            Json::Bool(value) => Some(value.to_string()),
            _ => self.refused("default", DEFAULT),
        }
    }

    fn one_of<T: Copy>(&mut self, field: &str, named: &[(&'static str, T)]) -> Option<T> {
        let given = self.take(field)?;
        let known = named.iter().find(|(name, _)| matches!(&given, Json::Text(text) if text == name));
        if known.is_none() {
            self.mistake(field, &format!("it must be one of {}", names(named)));
        }
        known.map(|(_, value)| *value)
    }

    fn end(&mut self) {
        if let Some(Err(fault)) = self.fields.take().map(Fields::end) {
            self.mistakes.add(&self.place, &fault);
        }
    }
}

fn names<T>(named: &[(&'static str, T)]) -> String {
    named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
