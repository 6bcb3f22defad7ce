//! Manifests as hosts have them: text in, JSON out; and `.env.example`, both ways.

use crate::document::{Format, parse, parse_dotenv};
use crate::{invalid_arguments, json_of};
use serde::Serialize;
use strongroom::generate::{CharacterClass, Generator};
use strongroom::manifest::{Entry, Kind, Manifest, ValueType, Weakness, check_value, dotenv_example};
use strongroom::rotation::Sensitivity;
use strongroom::wire::{Json, read};
use strongroom::{Error, ErrorCode, Result};

/// Reads a manifest: `json`, `yaml`, `toml`, or `dotenv` for a `.env.example`. Gives it as JSON, each entry with its
/// namespace, every default filled in.
///
/// In a `.env.example`, a variable is what the comment says that [`manifest_example`] writes over it; without one it is a
/// secret if its name has a word such as PASSWORD, SECRET, TOKEN or KEY in it, and plain otherwise. What stands after `=` is
/// the default of a plain entry unless it is a placeholder, and nothing of a secret: it is not kept.
///
/// Errors: `MANIFEST_INVALID`, `LIMIT_EXCEEDED`; `INVALID_ARGUMENT` for another format; `UNSUPPORTED` for YAML and TOML where
/// they were left out.
pub fn read_manifest(format: &str, text: &[u8]) -> Result<String> {
    let manifest = match format {
        "dotenv" => from_example(text),
        "json" | "yaml" | "toml" => parse(Format::from_name(format)?, text).and_then(Manifest::read),
        _ => {
            let message = "the format of a manifest must be yaml, json, toml or dotenv";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    };
    // Whatever is wrong with its text is wrong with the manifest.
    let manifest = manifest.map_err(|error| match error.code() {
        ErrorCode::InvalidArgument => Error::new(ErrorCode::ManifestInvalid, error.message().to_owned()),
        _ => error,
    })?;
    Ok(told(&manifest))
}

/// The text of `.env.example` for a manifest as JSON, and an environment. Errors: `MANIFEST_INVALID`; `INVALID_ARGUMENT` for
/// an environment that it does not have.
pub fn manifest_example(manifest: &str, environment: Option<&str>) -> Result<String> {
    let tree: Json = read(manifest).map_err(|fault| invalid_arguments("the manifest", &fault))?;
    let manifest = Manifest::read(tree)?;
    environment.map_or(Ok(()), |environment| manifest.check_environment(environment))?;
    Ok(dotenv_example(&manifest, environment))
}

#[derive(Serialize)]
struct ToldManifest<'a> {
    version: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    environments: &'a [String],
    entries: Vec<ToldEntry<'a>>,
}

#[derive(Serialize)]
struct ToldEntry<'a> {
    name: &'a str,
    namespace: &'a str,
    environments: Option<&'a [String]>,
    kind: Kind,
    #[serde(rename = "type")]
    value_type: ValueType,
    default: Option<&'a str>,
    required: bool,
    pattern: Option<&'a str>,
    minimum_length: Option<usize>,
    classes: &'a [CharacterClass],
    sensitivity: Option<Sensitivity>,
    generator: Option<&'a Generator>,
    note: Option<&'a str>,
    notify: &'a [String],
}

/// As JSON, which reads as the same manifest.
fn told(manifest: &Manifest) -> String {
    let entries = manifest.entries().iter().map(told_entry).collect();
    json_of(&ToldManifest { version: 1, environments: manifest.environments(), entries })
}

fn told_entry(entry: &Entry) -> ToldEntry<'_> {
    ToldEntry {
        name: entry.slot.name(),
        namespace: entry.slot.namespace(),
        environments: entry.environments.as_deref(),
        kind: entry.kind,
        value_type: entry.value_type,
        default: entry.default.as_deref(),
        required: entry.required,
        pattern: entry.pattern.as_ref().map(|pattern| pattern.as_str()),
        minimum_length: entry.minimum_length,
        classes: &entry.classes,
        sensitivity: entry.sensitivity,
        generator: entry.generator.as_ref(),
        note: entry.note.as_deref(),
        notify: &entry.notify,
    }
}

/// What names of secrets have in them, between other letters than these.
const SECRET_WORDS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PRIVATE",
    "SALT",
];

fn is_secret(name: &str) -> bool {
    let words = |word: &str| SECRET_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word));
    name.split(['_', '-', '.']).any(words)
}

/// What a comment of [`dotenv_example`] says of the variable that it is over.
struct Hint<'a> {
    name: &'a str,
    kind: Kind,
    value_type: &'a str,
    is_optional: bool,
}

fn hints(text: &str) -> Vec<Hint<'_>> {
    let mut hints: Vec<Hint<'_>> = text.lines().filter_map(hint).collect();
    hints.sort_by_key(|hint| hint.name);
    hints
}

fn hint(line: &str) -> Option<Hint<'_>> {
    let (name, told) = line.strip_prefix("# ")?.split_once(": ")?;
    let (kind, told) = match told.strip_prefix("a secret ") {
        Some(told) => (Kind::Secret, told),
        None => (Kind::Plain, told.strip_prefix("plain ")?),
    };
    let value_type = told.split([',', ';']).next().unwrap_or_default().trim_end();
    let is_known = ["text", "int", "bool", "url"].contains(&value_type);
    let is_optional = told.split("; ").any(|part| part.trim_end() == "optional");
    is_known.then_some(Hint { name, kind, value_type, is_optional })
}

