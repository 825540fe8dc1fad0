//! What must always hold, checked against what really happened in the account and not against what Mend believes.
//!
//! `starts` is asked at every start of an execution, `ending` when a world has come to rest. What a write of the
//! ledger has to keep is checked in [`account::ledger`](crate::account::ledger), at every write.

pub(crate) mod ending;
pub(crate) mod starts;
