//! Reading JSON field by field: what crosses to hosts and stands in stores.
//!
//! Shapes are strict: a field that is missing, unknown, given twice or of another type is refused. It is done over a tree
//! and not by serde's derive, whose code for these shapes, several kilobytes for each, was half of the module that browsers
//! load (`docs/adr/0011`). Writing is derived.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroize;

/// What is wrong with the shape of some JSON: names the field where it can, and repeats no value.
pub type Fault = Cow<'static, str>;

// Not inlined: `take` is made for every type that is read.
#[cold]
#[inline(never)]
fn in_field(name: &str, fault: &str) -> Fault {
    format!("`{name}`: {fault}").into()
}

#[cold]
#[inline(never)]
fn at_place(index: usize, fault: &str) -> Fault {
    format!("[{index}] {fault}").into()
}

#[cold]
#[inline(never)]
fn missing(name: &str) -> Fault {
    format!("missing field `{name}`").into()
}

/// The fault of what is of another type.
const fn wants(what: &'static str) -> Fault {
    Cow::Borrowed(what)
}

/// JSON as a tree. Numbers are integers: a fraction has no place in any shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer from 0 on.
    Unsigned(u64),
    /// An integer below 0.
    Negative(i64),
    /// A number with a fraction or an exponent, whatever it is.
    Fraction,
    /// Text.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, its fields in the order in which they stand.
    Object(Vec<(String, Json)>),
}

impl Zeroize for Json {
    /// Wipes every text of it, for a tree that may hold secrets. Names of fields stay.
    fn zeroize(&mut self) {
        match self {
            Json::Text(text) => text.zeroize(),
            Json::List(items) => items.iter_mut().for_each(Zeroize::zeroize),
            Json::Object(fields) => fields.iter_mut().for_each(|(_, value)| value.zeroize()),
            Json::Null | Json::Bool(_) | Json::Unsigned(_) | Json::Negative(_) | Json::Fraction => {}
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Negative(value), Json::Unsigned))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Fraction)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Json::Object(fields))
    }
}

/// What can be read from JSON.
pub trait FromJson: Sized {
    /// Reads it.
    fn from_json(value: Json) -> Result<Self, Fault>;

    /// What a field means that is not there; nothing when it must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads JSON text.
///
/// ```
/// use strongroom::record::RecordKey;
/// use strongroom::wire::read;
/// let fault = read::<RecordKey>(r#"{"kind": "secret", "namespace": "default", "nam": "A"}"#).unwrap_err();
/// assert_eq!(fault, "missing field `name`");
/// ```
pub fn read<T: FromJson>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Cow::Borrowed("it is no JSON")).and_then(T::from_json)
}

/// The fields of an object, each to be taken once.
pub struct Fields(Vec<(String, Json)>);

impl Fields {
    /// Of an object.
    pub fn of(value: Json) -> Result<Fields, Fault> {
        match value {
            Json::Object(fields) => Ok(Fields(fields)),
            _ => Err(wants("it must be an object")),
        }
    }

    /// Takes a field.
    pub fn take<T: FromJson>(&mut self, name: &str) -> Result<T, Fault> {
        match self.remove(name) {
            Some(value) => T::from_json(value).map_err(|fault| in_field(name, &fault)),
            None => T::absent().ok_or_else(|| missing(name)),
        }
    }

    fn remove(&mut self, name: &str) -> Option<Json> {
        let place = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Ends the reading. Whatever was not taken is unknown, or there twice.
    pub fn end(self) -> Result<(), Fault> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        // A name of a field is repeated, since a misspelled one is a mistake that many make; something else is not.
        let is_name = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        Err(if is_name { format!("unknown field `{name}`").into() } else { wants("it has an unknown field") })
    }
}

/// The tag and the content of one of several shapes: `"tag"`, whose content is null, or `{"tag": content}`.
pub(crate) fn tagged(value: Json) -> Result<(String, Json), Fault> {
    match value {
        Json::Text(tag) => Ok((tag, Json::Null)),
        Json::Object(fields) if fields.len() == 1 => {
            fields.into_iter().next().ok_or(wants("it must be one of the names or shapes that the contract has"))
        }
        _ => Err(wants("it must be one of the names or shapes that the contract has")),
    }
}

/// The fault of a tag or name that is none.
pub(crate) const fn unknown() -> Fault {
    wants("it is none of the names that the contract has")
}

impl FromJson for String {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match value {
            Json::Text(text) => Ok(text),
            _ => Err(wants("it must be text")),
        }
    }
}

impl FromJson for bool {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match value {
            Json::Bool(value) => Ok(value),
            _ => Err(wants("it must be true or false")),
        }
    }
}

impl FromJson for u64 {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match value {
            Json::Unsigned(value) => Ok(value),
            _ => Err(wants("it must be an integer from 0 on")),
        }
    }
}

