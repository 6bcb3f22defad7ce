//! How often a secret is to get a new value, and where it stands.

use crate::time::Timestamp;
use crate::wire::read_names;
use serde::Serialize;

/// How much harm a leak would do: it says how often the value is to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Every 30 days.
    Critical,
    /// Every 90 days.
    High,
    /// Every 180 days.
    #[default]
    Standard,
    /// As needed.
    None,
}

read_names!(Sensitivity { "critical" => Critical, "high" => High, "standard" => Standard, "none" => None });

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

impl Sensitivity {
    /// The longest time between two values, in days; absent when there is no limit.
    ///
    /// ```
    /// use strongroom::rotation::Sensitivity;
    /// assert_eq!(Sensitivity::default().days(), Some(180));
    /// ```
    pub const fn days(self) -> Option<u32> {
        match self {
            Sensitivity::Critical => Some(30),
            Sensitivity::High => Some(90),
            Sensitivity::Standard => Some(180),
            Sensitivity::None => None,
        }
    }

    /// When a value from `last_rotated` on is due; absent when it never is, or when nobody knows since when it is there.
    pub fn due(self, last_rotated: Option<Timestamp>) -> Option<Timestamp> {
        let days = self.days()?;
        Some(last_rotated?.plus_millis(i64::from(days) * DAY_MILLIS))
    }
}

/// Where a secret stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its value is young enough.
    Compliant,
    /// It is due within the days that were asked about.
    DueSoon,
    /// It should have got a new value by now.
    Overdue,
    /// Nobody knows since when its value is there: an old program wrote it and no time beside it.
    Never,
}

impl Standing {
    /// Of a value at an instant, `ahead` being how far ahead `DueSoon` looks, in milliseconds.
    pub fn of(sensitivity: Sensitivity, last_rotated: Option<Timestamp>, now: Timestamp, ahead: i64) -> Standing {
        match (sensitivity.days(), sensitivity.due(last_rotated)) {
            (None, _) => Standing::Compliant,
            (Some(_), None) => Standing::Never,
            (Some(_), Some(due)) if due <= now => Standing::Overdue,
            (Some(_), Some(due)) if due <= now.plus_millis(ahead) => Standing::DueSoon,
            (Some(_), Some(_)) => Standing::Compliant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_due_soon_then_overdue_and_judged_to_the_millisecond() {
        let at = |day: i64| Timestamp::from_millis(day * DAY_MILLIS);
        let standing = |now: Timestamp| Standing::of(Sensitivity::Critical, Some(at(0)), now, 7 * DAY_MILLIS);
        assert_eq!(standing(at(23).plus_millis(-1)), Standing::Compliant);
        assert_eq!(standing(at(23)), Standing::DueSoon);
        assert_eq!(standing(at(30).plus_millis(-1)), Standing::DueSoon);
        assert_eq!(standing(at(30)), Standing::Overdue);
        assert_eq!(Standing::of(Sensitivity::High, None, at(0), 0), Standing::Never);
        assert_eq!(Standing::of(Sensitivity::None, None, at(9999), 0), Standing::Compliant);
    }
}
