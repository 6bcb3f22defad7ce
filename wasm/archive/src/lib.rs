//! Age files for the browser, in a module of its own: pages that export and import nothing do not load it.

#[path = "../../src/allocator.rs"]
mod allocator;
#[path = "../../src/value.rs"]
mod value;

use getrandom_of_age as _;
use strongroom::{Error, ErrorCode, SecretBytes};
use strongroom_bindings::archive::{Form, Identities, Recipients, open, seal};
use value::{optional_value_of, thrown, value_of};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// The age file of an archive, for a passphrase or, without one, for recipients.
#[wasm_bindgen(js_name = sealArchive)]
pub fn seal_archive(
    archive: &JsValue,
    passphrase: &JsValue,
    recipients: Vec<String>,
    armor: bool,
) -> Result<Vec<u8>, JsValue> {
    let to = match optional_value_of(passphrase)? {
        Some(passphrase) => Recipients::passphrase(passphrase),
        None => Recipients::parse(&recipients),
    };
    let form = if armor { Form::Armored } else { Form::Binary };
    to.and_then(|to| seal(&value_of(archive).map_err(|_| no_bytes())?, &to, form)).map_err(thrown)
}

/// The archive in an age file, opened with a passphrase or, without one, with identities.
#[wasm_bindgen(js_name = openArchive)]
pub fn open_archive(file: &[u8], passphrase: &JsValue, identities: Vec<JsValue>) -> Result<Vec<u8>, JsValue> {
    let with = match optional_value_of(passphrase)? {
        Some(passphrase) => Identities::passphrase(passphrase),
        None => {
            let texts: Vec<SecretBytes> = identities.iter().map(value_of).collect::<Result<_, _>>()?;
            Identities::parse(&texts)
        }
    };
    let archive = with.and_then(|with| open(file, &with)).map_err(thrown)?;
    // EXPOSE: the page's other module takes it, and the copy here is wiped.
    Ok(archive.expose().to_vec())
}

fn no_bytes() -> Error {
    Error::new(ErrorCode::InvalidArgument, "an archive is bytes")
}
