//! The store in memory, for hosts: a request as JSON in, an answer as JSON out.

use crate::invalid_arguments;
use spin::Mutex;
use strongroom::{Request, Result, store};

/// Records and events in memory, gone with the process. Safe to share between threads.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<store::MemoryStore>);

impl MemoryStore {
    /// Answers a request such as `{"load": {"keys": [...]}}`. Errors: `INVALID_ARGUMENT`.
    pub fn answer(&self, request: &str) -> Result<String> {
        let request: Request =
            serde_json::from_str(request).map_err(|error| invalid_arguments("the request", &error))?;
        let answer = self.0.lock().answer(&request);
        serde_json::to_string(&answer).map_err(|error| invalid_arguments("the answer", &error))
    }
}
