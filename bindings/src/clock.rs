//! The time of this machine, for Rust hosts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strongroom::Timestamp;
use strongroom::store::Clock;

/// The system's clock; to wait, it puts the thread to sleep.
///
/// ```
/// use strongroom::store::Clock;
/// use strongroom_bindings::SystemClock;
/// assert!(SystemClock.now().as_millis() > 1_700_000_000_000);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&mut self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn wait(&mut self, millis: u64) {
        std::thread::sleep(Duration::from_millis(millis));
    }
}
