//! References in configuration: `secret:KEY`, `env:VAR`, `file:PATH`, and plain text.
//!
//! A reference says where a value is; nothing here reads one. [`find`] walks a tree of configuration, tells every text in
//! it, and refuses all malformed references at once. What is malformed is named by its place and never repeated: it may
//! be a value that somebody pasted.

use crate::error::{Error, ErrorCode, Result};
use crate::ident::Slot;
use crate::wire::Json;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;

/// How deep a tree may be: containers around a text.
pub const DEPTH_MAX: usize = 64;

/// How many texts a tree may hold.
pub const TEXTS_MAX: usize = 10_000;

/// The longest reference, in bytes. Plain text has no limit here.
const REFERENCE_MAX: usize = 4096;

/// How many malformed references one error lists.
const LISTED_MAX: usize = 20;

/// Where a value is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A secret of the vault: `secret:KEY` or `secret:NAMESPACE:KEY`.
    Secret(Slot),
    /// A variable of the environment: `env:VAR`. The file that [`file_variable`] names wins when it exists.
    Env(String),
    /// The content of a file: `file:PATH`.
    File(String),
    /// The text itself, as [`literal`] gives it. It is not repeated here, since it may be a secret.
    Plain,
}

impl Reference {
    /// Reads a reference. Whatever begins with none of `secret:`, `env:` and `file:`, spelled like this, is plain.
    ///
    /// Errors: `REFERENCE_INVALID`, saying which rule was broken and not repeating the text.
    ///
    /// ```
    /// use strongroom::ident::Slot;
    /// use strongroom::reference::Reference;
    /// assert_eq!(Reference::parse("secret:API_KEY")?, Reference::Secret(Slot::parse(None, "API_KEY")?));
    /// assert_eq!(Reference::parse("env:HOME")?, Reference::Env("HOME".into()));
    /// assert_eq!(Reference::parse("INFO")?, Reference::Plain);
    /// assert_eq!(Reference::parse("env:two words").unwrap_err().code().name(), "REFERENCE_INVALID");
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Reference> {
        read(text, None)
            .map_err(|fault| Error::new(ErrorCode::ReferenceInvalid, format!("the reference {fault}; {ADVICE}")))
    }
}

const ADVICE: &str = "write `secret:KEY`, `env:VAR` or `file:PATH`, or `plain:` before text that only looks like one";

/// The text that a [`Reference::Plain`] stands for: what follows `plain:`, or all of it.
///
/// ```
/// use strongroom::reference::literal;
/// assert_eq!((literal("INFO"), literal("plain:secret:x"), literal("plain:plain:")), ("INFO", "secret:x", "plain:"));
/// ```
pub fn literal(text: &str) -> &str {
    text.strip_prefix("plain:").unwrap_or(text)
}

/// The variable that names a file which holds the value: what Docker calls secrets. It wins when its file exists, and
/// white space around the file's text does not count.
///
/// ```
/// assert_eq!(strongroom::reference::file_variable("DB_PASSWORD"), "DB_PASSWORD_FILE");
/// ```
pub fn file_variable(variable: &str) -> String {
    format!("{variable}_FILE")
}

/// Whether it is the name of a variable: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether it can be the path of a file: 1 to 4096 bytes without NUL.
pub(crate) fn is_path(path: &str) -> bool {
    // What no file system takes: somebody may have put a value where a path belongs.
    let fits = |part: &str| part.len() <= 255;
    (1..=REFERENCE_MAX).contains(&path.len()) && !path.contains(char::is_control) && path.split(['/', '\\']).all(fits)
}

/// With the namespace of a secret that names none.
fn read(text: &str, own: Option<&str>) -> Result<Reference, &'static str> {
    let Some((kind @ ("secret" | "env" | "file"), rest)) = text.split_once(':') else { return Ok(Reference::Plain) };
    if rest.len() > REFERENCE_MAX {
        return Err("is longer than 4096 bytes");
    }
    match kind {
        "secret" => {
            let (namespace, name) = rest.split_once(':').map_or((own, rest), |(space, name)| (Some(space), name));
            let fault = "names no secret: 1 to 128 of the characters A-Z a-z 0-9 _ . - /, and so the namespace";
            Slot::parse(namespace, name).map(Reference::Secret).map_err(|_| fault)
        }
        "env" if is_variable(rest) => Ok(Reference::Env(rest.into())),
        "env" => Err("names no variable: letters A-Z a-z, digits and _, no digit first"),
        _ if rest.is_empty() => Err("names no file"),
        _ if !is_path(rest) => Err("names no file: it has a control character, or a part longer than 255 bytes"),
        _ => Ok(Reference::File(rest.into())),
    }
}

/// A step into a tree. As JSON: the text, or the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Part {
    /// Into the field of an object.
    Field(String),
    /// Into a list, counted from 0.
    Item(usize),
}

