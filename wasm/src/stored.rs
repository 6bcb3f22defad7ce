//! Documents as stores.

use crate::value::thrown;
use strongroom_bindings::SharedDocument;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A document, for stores over what the host can read and write.
#[wasm_bindgen]
pub struct NativeDocument {
    document: SharedDocument,
}

/// What a document answered.
#[wasm_bindgen(getter_with_clone, inspectable)]
pub struct NativeAnswered {
    /// As JSON.
    pub answer: String,
    /// To write in place of what was read.
    pub text: Option<Vec<u8>>,
}

/// A document with texts of at most so many bytes.
#[wasm_bindgen(js_name = makeDocument)]
#[must_use]
pub fn make_document(limit: Option<u32>) -> NativeDocument {
    NativeDocument { document: SharedDocument::new(limit.and_then(|limit| limit.try_into().ok())) }
}

#[wasm_bindgen]
impl NativeDocument {
    /// Answers a request as JSON over a text.
    pub fn answer(&self, request: &str, text: Option<Vec<u8>>) -> Result<NativeAnswered, JsValue> {
        let (answer, text) = self.document.answer(text.as_deref(), request).map_err(thrown)?;
        Ok(NativeAnswered { answer, text })
    }
}
