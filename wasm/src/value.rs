//! Values and errors as they cross between JavaScript and the core.

use strongroom::{Error, ErrorCode, SecretBytes};
use wasm_bindgen::prelude::{JsCast, JsValue};

/// Takes a value from JavaScript: a string or a `Uint8Array`. Errors: `INVALID_ARGUMENT`.
pub(crate) fn value_of(value: &JsValue) -> Result<SecretBytes, JsValue> {
    if let Some(text) = value.as_string() {
        return Ok(SecretBytes::new(text.into_bytes()));
    }
    match value.dyn_ref::<js_sys::Uint8Array>() {
        Some(bytes) => Ok(SecretBytes::new(bytes.to_vec())),
        None => Err(thrown(Error::new(ErrorCode::InvalidArgument, "give a string or a Uint8Array"))),
    }
}

/// The same for a value that may be absent.
pub(crate) fn optional_value_of(value: &JsValue) -> Result<Option<SecretBytes>, JsValue> {
    if value.is_undefined() || value.is_null() { Ok(None) } else { value_of(value).map(Some) }
}

/// What JavaScript throws: an `Error` whose `code` is the wire name of the core's.
pub(crate) fn thrown(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(error.message());
    // Setting a property of an object that was just made does not fail.
    let _ = js_sys::Reflect::set(&thrown, &"code".into(), &error.code().name().into());
    thrown.into()
}
