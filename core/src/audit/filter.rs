//! Which events a host wants to be told of.

use super::{Action, Event, Outcome};
use crate::error::{Error, ErrorCode, Result};
use crate::record::Reason;
use alloc::vec::Vec;

/// A choice of events: those that one of its names stands for.
///
/// ```
/// use strongroom::audit::{Event, EventFilter};
/// let filter = EventFilter::parse(&["denied", "set_policy"])?;
/// let denied = Event { outcome: Some("denied".into()), ..Event::default() };
/// assert!(filter.takes(&denied) && !filter.takes(&Event::default()));
/// assert!(EventFilter::parse(&["danied"]).is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter(Vec<Kind>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Denied,
    Failed,
    PreviousUsed,
    Overdue,
    Emergency,
    Of(Action),
}

impl EventFilter {
    /// From names: `denied` (whoever may not), `error` (what failed), `previous_used` (a previous value was accepted within its
    /// grace), `overdue`, `emergency`; and the names of [`Action`]s. No names stand for all events. Errors:
    /// `INVALID_ARGUMENT`.
    pub fn parse<T: AsRef<str>>(names: &[T]) -> Result<EventFilter> {
        names.iter().map(|name| Kind::parse(name.as_ref())).collect::<Result<_>>().map(EventFilter)
    }

    /// Whether it takes an event.
    pub fn takes(&self, event: &Event) -> bool {
        // What happened in another vault is no news here.
        !event.is_foreign() && (self.0.is_empty() || self.0.iter().any(|kind| kind.takes(event)))
    }
}

impl Kind {
    fn parse(name: &str) -> Result<Kind> {
        Ok(match name {
            "denied" => Kind::Denied,
            "error" => Kind::Failed,
            "previous_used" => Kind::PreviousUsed,
            "overdue" => Kind::Overdue,
            "emergency" => Kind::Emergency,
            name => {
                let message = "there are no events of that name: use denied, error, previous_used, overdue, emergency, or \
                               the name of an action, such as set_policy";
                return Action::from_name(name)
                    .map(Kind::Of)
                    .ok_or_else(|| Error::new(ErrorCode::InvalidArgument, message));
            }
        })
    }

    fn takes(self, event: &Event) -> bool {
        let is = |field: &Option<_>, name: &str| field.as_deref() == Some(name);
        match self {
            Kind::Denied => is(&event.outcome, Outcome::Denied.name()),
            Kind::Failed => is(&event.outcome, Outcome::Error.name()),
            Kind::PreviousUsed => is(&event.action, Action::VerifyPrevious.name()),
            Kind::Overdue => is(&event.action, Action::Overdue.name()),
            Kind::Emergency => {
                is(&event.action, Action::EmergencyRotate.name()) || is(&event.reason, Reason::Emergency.name())
            }
            Kind::Of(action) => is(&event.action, action.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_takes_its_events_and_no_others_and_none_takes_all() {
        let event = |action: &str, outcome: &str, reason: Option<&str>| Event {
            action: Some(action.into()),
            outcome: Some(outcome.into()),
            reason: reason.map(Into::into),
            ..Event::default()
        };
        let events = [
            event("get", "denied", None),
            event("get", "error", None),
            event("verify_previous", "success", None),
            event("overdue", "success", None),
            event("emergency_rotate", "success", None),
            event("rotate", "success", Some("emergency")),
            event("rotate", "success", Some("rotation")),
        ];
        let taken = |names: &[&str]| -> Vec<usize> {
            let filter = EventFilter::parse(names).unwrap();
            (0..events.len()).filter(|index| filter.takes(&events[*index])).collect()
        };
        assert_eq!(taken(&["denied"]), [0]);
        assert_eq!(taken(&["error"]), [1]);
        assert_eq!(taken(&["previous_used"]), [2]);
        assert_eq!(taken(&["overdue"]), [3]);
        assert_eq!(taken(&["emergency"]), [4, 5]);
        assert_eq!(taken(&["rotate"]), [5, 6]);
        assert_eq!(taken(&["denied", "rotate"]), [0, 5, 6]);
        assert_eq!(taken(&[]).len(), events.len());
        for wrong in ["", "Denied", "deny", "verify previous"] {
            assert_eq!(EventFilter::parse(&[wrong]).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
    }
}
