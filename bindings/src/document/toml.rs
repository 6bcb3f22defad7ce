//! TOML. The crate `toml` reads it; its depth and the number of its tokens are bounded before.

use super::{DEPTH_MAX, Format, VALUES_MAX, fault, line_at, too_deep, too_many};
use strongroom::Result;
use strongroom::wire::Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

const WHAT: &str = Format::Toml.shown();

/// A value has about six: a key, a sign, the value, what is between them, the end of its line.
const TOKENS_MAX: usize = 8 * VALUES_MAX;

pub(super) fn parse(text: &str) -> Result<Json> {
    check_size(text)?;
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.as_bytes().get(..start).unwrap_or_default();
        // The parser's own messages quote what they read. This one it has as it stands.
        let is_doubled = error.message() == "duplicate key";
        fault(WHAT, line_at(before), if is_doubled { "a key is there twice" } else { "it is no TOML here" })
    })?;
    let mut values = 0;
    tree_of(&DeValue::Table(table.into_inner()), 0, &mut values)
}

/// Bounds depth and number of tokens, before the parser keeps either. Every bracket counts as a level, and every dot, since
/// a dotted key opens a table with each; a number's dot counts too. The tree itself is measured exactly afterwards.
fn check_size(text: &str) -> Result<()> {
    let mut levels: Vec<usize> = Vec::new();
    let (mut outer, mut dots) = (0_usize, 0_usize);
    for (index, token) in Source::new(text).lex().enumerate() {
        if index > TOKENS_MAX {
            return Err(too_many(WHAT));
        }
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Comma | TokenKind::Newline => dots = 0,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                levels.push(dots + 1);
                outer += dots + 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                outer -= levels.pop().unwrap_or(0);
                dots = 0;
            }
            _ => {}
        }
        if outer + dots > DEPTH_MAX + 2 {
            return Err(too_deep(WHAT));
        }
    }
    Ok(())
}

// INVARIANT: it calls itself at most DEPTH_MAX times.
fn tree_of(value: &DeValue<'_>, depth: usize, values: &mut usize) -> Result<Json> {
    *values += 1;
    if *values > VALUES_MAX {
        return Err(too_many(WHAT));
    }
    if depth == DEPTH_MAX && matches!(value, DeValue::Array(_) | DeValue::Table(_)) {
        return Err(too_deep(WHAT));
    }
    Ok(match value {
        DeValue::String(text) => Json::Text(text.clone().into_owned()),
        DeValue::Integer(number) => integer(number.as_str(), number.radix()),
        DeValue::Float(_) => Json::Fraction,
        DeValue::Boolean(value) => Json::Bool(*value),
        DeValue::Datetime(instant) => Json::Text(instant.to_string()),
        DeValue::Array(items) => {
            let items: Result<_> = items.iter().map(|item| tree_of(item.get_ref(), depth + 1, values)).collect();
            Json::List(items?)
        }
        DeValue::Table(table) => {
            // By where they stand: the table itself has them by name.
            let mut fields: Vec<_> = table.iter().collect();
            fields.sort_by_key(|(name, _)| Spanned::span(name).start);
            let mut read = Vec::new();
            for (name, value) in fields {
                read.push((name.get_ref().clone().into_owned(), tree_of(value.get_ref(), depth + 1, values)?));
            }
            Json::Object(read)
        }
    })
}

fn integer(digits: &str, radix: u32) -> Json {
    u64::from_str_radix(digits, radix)
        .map(Json::Unsigned)
        .or_else(|_| {
            i64::from_str_radix(digits, radix)
                .map(|number| u64::try_from(number).map_or(Json::Negative(number), Json::Unsigned))
        })
        .unwrap_or(Json::Fraction)
}
