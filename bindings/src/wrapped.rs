//! Wrapped keyrings as hosts have them: as they are, and opened to be changed.

use crate::{OsEntropy, invalid_arguments, json_of};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom::keyring::{DataKey, PassphraseCost, Unwrapped, Wrap, WrappedKeyring};
use strongroom::wire::{Fault, Fields, FromJson, Json, read};
use strongroom::{Error, ErrorCode, Keyring, Result, SecretBytes};

/// The wraps as JSON: an array of `{"label", "kind", "cost"}`, where the kind is `passphrase` or `host`, and the cost of a
/// passphrase `{"memory_kib", "passes", "lanes"}`.
pub fn wraps_info(wrapped: &WrappedKeyring) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        label: &'a str,
        kind: &'static str,
        cost: Option<Cost>,
    }
    #[derive(Serialize)]
    struct Cost {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    }
    let told = |wrap: &Wrap| {
        let cost = wrap.cost();
        let kind = if cost.is_some() { "passphrase" } else { "host" };
        let cost = cost.map(|cost| Cost { memory_kib: cost.memory_kib(), passes: cost.passes(), lanes: cost.lanes() });
        json_of(&Told { label: wrap.label(), kind, cost })
    };
    let wraps: Vec<String> = wrapped.wraps().map(told).collect();
    format!("[{}]", wraps.join(","))
}

/// What the host's `wrap` had made of the data key, of the wraps of its kind in their order: nothing behind the last.
pub fn host_wrap(wrapped: &WrappedKeyring, index: u32) -> Option<&[u8]> {
    wrapped.host_wraps().nth(usize::try_from(index).ok()?).map(|(_, opaque)| opaque)
}

/// A wrapped keyring that was opened, to be changed: it has the data key until it is closed.
pub struct OpenedKeyring(Mutex<State>);

struct State {
    wrapped: WrappedKeyring,
    keyring: Arc<Keyring>,
    // `None` once it is closed.
    data_key: Option<DataKey>,
}

impl OpenedKeyring {
    /// A keyring under a fresh data key, without a wrap yet. Errors: those of [`WrappedKeyring::seal`].
    pub fn seal(keyring: Arc<Keyring>) -> Result<Self> {
        let (wrapped, data_key) = WrappedKeyring::seal(&keyring, &mut OsEntropy)?;
        Ok(OpenedKeyring(Mutex::new(State { wrapped, keyring, data_key: Some(data_key) })))
    }

    /// Opens by a passphrase. Errors: those of [`WrappedKeyring::open_with_passphrase`].
    pub fn open_with_passphrase(wrapped: &WrappedKeyring, passphrase: &SecretBytes) -> Result<Self> {
        OpenedKeyring::of(wrapped, wrapped.open_with_passphrase(passphrase)?)
    }

    /// Opens by what the host's `unwrap` gave. Errors: those of [`WrappedKeyring::open_with_data_key`].
    pub fn open_with_data_key(wrapped: &WrappedKeyring, data_key: &SecretBytes) -> Result<Self> {
        OpenedKeyring::of(wrapped, wrapped.open_with_data_key(data_key)?)
    }

    fn of(wrapped: &WrappedKeyring, opened: Unwrapped) -> Result<Self> {
        let wrapped = copy_of(wrapped)?;
        let keyring = Arc::new(opened.keyring);
        Ok(OpenedKeyring(Mutex::new(State { wrapped, keyring, data_key: Some(opened.data_key) })))
    }

