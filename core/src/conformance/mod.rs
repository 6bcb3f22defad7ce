//! A kit that tells the author of a store whether it keeps the storage contract.
//!
//! It is a flow like any other: it asks a store what a vault would ask, and judges the answers. So one kit serves every
//! host, synchronous or not, through the driver that the host has anyway.
//!
//! What it can't see, since a flow has one request open at a time: whether commits of several processes get in each
//! other's way, and whether a `load` of several records sees one state of the store. Both must be so.

mod checks;
mod probe;

use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{EventScope, Flow, Io};
use crate::record::RecordKind;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use probe::{Probe, Stop};
use serde::Serialize;

/// What a check found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The name of the check.
    pub check: &'static str,
    /// What the store did that it must not do, in one line.
    pub says: String,
}

/// What the kit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks that the store passed, by name.
    pub passed: Vec<&'static str>,
    /// The others.
    pub failures: Vec<Failure>,
}

impl Report {
    fn note(&mut self, check: &'static str, outcome: Result<(), Stop>) -> Result<()> {
        match outcome {
            Ok(()) => self.passed.push(check),
            Err(Stop::Wrong(says)) => self.failures.push(Failure { check, says }),
            Err(Stop::Failed(request)) => {
                let message = format!(
                    "the check `{check}` came to no end: the store failed, or answered `{request}` with something else; look at the cause"
                );
                return Err(Error::new(ErrorCode::StorageFailed, message));
            }
        }
        Ok(())
    }
}

/// Puts a store to the test. It must be empty, and holds rows of the test afterwards: never give it one that is in use.
///
/// Errors of the flow: `INVALID_ARGUMENT` for a store that is not empty; `STORAGE_FAILED` when the store fails, or gives
/// an answer of another shape, which ends the test.
///
/// ```
/// use strongroom::conformance::check_store;
/// use strongroom::store::{MemoryStore, drive};
/// # use strongroom::{Entropy, Result, Timestamp};
/// # struct Counting(u64);
/// # impl Entropy for Counting {
/// #     fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
/// #         self.0 += 1;
/// #         buffer.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
/// #         Ok(())
/// #     }
/// # }
/// # let entropy = Box::new(Counting(0));
/// let report = drive(check_store(entropy), &mut MemoryStore::new(), || Timestamp::from_millis(0))?;
/// assert_eq!(report.failures, []);
/// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
/// ```
pub fn check_store(entropy: Box<dyn Entropy>) -> Flow<Report> {
    Flow::new(entropy, |io| async move { run(io).await })
}

async fn run(io: Io) -> Result<Report> {
    let probe = Probe::new(io);
    if !is_empty(&probe).await? {
        let message = "the store is not empty: the kit writes into it, so give it one that was made for the test";
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut report = Report::default();
    macro_rules! note {
        ($($check:ident)*) => { $( report.note(stringify!($check), checks::$check(&probe).await)?; )* };
    }
    note! {
        load_gives_what_was_asked
        values_are_kept_whole
        names_are_exact
        reads_are_fresh
        compare_and_swap
        compare_and_swap_of_each_record
        all_or_nothing
        idempotent_by_operation_id
        counters_stand_beside_records
        events_are_kept
        places_of_events_are_unique
        queries_are_exact
        page_order
        cursors
        lookups
    }
    Ok(report)
}

async fn is_empty(probe: &Probe) -> Result<bool> {
    let failed = |_: Stop| {
        Error::new(
            ErrorCode::StorageFailed,
            "the store failed, or answered its first questions with something else; look at the cause",
        )
    };
    for kind in [RecordKind::Secret, RecordKind::Pending, RecordKind::Stream, RecordKind::Head] {
        if !probe.list_page((kind, None), 1, None).await.map_err(failed)?.0.is_empty() {
            return Ok(false);
        }
    }
    Ok(probe.events_page(EventScope::Latest, 1, None).await.map_err(failed)?.0.is_empty())
}