/// Where something stands in a tree. `Display` is for people: `services.db[2].password`; as JSON it is the list of its
/// parts: `["services", "db", 2, "password"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Place(Vec<Part>);

impl Place {
    /// The steps from the root; none for the root itself.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// What stands there, if there is such a place in this tree.
    pub fn of<'a>(&self, tree: &'a Json) -> Option<&'a Json> {
        self.0.iter().try_fold(tree, |tree, part| match (tree, part) {
            (Json::Object(fields), Part::Field(name)) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            (Json::List(items), Part::Item(index)) => items.get(*index),
            _ => None,
        })
    }

    /// The same, to be replaced.
    pub fn of_mut<'a>(&self, tree: &'a mut Json) -> Option<&'a mut Json> {
        self.0.iter().try_fold(tree, |tree, part| match (tree, part) {
            (Json::Object(fields), Part::Field(name)) => fields.iter_mut().find(|(key, _)| key == name).map(|(_, v)| v),
            (Json::List(items), Part::Item(index)) => items.get_mut(*index),
            _ => None,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the root");
        }
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Item(item) => write!(f, "[{item}]")?,
                Part::Field(name) if is_word(name) && index == 0 => f.write_str(name)?,
                Part::Field(name) if is_word(name) => write!(f, ".{name}")?,
                Part::Field(name) => show_odd(f, name)?,
            }
        }
        Ok(())
    }
}

fn is_word(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// A field whose name is no plain word: quoted, escaped so that it can't pass for something else, and cut.
fn show_odd(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.write_str("[\"")?;
    for character in name.chars().take(64) {
        write!(f, "{}", character.escape_default())?;
    }
    f.write_str(if name.chars().nth(64).is_some() { "...\"]" } else { "\"]" })
}

/// A text of a tree. Holds no plain text, so it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub place: Place,
    /// What it refers to.
    pub reference: Reference,
}

/// Every text of a tree, in the order in which they stand, with what it refers to. Other leaves are left out; names of
/// fields are names, and never references.
///
/// Errors: `REFERENCE_INVALID`, one for all malformed references, with the places of the first 20 and their number;
/// `LIMIT_EXCEEDED` for a tree deeper than 64 containers or with more than 10,000 texts; `INVALID_ARGUMENT` for an object
/// that has a field twice, since its places would be ambiguous.
///
/// ```
/// use strongroom::reference::find;
/// use strongroom::wire::{Json, read};
/// let tree: Json = read(r#"{"services": {"db": [{"password": "secret:DB_PASSWORD"}]}}"#).unwrap();
/// let found = find(&tree)?;
/// assert_eq!(found[0].place.to_string(), "services.db[0].password");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn find(tree: &Json) -> Result<Vec<Found>> {
    find_in(tree, None)
}

/// The same with a namespace for the secrets that are named without one.
pub fn find_in(tree: &Json, namespace: Option<&str>) -> Result<Vec<Found>> {
    let mut walk = Walk { namespace, ..Walk::default() };
    walk.visit(tree)?;
    if walk.malformed == 0 {
        return Ok(walk.found);
    }
    let more = walk.malformed - walk.listed.len();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let count = walk.malformed;
    let message =
        format!("{count} malformed {}: {}{more}; {ADVICE}", plural(count, "reference"), walk.listed.join("; "));
    Err(Error::new(ErrorCode::ReferenceInvalid, message))
}

fn plural(count: usize, noun: &str) -> String {
    format!("{noun}{}", if count == 1 { "" } else { "s" })
}

#[derive(Default)]
struct Walk<'a> {
    namespace: Option<&'a str>,
    here: Place,
    found: Vec<Found>,
    listed: Vec<String>,
    malformed: usize,
}

