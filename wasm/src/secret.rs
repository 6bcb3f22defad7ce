//! A value that JavaScript holds by a handle.

use crate::value::{thrown, value_of};
use std::cell::RefCell;
use strongroom::{Error, ErrorCode, MaskStyle, SecretBytes};
use strongroom_bindings::revealed_text;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A value in the module's memory.
#[wasm_bindgen]
pub struct NativeSecret {
    value: RefCell<Option<SecretBytes>>,
}

impl NativeSecret {
    pub(crate) fn new(value: SecretBytes) -> Self {
        NativeSecret { value: RefCell::new(Some(value)) }
    }

    pub(crate) fn into_value(self) -> Option<SecretBytes> {
        self.value.into_inner()
    }

    pub(crate) fn with<T>(&self, use_value: impl FnOnce(&SecretBytes) -> Result<T, JsValue>) -> Result<T, JsValue> {
        match self.value.borrow().as_ref() {
            Some(value) => use_value(value),
            None => Err(thrown(Error::new(ErrorCode::InvalidArgument, "the secret was wiped: get it again"))),
        }
    }
}

#[wasm_bindgen]
extern "C" {
    /// JavaScript's handle of a [`NativeSecret`], for arguments that may be absent: an `Option<&NativeSecret>` can't cross.
    #[wasm_bindgen(typescript_type = "NativeSecret")]
    pub type SecretHandle;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn copy(this: &SecretHandle) -> Result<NativeSecret, JsValue>;
}

/// Takes a value from JavaScript.
#[wasm_bindgen(js_name = makeSecret)]
pub fn make_secret(value: &JsValue) -> Result<NativeSecret, JsValue> {
    value_of(value).map(NativeSecret::new)
}

#[wasm_bindgen]
impl NativeSecret {
    /// The value as text.
    #[wasm_bindgen(js_name = revealText)]
    pub fn reveal_text(&self) -> Result<JsValue, JsValue> {
        self.with(|value| revealed_text(value).map(JsValue::from_str).map_err(thrown))
    }

    /// The value as bytes.
    #[wasm_bindgen(js_name = revealBytes)]
    pub fn reveal_bytes(&self) -> Result<js_sys::Uint8Array, JsValue> {
        // EXPOSE: the host asked for it by name.
        self.with(|value| Ok(js_sys::Uint8Array::from(value.expose())))
    }

    /// The value, masked.
    pub fn masked(&self, style: &str) -> Result<String, JsValue> {
        let style = MaskStyle::from_name(style).map_err(thrown)?;
        // EXPOSE: masked on the way.
        self.with(|value| Ok(strongroom::mask::mask(value.expose(), style)))
    }

    /// Whether two values are the same.
    pub fn equals(&self, other: &NativeSecret) -> Result<bool, JsValue> {
        self.with(|value| other.with(|other| Ok(value == other)))
    }

    /// The same value once more, to be wiped by itself.
    pub fn copy(&self) -> Result<NativeSecret, JsValue> {
        self.with(|value| Ok(NativeSecret::new(SecretBytes::copy_of(value.expose()))))
    }

    /// Lets go of the value.
    pub fn wipe(&self) {
        self.value.replace(None);
    }
}
