//! The world outside, as narrow as the responder needs it.

use std::collections::BTreeMap;
use std::future::Future;

use mend_core::automation::{DocumentVersion, ExecutionId, OpsItemId, RunbookName};
use mend_core::identity::{Fingerprint, IncidentId};
use mend_core::incident::{AttemptReport, Incident, Plan};
use mend_core::policy::RouteName;
use mend_core::report::{MendEvent, Notification, OpsItemContent};
use mend_core::signal::Signal;
use mend_core::switches::Switches;
use mend_core::time::Timestamp;

use crate::error::CallError;

/// Something to tell an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What a cause says.
    Signal(Signal),
    /// How an attempt ended.
    Outcome(AttemptReport),
}

impl News {
    /// Who says it: of one teller, only something newer is news.
    #[must_use]
    pub fn teller(&self) -> String {
        match self {
            Self::Signal(signal) => signal.cause.key(),
            // Whoever runs the runbook by hand under the same incident and attempt is another teller.
            Self::Outcome(report) => format!("{ATTEMPT}{}", report.execution),
        }
    }

    /// When it was told.
    #[must_use]
    pub const fn told_at(&self) -> ToldAt {
        match self {
            Self::Signal(signal) => ToldAt { at: signal.at, recorded_at: signal.recorded_at },
            Self::Outcome(report) => ToldAt { at: report.ended_at, recorded_at: report.ended_at },
        }
    }

    /// Whether it may begin a row. A clear does, too: a violation that it has overtaken must find it.
    #[must_use]
    pub const fn begins(&self) -> bool {
        match self {
            Self::Signal(_) => true,
            Self::Outcome(_) => false,
        }
    }
}

/// When something was told: as of when, and of two words as of the same time the later recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldAt {
    /// As of when.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// What the tellers of outcomes begin with.
const ATTEMPT: &str = "attempt/";

/// The right to work on an incident, for as long as the invocation can last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: unique for each claim.
    pub holder: String,
    /// Until when.
    pub until: Timestamp,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Rises with every write.
    pub version: u64,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// The incident; none yet while its first news is still in the inbox.
    pub incident: Option<Incident>,
    /// News that no invocation has taken in yet.
    pub inbox: Vec<News>,
    /// By teller: the time of the newest news that has been taken in.
    pub heard: BTreeMap<String, ToldAt>,
}

impl Row {
    /// Whether nothing is left to do until news comes.
    #[must_use]
    pub fn settled(&self) -> bool {
        let outbox_is_empty = self.incident.as_ref().is_none_or(|incident| incident.outbox.is_empty());
        self.lease.is_none() && self.inbox.is_empty() && outbox_is_empty
    }

    /// Forgets whose outcomes were heard. An outcome of a generation that is over is nobody's any more.
    pub(crate) fn forget_attempts(&mut self) {
        self.heard.retain(|teller, _| !teller.starts_with(ATTEMPT));
    }

    /// Whether the row holds this news, or newer from the same teller.
    #[must_use]
    pub fn knows(&self, news: &News) -> bool {
        let teller = news.teller();
        self.heard.get(&teller).is_some_and(|told_at| *told_at >= news.told_at())
            || self.inbox.iter().any(|waiting| waiting.teller() == teller && waiting.told_at() >= news.told_at())
    }
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The row is the caller's, and the news is in its inbox.
    Mine(Row),
    /// Another invocation holds the row.
    Busy(Row),
    /// The row is at rest and knows the news: nothing is left to do.
    Known(Row),
    /// There is no row, and the news opens none.
    Nothing,
}

/// The hold that one incident's attempts have on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As it was.
    Unchanged,
    /// Take it: fails if another incident has it.
    Take,
    /// Give it back.
    Release,
}

/// One write of a row.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// Which row.
    pub fingerprint: &'a Fingerprint,
    /// The row as it shall be; `row.version` is the version that it replaces.
    pub row: &'a Row,
    /// What becomes of the hold on the resource, in the same transaction.
    pub hold: Hold,
    /// What executions found before their changes, kept for their restore runbooks.
    pub before_states: &'a [AttemptReport],
    /// The generation that this write ends, kept as history.
    pub history: Option<&'a Incident>,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done; this is the row's new version.
    Version(u64),
    /// The row is no longer the version that was to be replaced.
    Overtaken,
    /// Another incident's attempt holds the resource.
    ResourceHeld(IncidentId),
}

/// The ledger: the only state that Mend keeps.
pub trait Ledger {
    /// Claims the row for the news: one conditional upsert that puts the news into the inbox.
    fn claim(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        lease: &Lease,
        now: Timestamp,
    ) -> impl Future<Output = Result<Claim, CallError>>;

    /// Puts news into the inbox of a row that `holder` still holds. `false`: it does not any more.
    fn append(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        holder: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, CallError>>;

    /// Reads the row.
    fn read(&self, fingerprint: &Fingerprint) -> impl Future<Output = Result<Option<Row>, CallError>>;

    /// Replaces the row.
    fn write(&self, write: &Write<'_>) -> impl Future<Output = Result<Written, CallError>>;
}

/// `OpsCenter`.
pub trait OpsCenter {
    /// Creates the OpsItem, or finds the one that has the same dedup string.
    fn create(&self, content: &OpsItemContent) -> impl Future<Output = Result<OpsItemId, CallError>>;

    /// Makes the OpsItem say what `content` says. `false`: there is no such OpsItem any more.
    fn update(&self, id: &OpsItemId, content: &OpsItemContent) -> impl Future<Output = Result<bool, CallError>>;
}

/// A start of a runbook.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// What.
    pub plan: &'a Plan,
    /// For which incident.
    pub incident: &'a IncidentId,
    /// For which attempt.
    pub attempt: mend_core::identity::AttemptNumber,
    /// The key: Automation starts one execution for it.
    pub client_token: String,
}

/// Systems Manager Automation.
pub trait Automation {
    /// The version that a runbook's next execution should use.
    fn version(&self, runbook: &RunbookName) -> impl Future<Output = Result<DocumentVersion, CallError>>;

    /// Starts an execution. `None`: it has been started before, and its id is not known.
    fn start(&self, start: &Start<'_>) -> impl Future<Output = Result<Option<ExecutionId>, CallError>>;
}

/// Whom people listen to.
pub trait Topic {
    /// Publishes.
    fn publish(&self, notification: &Notification) -> impl Future<Output = Result<(), CallError>>;
}

/// Mend's own event bus.
pub trait EventBus {
    /// Puts one event.
    fn put(&self, event: &MendEvent) -> impl Future<Output = Result<(), CallError>>;
}

/// Operators' switches.
pub trait SwitchBoard {
    /// Reads what bears on a route; not older than 30 seconds.
    fn switches(&self, route: &RouteName) -> impl Future<Output = Result<Switches, CallError>>;
}

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// All of it.
pub trait World: Ledger + OpsCenter + Automation + Topic + EventBus + SwitchBoard + Clock {}

impl<W: Ledger + OpsCenter + Automation + Topic + EventBus + SwitchBoard + Clock> World for W {}