impl Walk<'_> {
    // INVARIANT: it calls itself at most DEPTH_MAX times, whatever the tree.
    fn visit(&mut self, tree: &Json) -> Result<()> {
        match tree {
            Json::Text(text) => self.text(text),
            Json::List(items) => {
                self.enter()?;
                for (index, item) in items.iter().enumerate() {
                    self.visit_part(Part::Item(index), item)?;
                }
                Ok(())
            }
            Json::Object(fields) => {
                self.enter()?;
                self.check_unique(fields)?;
                for (name, value) in fields {
                    // A leaf that is no text needs no place.
                    if matches!(value, Json::Text(_) | Json::List(_) | Json::Object(_)) {
                        self.visit_part(Part::Field(name.clone()), value)?;
                    }
                }
                Ok(())
            }
            Json::Null | Json::Bool(_) | Json::Unsigned(_) | Json::Negative(_) | Json::Fraction => Ok(()),
        }
    }

    fn visit_part(&mut self, part: Part, tree: &Json) -> Result<()> {
        self.here.0.push(part);
        self.visit(tree)?;
        self.here.0.pop();
        Ok(())
    }

    fn enter(&self) -> Result<()> {
        if self.here.0.len() < DEPTH_MAX {
            return Ok(());
        }
        let message = format!("the tree is nested deeper than {DEPTH_MAX} levels: make it flatter");
        Err(Error::new(ErrorCode::LimitExceeded, message))
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if self.found.len() + self.malformed == TEXTS_MAX {
            let message = format!("the tree holds more than {TEXTS_MAX} texts: resolve it in parts");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        match read(text, self.namespace) {
            Ok(reference) => self.found.push(Found { place: self.here.clone(), reference }),
            Err(fault) => {
                self.malformed += 1;
                if self.listed.len() < LISTED_MAX {
                    self.listed.push(format!("at {} it {fault}", self.here));
                }
            }
        }
        Ok(())
    }

    fn check_unique(&self, fields: &[(String, Json)]) -> Result<()> {
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.array_windows().any(|[one, next]| one == next) {
            let message = format!("an object has a field twice, at {}: remove one of them", self.here);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read as json;
    use alloc::string::ToString;
    use alloc::vec;

    fn tree(text: &str) -> Json {
        json(text).unwrap()
    }

    fn fault(text: &str) -> Error {
        Reference::parse(text).unwrap_err()
    }

    #[test]
    fn the_four_kinds_are_read_as_the_guide_shows_them() {
        let secret = |namespace, name| Reference::Secret(Slot::parse(namespace, name).unwrap());
        for (text, expected) in [
            ("secret:TELEGRAM_BOT_TOKEN", secret(None, "TELEGRAM_BOT_TOKEN")),
            ("secret:nexus:mcp.bun.apiKey", secret(Some("nexus"), "mcp.bun.apiKey")),
            ("secret:default:A", secret(None, "A")),
            ("secret:prod/db-password_1", secret(None, "prod/db-password_1")),
            ("env:HOME", Reference::Env("HOME".into())),
            ("env:_a1", Reference::Env("_a1".into())),
            ("file:/etc/secrets/ssh_key", Reference::File("/etc/secrets/ssh_key".into())),
            ("file:C:\\keys\\a b", Reference::File("C:\\keys\\a b".into())),
            ("INFO", Reference::Plain),
            ("", Reference::Plain),
            ("1234567890:ABCdefGHIjklMNOpqrs", Reference::Plain),
            ("https://hooks.example/T0/B0", Reference::Plain),
            ("Secret:A", Reference::Plain),
            (" secret:A", Reference::Plain),
            ("secret", Reference::Plain),
            ("secrets:A", Reference::Plain),
            ("plain:secret:", Reference::Plain),
        ] {
            assert_eq!(Reference::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_slot_shown_after_secret_is_read_back_as_itself() {
        for slot in [Slot::parse(None, "A").unwrap(), Slot::parse(Some("nexus"), "a/b").unwrap()] {
            assert_eq!(Reference::parse(&format!("secret:{slot}")), Ok(Reference::Secret(slot)));
        }
    }

    #[test]
    fn malformed_references_are_refused_and_not_repeated() {
        let long = format!("file:{}", "x".repeat(REFERENCE_MAX + 1));
        let long_name = format!("secret:{}", "x".repeat(129));
        for text in [
            "secret:",
            "secret::A",
            "secret:canary:",
            "secret:a:b:canary",
            "secret:canary value",
            "secret: canary",
            "secret:canary\0",
            "secret:c\u{e1}nary",
            &long_name,
            "env:",
            "env:1canary",
            "env:canary-x",
            "env:canary x",
            "env:canary\0",
            "env: canary",
            "file:",
            "file:canary\0",
            &long,
        ] {
            let error = fault(text);
            assert_eq!(error.code(), ErrorCode::ReferenceInvalid, "{text}");
            assert!(!error.message().contains("canary") && error.message().len() < 300, "{error}");
        }
        assert!(Reference::parse(&format!("file:{}", "x/".repeat(REFERENCE_MAX / 2))).is_ok());
        // No file system takes these: somebody may have put a value where a path belongs.
        for path in ["canary\ncanary", &"canary".repeat(50)] {
            assert_eq!(fault(&format!("file:{path}")).code(), ErrorCode::ReferenceInvalid);
        }
    }

    #[test]
    fn every_text_is_found_with_its_place_in_both_forms() {
        let tree = tree(
            r#"{"services": {"db": [1, null, {"password": "secret:DB", "user": "app", "port": 5432, "on": true}]},
                "a.b": ["env:HOME"], "": "file:/x", "se\u0000c\"ret": 1.5, "\u202ekey": "plain:x"}"#,
        );
        let found = find(&tree).unwrap();
        let shown: Vec<_> = found.iter().map(|found| found.place.to_string()).collect();
        assert_eq!(
            shown,
            ["services.db[2].password", "services.db[2].user", "[\"a.b\"][0]", "[\"\"]", "[\"\\u{202e}key\"]"]
        );
        assert_eq!(found[0].reference, Reference::Secret(Slot::parse(None, "DB").unwrap()));
        assert_eq!(found[1].reference, Reference::Plain);
        assert_eq!(found[0].place.of(&tree), Some(&Json::Text("secret:DB".into())));
        let machine = serde_json::to_string(&found[0].place).unwrap();
        assert_eq!(machine, r#"["services","db",2,"password"]"#);
        assert_eq!(found[2].place.parts(), [Part::Field("a.b".into()), Part::Item(0)]);
    }

    #[test]
    fn a_place_leads_to_what_is_to_be_replaced_and_nowhere_else() {
        let mut tree = tree(r#"{"a": [{"b": "secret:X"}], "c": "y"}"#);
        let place = find(&tree).unwrap()[0].place.clone();
        *place.of_mut(&mut tree).unwrap() = Json::Text("value".into());
        assert_eq!(tree, super::tests::tree(r#"{"a": [{"b": "value"}], "c": "y"}"#));
        assert_eq!(place.of(&Json::Null), None);
        assert_eq!(place.of_mut(&mut Json::List(vec![])), None);
        assert_eq!(find(&Json::Text("env:A".into())).unwrap()[0].place.to_string(), "the root");
    }

    #[test]
    fn all_malformed_references_are_told_in_one_error_of_bounded_length() {
        let error = find(&tree(r#"{"a": "secret:", "ok": "secret:A", "b": ["env:canary x"]}"#)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ReferenceInvalid);
        assert!(error.message().starts_with("2 malformed references: at a it names no secret"), "{error}");
        assert!(error.message().contains("at b[0] it names no variable"), "{error}");
        assert!(!error.message().contains("canary") && !error.message().contains("more;"), "{error}");
        let many = Json::List((0..500).map(|_| Json::Text("file:".into())).collect());
        let error = find(&many).unwrap_err();
        assert!(error.message().starts_with("500 malformed references: at [0] it"), "{error}");
        assert!(error.message().contains("at [19] it") && !error.message().contains("at [20] it"), "{error}");
        assert!(error.message().contains("; and 480 more; "), "{error}");
        let one = find(&Json::Text("file:".into())).unwrap_err();
        assert!(one.message().starts_with("1 malformed reference: at the root it names no file; write"), "{one}");
    }

    #[test]
    fn names_of_fields_cannot_forge_or_flood_an_error() {
        let name = format!("x\n\u{202e}{}", "y".repeat(100_000));
        let error = find(&Json::Object(vec![(name, Json::Text("env:".into()))])).unwrap_err();
        assert!(error.message().is_ascii() && !error.message().contains('\n'), "{error}");
        assert!(error.message().len() < 500, "{}", error.message().len());
    }

    fn nested(depth: usize) -> Json {
        (0..depth).fold(Json::Text("env:A".into()), |inner, index| match index % 2 {
            0 => Json::List(vec![inner]),
            _ => Json::Object(vec![("k".into(), inner)]),
        })
    }

    #[test]
    fn depth_and_number_are_bounded() {
        assert_eq!(find(&nested(DEPTH_MAX)).unwrap().len(), 1);
        assert_eq!(find(&nested(DEPTH_MAX + 1)).unwrap_err().code(), ErrorCode::LimitExceeded);
        // An empty container counts too: the bound is on the walk.
        let deep = (0..DEPTH_MAX).fold(Json::List(vec![]), |inner, _| Json::List(vec![inner]));
        assert_eq!(find(&deep).unwrap_err().code(), ErrorCode::LimitExceeded);
        let texts = |count, text: &str| Json::List((0..count).map(|_| Json::Text(text.into())).collect());
        assert_eq!(find(&texts(TEXTS_MAX, "x")).unwrap().len(), TEXTS_MAX);
        assert_eq!(find(&texts(TEXTS_MAX + 1, "x")).unwrap_err().code(), ErrorCode::LimitExceeded);
        assert_eq!(find(&texts(TEXTS_MAX + 1, "env:")).unwrap_err().code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        let error = find(&tree(r#"{"x": {"a": "1", "b": "2", "a": "canary"}}"#)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message().contains("at x:") && !error.message().contains("canary"), "{error}");
    }

    #[test]
    fn no_formatter_shows_plain_text() {
        let found = find(&tree(r#"{"a": "canary-plain", "b": ["plain:canary-escaped"]}"#)).unwrap();
        assert_eq!(found.len(), 2);
        assert!(!format!("{found:?}").contains("canary"));
    }
}
