//! Reading a chat command. A refusal never repeats what was written: it may hold a value.

use crate::error::{Error, ErrorCode};
use crate::ident::Slot;
use crate::record::Change;
use crate::secret::SecretBytes;
use alloc::string::{String, ToString};

/// A command that was understood.
pub(super) enum Command {
    Change { change: Change, slot: Slot, value: Option<SecretBytes> },
    Get { slot: Slot },
    List,
    Audit { slot: Slot },
    Confirm { id: String },
    Cancel { id: String },
    Help,
}

impl Command {
    pub(super) fn carries_value(&self) -> bool {
        matches!(self, Command::Change { value: Some(_), .. })
    }
}

/// Why a text is no command, and whether it may have carried a value all the same.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Error,
    pub(super) carried_value: bool,
}

pub(super) const USAGE: &str = "\
secret set <name> <value>
secret get <name>
secret list
secret rotate <name> <new-value>
secret delete <name>
secret audit <name>
secret confirm <id>
secret cancel <id>";

/// Reads a command. The words before a value are separated by any white space, and case does not count in verbs.
pub(super) fn parse(text: &[u8]) -> Result<Command, Refusal> {
    let text = core::str::from_utf8(text).map_err(|_| refuse("write it as text:\n", true))?;
    let (word, rest) = next_word(text);
    if !word.trim_start_matches('/').eq_ignore_ascii_case("secret") {
        return Err(refuse("commands begin with `secret`:\n", true));
    }
    let (verb, rest) = next_word(rest);
    // Compared in place: a word that is no verb may be a value, and is not copied.
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    if is("set") {
        with_value(Change::Set, rest)
    } else if is("rotate") {
        with_value(Change::Rotate, rest)
    } else if is("delete") {
        Ok(Command::Change { change: Change::Delete, slot: only_name(rest)?, value: None })
    } else if is("get") {
        Ok(Command::Get { slot: only_name(rest)? })
    } else if is("audit") {
        Ok(Command::Audit { slot: only_name(rest)? })
    } else if is("confirm") {
        Ok(Command::Confirm { id: only_word(rest)?.to_string() })
    } else if is("cancel") {
        Ok(Command::Cancel { id: only_word(rest)?.to_string() })
    } else if is("list") && rest.trim().is_empty() {
        Ok(Command::List)
    } else if is("") || is("help") {
        Ok(Command::Help)
    } else {
        // The unknown verb, or what follows it, may well be a value: `secret put NAME VALUE`.
        Err(refuse("there is no such command; these are:\n", true))
    }
}

fn with_value(change: Change, rest: &str) -> Result<Command, Refusal> {
    let (name, value) = next_word(rest);
    let slot = slot(name).map_err(|error| Refusal { error, carried_value: !value.is_empty() })?;
    if value.is_empty() {
        return Err(refuse("a name and a value are needed:\n", !name.is_empty()));
    }
    Ok(Command::Change { change, slot, value: Some(SecretBytes::copy_of(value.as_bytes())) })
}

fn only_name(rest: &str) -> Result<Slot, Refusal> {
    slot(only_word(rest)?).map_err(|error| Refusal { error, carried_value: true })
}

fn only_word(rest: &str) -> Result<&str, Refusal> {
    let (word, more) = next_word(rest);
    if word.is_empty() {
        return Err(refuse("one more word is needed:\n", false));
    }
    if !more.trim().is_empty() {
        return Err(refuse("there are words too many; write:\n", true));
    }
    Ok(word)
}

fn slot(word: &str) -> crate::error::Result<Slot> {
    match word.split_once(':') {
        Some((namespace, name)) => Slot::parse_stored(Some(namespace), name),
        None => Slot::parse_stored(None, word),
    }
}

/// The first word, and what follows the one white-space character after it: a value is kept to the letter.
fn next_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest),
        None => (text, ""),
    }
}

fn refuse(why: &str, carried_value: bool) -> Refusal {
    let error = Error::new(ErrorCode::CommandInvalid, alloc::format!("I did not understand that: {why}{USAGE}"));
    Refusal { error, carried_value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> (Change, String, Option<String>) {
        match parse(text.as_bytes()).ok().unwrap() {
            Command::Change { change, slot, value } => {
                let value = value.map(|value| String::from_utf8(value.expose().to_vec()).unwrap());
                (change, slot.to_string(), value)
            }
            _ => panic!("{text} is a change"),
        }
    }

    #[test]
    fn a_value_is_the_rest_of_the_line_to_the_letter() {
        for (text, value) in [
            ("secret set A  two  words ", " two  words "),
            ("/secret SET A x", "x"),
            ("secret rotate A -----BEGIN\nKEY-----\n", "-----BEGIN\nKEY-----\n"),
        ] {
            assert_eq!(changed(text).2.unwrap(), value);
        }
        assert_eq!(changed("secret set nexus:mcp.bun.apiKey v").1, "nexus:mcp.bun.apiKey");
        assert_eq!(changed("secret delete A"), (Change::Delete, "A".into(), None));
    }

    #[test]
    fn text_that_is_no_command_is_refused_without_being_repeated() {
        for (text, carried_value) in [
            ("secret set", false),
            ("secret set canary", true),
            ("secret canary", true),
            ("secret put NAME canary", true),
            ("canary", true),
            ("secret get NAME canary", true),
            ("secret list canary", true),
            ("secret set a\0b canary", true),
        ] {
            let refusal = parse(text.as_bytes()).err().unwrap();
            assert_eq!(refusal.carried_value, carried_value, "{text:?}");
            assert!(!refusal.error.message().contains("canary"), "{text:?}");
        }
        assert!(parse(&[0xff]).is_err());
    }
}