fn from_example(text: &[u8]) -> Result<Manifest> {
    let variables = parse_dotenv(text)?;
    let hints = hints(std::str::from_utf8(text).unwrap_or_default());
    let text_of = |text: &str| Json::Text(text.to_owned());
    let mut entries: Vec<Vec<(String, Json)>> = Vec::new();
    for (name, _) in &variables {
        let hint = hints.binary_search_by_key(&name.as_str(), |hint| hint.name).ok().and_then(|at| hints.get(at));
        let kind = hint.map_or(if is_secret(name) { Kind::Secret } else { Kind::Plain }, |hint| hint.kind);
        let mut entry = vec![("name".to_owned(), text_of(name)), ("kind".to_owned(), text_of(kind.name()))];
        if let Some(hint) = hint {
            entry.push(("type".to_owned(), text_of(hint.value_type)));
            entry.push(("required".to_owned(), Json::Bool(!hint.is_optional)));
        }
        entries.push(entry);
    }
    let manifest = read_entries(&entries)?;
    for ((entry, fields), (_, value)) in manifest.entries().iter().zip(&mut entries).zip(&variables) {
        let is_left_open = value.is_empty()
            || check_value(entry, value.expose()).iter().any(|found| matches!(found, Weakness::Placeholder(_)));
        if entry.kind == Kind::Plain && !is_left_open {
            // EXPOSE: what stands in an example for all to see.
            fields.push(("default".to_owned(), text_of(std::str::from_utf8(value.expose()).unwrap_or_default())));
        }
    }
    read_entries(&entries)
}

fn read_entries(entries: &[Vec<(String, Json)>]) -> Result<Manifest> {
    let entries = entries.iter().cloned().map(Json::Object).collect();
    Manifest::read(Json::Object(vec![
        ("version".to_owned(), Json::Unsigned(1)),
        ("entries".to_owned(), Json::List(entries)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"version": 1, "namespace": "nexus", "environments": ["dev", "prod"], "entries": [
        {"name": "PASSWORD", "environments": ["prod"], "minimum_length": 16, "classes": ["symbol", "lower"],
         "pattern": "*", "sensitivity": "critical", "generator": {"kind": "password", "length": 24},
         "note": "Sundays", "notify": ["dba@corp.test"], "type": "text"},
        {"name": "PORT", "kind": "plain", "type": "int", "default": 5432, "required": false}]}"#;

    fn code(format: &str, text: &[u8]) -> ErrorCode {
        read_manifest(format, text).unwrap_err().code()
    }

    fn kinds(text: &str) -> Vec<String> {
        let told = read_manifest("dotenv", text.as_bytes()).unwrap();
        let manifest = Manifest::read(read(&told).unwrap()).unwrap();
        let shown = |entry: &Entry| {
            format!("{} {} {} {:?}", entry.slot.name(), entry.kind.name(), entry.value_type.name(), entry.default)
        };
        manifest.entries().iter().map(shown).collect()
    }

    #[test]
    fn what_is_told_of_a_manifest_reads_as_the_same() {
        let told = read_manifest("json", WHOLE.as_bytes()).unwrap();
        let as_written = Manifest::read(read(WHOLE).unwrap()).unwrap();
        assert_eq!(Manifest::read(read(&told).unwrap()).unwrap(), as_written);
        assert_eq!(read_manifest("json", told.as_bytes()).unwrap(), told);
    }

    #[test]
    fn an_example_that_was_written_from_a_manifest_reads_as_its_entries() {
        let text = manifest_example(WHOLE, Some("prod")).unwrap();
        assert!(text.contains("PORT=5432"), "{text}");
        let whole = r#"{"version": 1, "entries": [{"name": "DATABASE_URL", "type": "url", "required": false},
            {"name": "PORT", "kind": "plain", "type": "int", "default": 5432}, {"name": "SALT", "kind": "plain"}]}"#;
        let text = manifest_example(whole, None).unwrap();
        let again = read_manifest("dotenv", text.as_bytes()).unwrap();
        assert_eq!(again, read_manifest("json", whole.as_bytes()).unwrap());
    }

    #[test]
    fn an_example_of_anybodys_is_read_by_its_names() {
        let agent = "POSTGRES_HOST=postgres.example.com\nPOSTGRES_PORT=5432\nPOSTGRES_PASSWORD=your_password_here\n\
            API_KEY=sk-canary\nMONKEY=1\nLOG_LEVEL=\n";
        assert_eq!(
            kinds(agent),
            [
                "POSTGRES_HOST plain text None",
                "POSTGRES_PORT plain text Some(\"5432\")",
                "POSTGRES_PASSWORD secret text None",
                "API_KEY secret text None",
                "MONKEY plain text Some(\"1\")",
                "LOG_LEVEL plain text None",
            ]
        );
        assert!(!read_manifest("dotenv", agent.as_bytes()).unwrap().contains("canary"));
    }

    #[test]
    fn what_is_wrong_with_the_text_is_wrong_with_the_manifest() {
        for (format, text) in [("json", "{"), ("json", "[]"), ("dotenv", "A=1\nA=2"), ("dotenv", "two words")] {
            assert_eq!(code(format, text.as_bytes()), ErrorCode::ManifestInvalid, "{text}");
        }
        assert_eq!(code("ini", b""), ErrorCode::InvalidArgument);
        assert_eq!(code("json", &vec![b' '; 11 << 20]), ErrorCode::LimitExceeded);
        assert_eq!(manifest_example(WHOLE, Some("staging")).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
