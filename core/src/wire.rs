//! Reading JSON field by field: what crosses to hosts and stands in stores.
//!
//! Shapes are strict: a field that is missing, unknown or of another type is refused. It is done over
//! [`serde_json::Value`] and not by serde's derive, whose code for these shapes, several kilobytes for each, was half of the
//! module that browsers load (`docs/adr/0011`). Writing is derived.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Map, Value};

/// What is wrong with the shape of some JSON: names the field where it can, and repeats no value.
pub type Fault = Cow<'static, str>;

const WRONG_TYPE: Fault = Cow::Borrowed("a field has the wrong type or an unknown value");

/// What can be read from JSON.
pub trait FromJson: Sized {
    /// Reads it.
    fn from_json(value: Value) -> Result<Self, Fault>;

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
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Of an object.
    pub fn of(value: Value) -> Result<Fields, Fault> {
        match value {
            Value::Object(fields) => Ok(Fields(fields)),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Takes a field.
    pub fn take<T: FromJson>(&mut self, name: &str) -> Result<T, Fault> {
        match self.0.remove(name) {
            Some(value) => T::from_json(value),
            None => T::absent().ok_or_else(|| format!("missing field `{name}`").into()),
        }
    }

    /// Ends the reading. Whatever was not taken is unknown.
    pub fn end(self) -> Result<(), Fault> {
        match self.0.keys().next() {
            Some(name) => Err(format!("unknown field `{name}`").into()),
            None => Ok(()),
        }
    }
}

/// The tag and the content of one of several shapes: `"tag"`, whose content is null, or `{"tag": content}`.
pub(crate) fn tagged(value: Value) -> Result<(String, Value), Fault> {
    match value {
        Value::String(tag) => Ok((tag, Value::Null)),
        Value::Object(fields) if fields.len() == 1 => fields.into_iter().next().ok_or(WRONG_TYPE),
        _ => Err(WRONG_TYPE),
    }
}

/// The fault of a tag or name that is none.
pub(crate) const fn unknown() -> Fault {
    WRONG_TYPE
}

impl FromJson for String {
    fn from_json(value: Value) -> Result<Self, Fault> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(WRONG_TYPE),
        }
    }
}

impl FromJson for bool {
    fn from_json(value: Value) -> Result<Self, Fault> {
        value.as_bool().ok_or(WRONG_TYPE)
    }
}

impl FromJson for u64 {
    fn from_json(value: Value) -> Result<Self, Fault> {
        value.as_u64().ok_or(WRONG_TYPE)
    }
}

impl FromJson for i64 {
    fn from_json(value: Value) -> Result<Self, Fault> {
        value.as_i64().ok_or(WRONG_TYPE)
    }
}

impl FromJson for u32 {
    fn from_json(value: Value) -> Result<Self, Fault> {
        u64::from_json(value)?.try_into().map_err(|_| WRONG_TYPE)
    }
}

impl FromJson for usize {
    fn from_json(value: Value) -> Result<Self, Fault> {
        u64::from_json(value)?.try_into().map_err(|_| WRONG_TYPE)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Value) -> Result<Self, Fault> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Array(values) => values.into_iter().map(T::from_json).collect(),
            _ => Err(WRONG_TYPE),
        }
    }
}

impl<A: FromJson, B: FromJson> FromJson for (A, B) {
    fn from_json(value: Value) -> Result<Self, Fault> {
        let pair: [Value; 2] = Vec::from_json(value)?.try_into().map_err(|_| WRONG_TYPE)?;
        let [first, second] = pair;
        Ok((A::from_json(first)?, B::from_json(second)?))
    }
}

impl FromJson for Value {
    fn from_json(value: Value) -> Result<Self, Fault> {
        Ok(value)
    }
}

/// Reads a struct from an object with exactly its fields.
macro_rules! read_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::wire::FromJson for $type {
            fn from_json(value: serde_json::Value) -> core::result::Result<Self, $crate::wire::Fault> {
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
            fn from_json(value: serde_json::Value) -> core::result::Result<Self, $crate::wire::Fault> {
                match value.as_str() {
                    $(Some($name) => Ok($type::$variant),)*
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
                let value = <serde_json::Value as serde::Deserialize>::deserialize(from)?;
                $crate::wire::FromJson::from_json(value).map_err(serde::de::Error::custom)
            }
        }
    )* };
}

pub(crate) use {deserialize_as_read, read_fields, read_names};

#[cfg(test)]
mod tests {
    use super::*;
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
        let shape = |value: Value| Shape::from_json(value).map_err(Cow::into_owned);
        let whole = Shape { text: "a".into(), number: Some(7), list: alloc::vec![true] };
        assert_eq!(shape(json!({ "text": "a", "number": 7, "list": [true] })), Ok(whole));
        assert!(shape(json!({ "text": "a", "number": null, "list": [] })).is_ok());
        assert!(shape(json!({ "text": "a", "list": [] })).is_ok());
        let faults = [
            (json!({ "number": 7, "list": [] }), "missing field `text`"),
            (json!({ "text": "a", "list": [], "lists": [] }), "unknown field `lists`"),
            (json!({ "text": null, "list": [] }), "a field has the wrong type or an unknown value"),
            (json!({ "text": "a", "number": "hunter2", "list": [] }), "a field has the wrong type or an unknown value"),
            (json!({ "text": "a", "number": -1, "list": [] }), "a field has the wrong type or an unknown value"),
            (json!({ "text": "a", "number": 1.5, "list": [] }), "a field has the wrong type or an unknown value"),
            (json!({ "text": "a", "list": "hunter2" }), "a field has the wrong type or an unknown value"),
            (json!(["a", 7, []]), "a field has the wrong type or an unknown value"),
        ];
        for (value, fault) in faults {
            assert_eq!(shape(value), Err(fault.into()));
        }
    }
}
