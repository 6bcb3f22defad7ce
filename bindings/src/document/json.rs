//! JSON. serde_json reads it; what it does not bound or refuse is looked at before and after.

use super::{DEPTH_MAX, Format, VALUES_MAX, fault, has_doubled, too_deep, too_many};
use strongroom::Result;
use strongroom::wire::Json;

const WHAT: &str = Format::Json.shown();

pub(super) fn parse(text: &str) -> Result<Json> {
    check_size(text)?;
    let tree: Json = serde_json::from_str(text).map_err(|error| {
        // Its line alone: messages of parsers quote what they read.
        fault(WHAT, error.line(), "it is no JSON here")
    })?;
    check_unique(&tree)?;
    Ok(tree)
}

/// Bounds depth and number of values before a tree is built, by what stands outside of strings. In what is no JSON the
/// count means nothing, and the parser refuses it.
fn check_size(text: &str) -> Result<()> {
    let (mut depth, mut values) = (0_usize, 1_usize);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(too_deep(WHAT));
        }
        if values > VALUES_MAX {
            return Err(too_many(WHAT));
        }
    }
    Ok(())
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

// INVARIANT: it calls itself at most DEPTH_MAX times, since a deeper tree is not built.
fn check_unique(tree: &Json) -> Result<()> {
    match tree {
        Json::List(items) => items.iter().try_for_each(check_unique),
        Json::Object(fields) if has_doubled(fields) => {
            let message = "the JSON has an object with a key twice: remove one of them";
            Err(strongroom::Error::new(strongroom::ErrorCode::InvalidArgument, message))
        }
        Json::Object(fields) => fields.iter().try_for_each(|(_, value)| check_unique(value)),
        _ => Ok(()),
    }
}