    /// The keyring, as it was sealed last.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.state().keyring)
    }

    /// As it is now, to keep. Errors: `INVALID_ARGUMENT` while there is no wrap.
    pub fn wrapped(&self) -> Result<WrappedKeyring> {
        copy_of(&self.state().wrapped)
    }

    /// The data key, for the host's own `wrap` and nothing else. Errors: `INVALID_ARGUMENT` once it is closed.
    pub fn data_key(&self) -> Result<SecretBytes> {
        self.state().with_key(|_, _, data_key| Ok(data_key.dangerous_export()))
    }

    /// Adds a passphrase, at a cost of `{"memory_kib", "passes", "lanes"}`, all of them optional.
    ///
    /// Errors: those of [`WrappedKeyring::add_passphrase`]; `INVALID_ARGUMENT` for the cost, and once it is closed.
    pub fn add_passphrase(&self, label: &str, passphrase: &SecretBytes, cost: &str) -> Result<()> {
        let cost = parse_cost(cost)?;
        self.state()
            .with_key(|wrapped, _, data_key| wrapped.add_passphrase(data_key, label, passphrase, cost, &mut OsEntropy))
    }

    /// Adds what the host's `wrap` made of the data key. Errors: those of [`WrappedKeyring::add_host`];
    /// `INVALID_ARGUMENT` once it is closed.
    pub fn add_host(&self, label: &str, opaque: &[u8]) -> Result<()> {
        self.state().with_key(|wrapped, _, data_key| wrapped.add_host(data_key, label, opaque))
    }

    /// Removes a wrap. Errors: those of [`WrappedKeyring::remove`]; `INVALID_ARGUMENT` once it is closed.
    pub fn remove(&self, label: &str) -> Result<()> {
        self.state().with_key(|wrapped, _, _| wrapped.remove(label))
    }

    /// Seals a changed keyring in place of the one that is there. Errors: those of [`WrappedKeyring::reseal`];
    /// `INVALID_ARGUMENT` once it is closed.
    pub fn reseal(&self, keyring: Arc<Keyring>) -> Result<()> {
        self.state().with_key(|wrapped, sealed, data_key| {
            wrapped.reseal(data_key, &keyring, &mut OsEntropy)?;
            *sealed = keyring;
            Ok(())
        })
    }

    /// Wipes the data key. What was made stays, and can't be changed any more.
    pub fn close(&self) {
        self.state().data_key = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn with_key<T>(
        &mut self,
        change: impl FnOnce(&mut WrappedKeyring, &mut Arc<Keyring>, &DataKey) -> Result<T>,
    ) -> Result<T> {
        match &self.data_key {
            Some(data_key) => change(&mut self.wrapped, &mut self.keyring, data_key),
            None => {
                let message = "the keyring was closed: open it again to change how it is wrapped";
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
        }
    }
}

fn copy_of(wrapped: &WrappedKeyring) -> Result<WrappedKeyring> {
    WrappedKeyring::parse(&wrapped.to_text()?)
}

fn parse_cost(cost: &str) -> Result<PassphraseCost> {
    let given = read::<Cost>(cost).map_err(|fault| invalid_arguments("the cost of a passphrase", &fault))?;
    let default = PassphraseCost::default();
    PassphraseCost::new(
        given.memory_kib.unwrap_or(default.memory_kib()),
        given.passes.unwrap_or(default.passes()),
        given.lanes.unwrap_or(default.lanes()),
    )
}

struct Cost {
    memory_kib: Option<u32>,
    passes: Option<u32>,
    lanes: Option<u32>,
}

impl FromJson for Cost {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let read = Cost {
            memory_kib: fields.take("memory_kib")?,
            passes: fields.take("passes")?,
            lanes: fields.take("lanes")?,
        };
        fields.end()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate_keyring;
    use strongroom::Timestamp;

    const CHEAP: &str = r#"{"memory_kib":8192,"passes":1}"#;

    fn ring() -> Arc<Keyring> {
        Arc::new(generate_keyring(None, Timestamp::from_millis(0)).unwrap())
    }

    fn phrase() -> SecretBytes {
        SecretBytes::copy_of(b"correct horse")
    }

    #[test]
    fn a_closed_one_keeps_what_was_made_and_takes_no_change() {
        let (keyring, other) = (ring(), ring());
        let opened = OpenedKeyring::seal(Arc::clone(&keyring)).unwrap();
        assert_eq!(opened.wrapped().err().unwrap().code(), ErrorCode::InvalidArgument);
        opened.add_passphrase("alice", &phrase(), CHEAP).unwrap();
        opened.add_host("kms", &[1, 2, 3]).unwrap();
        opened.reseal(Arc::clone(&other)).unwrap();
        opened.close();
        for refused in [
            opened.data_key().err(),
            opened.add_passphrase("bob", &phrase(), CHEAP).err(),
            opened.add_host("vault", &[1]).err(),
            opened.remove("kms").err(),
            opened.reseal(keyring).err(),
        ] {
            assert!(refused.unwrap().message().contains("closed"));
        }
        let wrapped = opened.wrapped().unwrap();
        assert_eq!((host_wrap(&wrapped, 0), host_wrap(&wrapped, 1)), (Some(&[1, 2, 3][..]), None));
        assert_eq!(
            wraps_info(&wrapped),
            r#"[{"label":"alice","kind":"passphrase","cost":{"memory_kib":8192,"passes":1,"lanes":1}},{"label":"kms","kind":"host","cost":null}]"#
        );
        let again = OpenedKeyring::open_with_passphrase(&wrapped, &phrase()).unwrap();
        assert!(again.keyring().keys().eq(other.keys()));
        assert!(opened.keyring().keys().eq(other.keys()));
        let data_key = again.data_key().unwrap();
        assert!(OpenedKeyring::open_with_data_key(&wrapped, &data_key).unwrap().keyring().keys().eq(other.keys()));
    }

    #[test]
    fn a_cost_is_read_strictly() {
        assert_eq!(parse_cost("{}").unwrap(), PassphraseCost::default());
        for (cost, code) in [
            (r#"{"memory":8192}"#, ErrorCode::InvalidArgument),
            (r#"{"memory_kib":8192.5}"#, ErrorCode::InvalidArgument),
            (r#"{"memory_kib":4294975488}"#, ErrorCode::InvalidArgument),
            (r#"{"passes":-1}"#, ErrorCode::InvalidArgument),
            (r#"{"passes":17}"#, ErrorCode::LimitExceeded),
        ] {
            assert_eq!(parse_cost(cost).unwrap_err().code(), code, "{cost}");
        }
    }
}
