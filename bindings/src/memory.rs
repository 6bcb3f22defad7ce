//! The store in memory, for Python: a request as JSON in, an answer as JSON out. JavaScript has its own (ADR 0012).

use crate::{invalid_arguments, json_of};
use spin::Mutex;
use strongroom::wire::read;
use strongroom::{Request, Result, store};

/// Records and events in memory, gone with the process. Safe to share between threads.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<store::MemoryStore>);

impl MemoryStore {
    /// Answers a request such as `{"load": {"keys": [...]}}`. Errors: `INVALID_ARGUMENT`.
    pub fn answer(&self, request: &str) -> Result<String> {
        let request: Request = read(request).map_err(|fault| invalid_arguments("the request", &fault))?;
        Ok(json_of(&self.0.lock().answer(&request)))
    }
}
