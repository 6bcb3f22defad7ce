//! What is wrong with a value, by the rules of its entry.
//!
//! A weakness names the rule, never the value, its length or a part of it.

use super::placeholder::{PlaceholderRule, rule_of};
use super::{Entry, ValueType};
use crate::generate::CharacterClass;
use alloc::vec::Vec;
use core::fmt;

/// A rule that a value does not keep. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It is of another type.
    WrongType(ValueType),
    /// It has fewer characters than this.
    TooShort(usize),
    /// It has no character of this class.
    LacksClass(CharacterClass),
    /// It does not match the entry's pattern.
    PatternNotMet,
    /// It looks like a placeholder.
    Placeholder(PlaceholderRule),
    /// It is the TLS mode of a database, and one that lets somebody listen.
    WeakSslMode,
}

impl Weakness {
    /// A name that never changes: `wrong_type`, `too_short`, `lacks_class`, `pattern_not_met`, `placeholder` or
    /// `weak_ssl_mode`.
    pub const fn name(&self) -> &'static str {
        match self {
            Weakness::WrongType(_) => "wrong_type",
            Weakness::TooShort(_) => "too_short",
            Weakness::LacksClass(_) => "lacks_class",
            Weakness::PatternNotMet => "pattern_not_met",
            Weakness::Placeholder(_) => "placeholder",
            Weakness::WeakSslMode => "weak_ssl_mode",
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weakness::WrongType(ValueType::Text) => f.write_str("it is not text: it must be UTF-8"),
            Weakness::WrongType(ValueType::Int) => f.write_str("it is no integer of 64 bits"),
            Weakness::WrongType(ValueType::Bool) => f.write_str("it is neither true nor false"),
            Weakness::WrongType(ValueType::Url) => f.write_str("it is no URL: it must begin with a scheme and `://`"),
            Weakness::TooShort(minimum) => write!(f, "it is too short: it must have {minimum} characters at least"),
            Weakness::LacksClass(class) => f.write_str(match class {
                CharacterClass::Lower => "it has no lower-case letter (a-z)",
                CharacterClass::Upper => "it has no upper-case letter (A-Z)",
                CharacterClass::Digit => "it has no digit (0-9)",
                CharacterClass::Symbol => "it has no symbol: a character that is no letter, digit or space",
            }),
            Weakness::PatternNotMet => f.write_str("it does not have the form that `pattern` gives"),
            Weakness::Placeholder(rule) => write!(f, "it looks like a placeholder: {rule}"),
            Weakness::WeakSslMode => {
                f.write_str("the connection may go unencrypted: use require, verify-ca or verify-full")
            }
        }
    }
}

/// Everything that is weak about a value; nothing when it keeps the rules of its entry.
///
/// How long a password must be and of which classes is the entry's to say; that a value is no placeholder, and that what
/// ends in `_SSL_MODE` demands encryption, is looked at always.
pub fn check_value(entry: &Entry, value: &[u8]) -> Vec<Weakness> {
    let Ok(value) = core::str::from_utf8(value) else { return alloc::vec![Weakness::WrongType(entry.value_type)] };
    let mut weaknesses = broken_rules(entry, value);
    weaknesses.extend(rule_of(value, entry.kind).map(Weakness::Placeholder));
    if is_ssl_mode(entry.slot.name()) && !STRONG_SSL_MODES.iter().any(|mode| mode.eq_ignore_ascii_case(value.trim())) {
        weaknesses.push(Weakness::WeakSslMode);
    }
    weaknesses
}

/// The rules that the entry itself sets.
pub(super) fn broken_rules(entry: &Entry, value: &str) -> Vec<Weakness> {
    let mut broken = Vec::new();
    if !is_of_type(entry.value_type, value) {
        broken.push(Weakness::WrongType(entry.value_type));
    }
    if let Some(minimum) = entry.minimum_length.filter(|minimum| value.chars().count() < *minimum) {
        broken.push(Weakness::TooShort(minimum));
    }
    for class in &entry.classes {
        if !value.chars().any(|character| is_in(*class, character)) {
            broken.push(Weakness::LacksClass(*class));
        }
    }
    if entry.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value)) {
        broken.push(Weakness::PatternNotMet);
    }
    broken
}

fn is_in(class: CharacterClass, character: char) -> bool {
    match class {
        CharacterClass::Lower => character.is_ascii_lowercase(),
        CharacterClass::Upper => character.is_ascii_uppercase(),
        CharacterClass::Digit => character.is_ascii_digit(),
        CharacterClass::Symbol => {
            !character.is_ascii_alphanumeric() && !character.is_whitespace() && !character.is_control()
        }
    }
}

fn is_of_type(value_type: ValueType, value: &str) -> bool {
    match value_type {
        ValueType::Text => true,
        ValueType::Int => value.parse::<i64>().is_ok() || value.parse::<u64>().is_ok(),
        ValueType::Bool => BOOLS.iter().any(|word| word.eq_ignore_ascii_case(value)),
        ValueType::Url => is_url(value),
    }
}

const BOOLS: &[&str] = &["true", "false", "yes", "no", "on", "off", "1", "0"];

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        && !rest.is_empty()
        && !rest.chars().any(|character| character.is_whitespace() || character.is_control())
}

/// PostgreSQL's, and MySQL's names for the same.
const STRONG_SSL_MODES: &[&str] =
    &["require", "verify-ca", "verify-full", "required", "verify_ca", "verify_full", "verify_identity"];

fn is_ssl_mode(name: &str) -> bool {
    ["SSL_MODE", "SSLMODE"].iter().any(|end| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
    })
}