impl FromJson for i64 {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match value {
            Json::Unsigned(value) => value.try_into().map_err(|_| wants("it must be an integer")),
            Json::Negative(value) => Ok(value),
            _ => Err(wants("it must be an integer")),
        }
    }
}

impl FromJson for u32 {
    fn from_json(value: Json) -> Result<Self, Fault> {
        u64::from_json(value)?.try_into().map_err(|_| wants("it must be an integer from 0 on, of 32 bits"))
    }
}

impl FromJson for usize {
    fn from_json(value: Json) -> Result<Self, Fault> {
        u64::from_json(value)?.try_into().map_err(|_| wants("it must be an integer from 0 on"))
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Json) -> Result<Self, Fault> {
        if value == Json::Null { Ok(None) } else { T::from_json(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let Json::List(values) = value else { return Err(wants("it must be a list")) };
        // Not as long as the list beforehand: a hostile one of a few megabytes could ask for gigabytes.
        let mut read = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            read.push(T::from_json(value).map_err(|fault| at_place(index, &fault))?);
        }
        Ok(read)
    }
}

impl<A: FromJson, B: FromJson> FromJson for (A, B) {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let pair: [Json; 2] = Vec::from_json(value)?.try_into().map_err(|_| wants("it must be a pair"))?;
        let [first, second] = pair;
        Ok((A::from_json(first)?, B::from_json(second)?))
    }
}

impl FromJson for Json {
    fn from_json(value: Json) -> Result<Self, Fault> {
        Ok(value)
    }
}

/// Reads a struct from an object with exactly its fields.
macro_rules! read_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::wire::FromJson for $type {
            fn from_json(value: $crate::wire::Json) -> core::result::Result<Self, $crate::wire::Fault> {
                let mut fields = $crate::wire::Fields::of(value)?;
                let read = $type { $($field: fields.take(stringify!($field))?),* };
                fields.end()?;
                Ok(read)
            }
        }
    };
}

/// Reads an enum without content from its name.
macro_rules! read_names {
    ($type:ident { $($name:literal => $variant:ident),* $(,)? }) => {
        impl $crate::wire::FromJson for $type {
            fn from_json(value: $crate::wire::Json) -> core::result::Result<Self, $crate::wire::Fault> {
                match &value {
                    $($crate::wire::Json::Text(name) if name == $name => Ok($type::$variant),)*
                    _ => Err($crate::wire::unknown()),
                }
            }
        }
    };
}

/// serde's `Deserialize` on top, for Rust hosts whose stores speak it.
macro_rules! deserialize_as_read {
    ($($type:ty),* $(,)?) => { $(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> core::result::Result<Self, D::Error> {
                let value = <$crate::wire::Json as serde::Deserialize>::deserialize(from)?;
                $crate::wire::FromJson::from_json(value).map_err(serde::de::Error::custom)
            }
        }
    )* };
}

pub(crate) use {deserialize_as_read, read_fields, read_names};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use serde_json::json;

    #[derive(Debug, PartialEq)]
    struct Shape {
        text: String,
        number: Option<u64>,
        list: Vec<bool>,
    }

    read_fields!(Shape { text, number, list });

    #[test]
    fn shapes_are_strict_and_faults_name_the_field_and_no_value() {
        let shape = |value: serde_json::Value| read::<Shape>(&value.to_string()).map_err(Cow::into_owned);
        let whole = Shape { text: "a".into(), number: Some(7), list: alloc::vec![true] };
        assert_eq!(shape(json!({ "text": "a", "number": 7, "list": [true] })), Ok(whole));
        assert!(shape(json!({ "text": "a", "number": null, "list": [] })).is_ok());
        assert!(shape(json!({ "text": "a", "list": [] })).is_ok());
        let faults = [
            (json!({ "number": 7, "list": [] }), "missing field `text`"),
            (json!({ "text": "a", "list": [], "lists": [] }), "unknown field `lists`"),
            (json!({ "text": "a", "list": [], "hunter2 pasted": [] }), "it has an unknown field"),
            (json!({ "text": null, "list": [] }), "`text`: it must be text"),
            (json!({ "text": "a", "number": "hunter2", "list": [] }), "`number`: it must be an integer from 0 on"),
            (json!({ "text": "a", "number": -1, "list": [] }), "`number`: it must be an integer from 0 on"),
            (json!({ "text": "a", "number": 1.5, "list": [] }), "`number`: it must be an integer from 0 on"),
            (json!({ "text": "a", "list": "hunter2" }), "`list`: it must be a list"),
            (json!({ "text": "a", "list": [true, 7] }), "`list`: [1] it must be true or false"),
            (json!(["a", 7, []]), "it must be an object"),
        ];
        for (value, fault) in faults {
            assert_eq!(shape(value), Err(fault.into()));
        }
        let twice = read::<Shape>(r#"{"text": "a", "list": [], "text": "b"}"#);
        assert_eq!(twice.unwrap_err(), "unknown field `text`");
        assert_eq!(read::<Shape>("{").unwrap_err(), "it is no JSON");
    }
}
