//! `.env.example`: what a manifest asks for, as a file to copy and fill in.

use super::{CLASSES, Entry, Kind, Manifest};
use crate::reference::is_variable;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

const HEAD: &str = "# What this application needs, written from its manifest.\n\
                    # Copy it to .env, fill it in, and keep that file out of version control.\n";

/// The text of `.env.example` for an environment, or for all of them: notes and rules as comments, `NAME=default` for
/// plain entries, `NAME=` for secrets. A name that is no variable's, and the second entry for a variable, are comments
/// only: they are set in the vault.
///
/// ```
/// use strongroom::manifest::{Manifest, dotenv_example};
/// use strongroom::wire::{Json, read};
/// let tree: Json = read(r#"{"version": 1, "entries": [
///     {"name": "LOG_LEVEL", "kind": "plain", "default": "INFO"},
///     {"name": "API_KEY", "pattern": "sk-*", "note": "From the provider's dashboard."}]}"#).unwrap();
/// let text = dotenv_example(&Manifest::read(tree)?, None);
/// assert!(text.ends_with("\
/// ## LOG_LEVEL: plain text
/// LOG_LEVEL=INFO
///
/// ## API_KEY: a secret text, like `sk-*`; fill in your own
/// ## From the provider's dashboard.
/// API_KEY=
/// "));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn dotenv_example(manifest: &Manifest, environment: Option<&str>) -> String {
    let mut text = String::from(HEAD);
    if let Some(environment) = environment {
        comment(&mut text, &format!("Environment: {environment}"));
    }
    let mut entries: Vec<_> = manifest.entries.iter().filter(|entry| entry.is_for(environment)).enumerate().collect();
    // The first entry for each variable, found by sorting: there may be 10,000.
    entries.sort_by_key(|(index, entry)| (entry.slot.name(), *index));
    let mut later: Vec<usize> = Vec::new();
    for [(_, entry), (index, next)] in entries.array_windows() {
        if entry.slot.name() == next.slot.name() {
            later.push(*index);
        }
    }
    later.sort_unstable();
    entries.sort_unstable_by_key(|(index, _)| *index);
    for (index, entry) in entries {
        text.push('\n');
        comment(&mut text, &format!("{}: {}", entry.slot, description(entry)));
        for line in entry.note.iter().flat_map(|note| note.lines()) {
            comment(&mut text, line);
        }
        let name = entry.slot.name();
        if !is_variable(name) {
            comment(&mut text, "Set it in the vault: its name is no variable's.");
        } else if later.binary_search(&index).is_ok() {
            comment(&mut text, "Set it in the vault: the variable of this name is another entry's.");
        } else {
            text.push_str(name);
            text.push('=');
            quote(&mut text, entry.default.as_deref().unwrap_or_default());
            text.push('\n');
        }
    }
    text
}

/// A line that nothing in it can end: control characters become spaces.
fn comment(text: &mut String, line: &str) {
    text.push_str("# ");
    text.extend(line.trim_end().chars().map(|character| if character.is_control() { ' ' } else { character }));
    text.push('\n');
}

fn description(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::Secret => "a secret ",
        Kind::Plain => "plain ",
    };
    let mut told = format!("{kind}{}", entry.value_type.name());
    // INVARIANT: writing into a String does not fail.
    if let Some(minimum) = entry.minimum_length {
        let _ = write!(told, ", {minimum} characters at least");
    }
    if !entry.classes.is_empty() {
        let wanted = CLASSES.iter().filter(|(_, class)| entry.classes.contains(class));
        let classes: Vec<_> = wanted.map(|(name, _)| *name).collect();
        let _ = write!(told, ", with {}", classes.join(", "));
    }
    if let Some(pattern) = &entry.pattern {
        let _ = write!(told, ", like `{}`", pattern.as_str());
    }
    if let Some(environments) = &entry.environments {
        let _ = write!(told, ", in {}", environments.join(", "));
    }
    if !entry.required {
        told.push_str("; optional");
    }
    if entry.kind == Kind::Secret {
        told.push_str("; fill in your own");
    }
    told
}

/// A value as most readers of such files read it, expanding nothing: bare where that is safe, in single quotes where nothing
/// in it needs an escape, otherwise in double quotes.
fn quote(text: &mut String, value: &str) {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,:/@%+=".contains(&byte);
    if value.bytes().all(is_bare) {
        text.push_str(value);
    } else if !value.contains(['\'', '\\']) && !value.chars().any(char::is_control) {
        text.push('\'');
        text.push_str(value);
        text.push('\'');
    } else {
        text.push('"');
        for character in value.chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '"' | '\\' | '$' => text.extend(['\\', character]),
                _ => text.push(character),
            }
        }
        text.push('"');
    }
}
