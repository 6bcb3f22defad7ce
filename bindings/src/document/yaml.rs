//! YAML 1.2, its core schema, without what makes two readers differ or a small text large.
//!
//! Built from the parser's events, so that every bound holds before anything is built: an alias is refused where it stands,
//! and nothing is ever copied out.

use super::{DEPTH_MAX, Format, VALUES_MAX, fault, has_doubled, too_deep, too_many};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag, options};
use std::mem;
use strongroom::wire::Json;
use strongroom::{Error, Result};

const WHAT: &str = Format::Yaml.shown();

pub(super) fn parse(text: &str) -> Result<Json> {
    let options = options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX + 1,
        block_nesting_limit: DEPTH_MAX + 1,
    };
    let mut tree = Tree::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| refused(error.marker().line(), error.kind()))?;
        tree.line = span.start.line();
        tree.add(event)?;
    }
    // A text of nothing but comments is empty, and YAML's empty document is null.
    Ok(tree.root.unwrap_or(Json::Null))
}

fn refused(line: usize, kind: &ErrorKind) -> Error {
    // The parser's own messages quote what they read.
    let why = match kind {
        ErrorKind::RecursionLimitExceeded => return too_deep(WHAT),
        ErrorKind::DirectiveDisallowed => "directives are not read: remove the line that begins with %",
        ErrorKind::UnknownAnchor => "aliases are not read: write the value out",
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "a tab stands where YAML takes spaces alone"
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "a quote is not closed, or what it holds is not indented"
        }
        _ => "it is no YAML here; text that begins with a sign such as & * ! % @ ` or { needs quotes",
    };
    fault(WHAT, line, why)
}

/// A container that is not closed yet.
enum Open {
    List(Vec<Json>),
    Object { fields: Vec<(String, Json)>, key: Option<String>, line: usize },
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Json>,
    documents: usize,
    values: usize,
    line: usize,
}

impl Tree {
    fn add(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.fault("a second document begins: give each a file of its own"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_anchor(anchor)?;
                self.scalar(&text, style, tag.as_deref())
            }
            Event::SequenceStart(_, anchor, tag) => self.enter(anchor, tag.as_deref(), Open::List(Vec::new())),
            Event::MappingStart(_, anchor, tag) => {
                let line = self.line;
                self.enter(anchor, tag.as_deref(), Open::Object { fields: Vec::new(), key: None, line })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => Err(self.fault("aliases are not read: write the value out")),
            // No option asks for what is left.
            _ => Err(self.fault("it is not read")),
        }
    }

    fn fault(&self, why: &str) -> Error {
        fault(WHAT, self.line, why)
    }

    fn check_anchor(&self, anchor: usize) -> Result<()> {
        if anchor == 0 { Ok(()) } else { Err(self.fault("anchors are not read: write the value out")) }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<()> {
        let is_plain = matches!(style, ScalarStyle::Plain);
        let is_text = match tag {
            None => !is_plain,
            Some(tag) if tag.core_suffix() == Some("str") => true,
            Some(_) => return Err(self.fault("tags are not read, but for !!str")),
        };
        let value = if is_text { Json::Text(text.to_owned()) } else { plain(text) };
        if let Some(Open::Object { key: key @ None, .. }) = self.open.last_mut() {
            return match value {
                Json::Text(name) if is_text || name != "<<" => {
                    *key = Some(name);
                    Ok(())
                }
                Json::Text(_) => Err(self.fault("merge keys are not read: write the fields out")),
                _ => Err(self.fault("a key is no text: write it in quotes")),
            };
        }
        self.count()?;
        self.put(value)
    }

    fn count(&mut self) -> Result<()> {
        self.values += 1;
        if self.values > VALUES_MAX { Err(too_many(WHAT)) } else { Ok(()) }
    }

    fn enter(&mut self, anchor: usize, tag: Option<&Tag>, container: Open) -> Result<()> {
        self.check_anchor(anchor)?;
        if tag.is_some() {
            return Err(self.fault("tags are not read, but for !!str"));
        }
        if let Some(Open::Object { key: None, .. }) = self.open.last() {
            return Err(self.fault("a key is no text: write it in quotes"));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(too_deep(WHAT));
        }
        self.count()?;
        self.open.push(container);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(Open::List(items)) => self.put(Json::List(items)),
            Some(Open::Object { fields, line, .. }) => {
                if has_doubled(&fields) {
                    return Err(fault(WHAT, line, "the mapping that begins here has a key twice: remove one of them"));
                }
                self.put(Json::Object(fields))
            }
            None => Err(self.fault("it closes what was not opened")),
        }
    }

    fn put(&mut self, value: Json) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object { fields, key, .. }) => match mem::take(key) {
                Some(key) => fields.push((key, value)),
                None => return Err(self.fault("a key is no text: write it in quotes")),
            },
            None => self.root = Some(value),
        }
        Ok(())
    }
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2), but for digits after a leading zero: those stay text, since they
/// are a file's mode or somebody's number, and readers differ about them.
fn plain(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Json::Fraction,
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Json::Fraction;
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| is_in_radix(digits, radix)) {
            return u64::from_str_radix(digits, radix).map_or(Json::Fraction, Json::Unsigned);
        }
    }
    if is_in_radix(digits, 10) {
        return match () {
            () if digits.len() > 1 && digits.starts_with('0') => Json::Text(text.to_owned()),
            () if text.starts_with('-') && digits != "0" => text.parse().map_or(Json::Fraction, Json::Negative),
            () => digits.parse().map_or(Json::Fraction, Json::Unsigned),
        };
    }
    if is_float(digits) { Json::Fraction } else { Json::Text(text.to_owned()) }
}

fn is_in_radix(digits: &str, radix: u32) -> bool {
    !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, without its sign.
fn is_float(text: &str) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let are_digits = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let has_number = match fraction {
        None => !whole.is_empty(),
        Some(fraction) => !(whole.is_empty() && fraction.is_empty()),
    };
    has_number
        && are_digits(whole)
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && are_digits(exponent))
}
