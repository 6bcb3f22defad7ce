//! Instants as integer milliseconds since the Unix epoch, UTC. The core has no clock: each step of a flow brings one.

use crate::wire::{Fault, FromJson, Json};
use core::fmt;
use serde::Serialize;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch; negative before 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whether RFC 3339 can write it, years 0 to 9999: stores that keep instants as text can keep no other.
    pub(crate) const fn is_in_calendar(self) -> bool {
        matches!(self.0, -62_167_219_200_000..=253_402_300_799_999)
    }

    /// Later by so many milliseconds, held at the end of the range.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }
}

impl FromJson for Timestamp {
    fn from_json(value: Json) -> Result<Self, Fault> {
        i64::from_json(value).map(Timestamp)
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 with milliseconds, such as `2025-12-07T12:00:00.000Z`; outside years -9999 to 9999, the number itself.
    ///
    /// ```
    /// use strongroom::Timestamp;
    /// assert_eq!(Timestamp::from_millis(1_765_108_800_007).to_string(), "2025-12-07T12:00:00.007Z");
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(at) = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000) else {
            return write!(f, "{}ms", self.0);
        };
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn shows_known_instants() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "9223372036854775807ms"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn the_calendar_goes_from_the_year_0_to_9999() {
        let (first, last) = (-62_167_219_200_000, 253_402_300_799_999);
        assert_eq!(Timestamp::from_millis(first).to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(last).to_string(), "9999-12-31T23:59:59.999Z");
        for (millis, expected) in [(first - 1, false), (first, true), (last, true), (last + 1, false)] {
            assert_eq!(Timestamp::from_millis(millis).is_in_calendar(), expected, "{millis}");
        }
    }
}
