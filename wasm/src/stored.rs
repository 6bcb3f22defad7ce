//! Documents as stores.

use crate::value::thrown;
use js_sys::{Object, Reflect, Uint8Array};
use strongroom_bindings::SharedDocument;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A document, for stores over what the host can read and write.
#[wasm_bindgen]
pub struct NativeDocument {
    document: SharedDocument,
}

/// A document with texts of at most so many bytes.
#[wasm_bindgen(js_name = makeDocument)]
#[must_use]
pub fn make_document(limit: Option<u32>) -> NativeDocument {
    NativeDocument { document: SharedDocument::new(limit.and_then(|limit| limit.try_into().ok())) }
}

#[wasm_bindgen]
impl NativeDocument {
    /// Answers a request as JSON over a text: the answer, and what to write in place of the text, if anything.
    #[wasm_bindgen(unchecked_return_type = "{ answer: string; text?: Uint8Array }")]
    pub fn answer(&self, request: &str, text: Option<Vec<u8>>) -> Result<JsValue, JsValue> {
        let (answer, text) = self.document.answer(text.as_deref(), request).map_err(thrown)?;
        let answered = Object::new();
        Reflect::set(&answered, &"answer".into(), &answer.into())?;
        if let Some(text) = text {
            Reflect::set(&answered, &"text".into(), &Uint8Array::from(text.as_slice()).into())?;
        }
        Ok(answered.into())
    }
}
