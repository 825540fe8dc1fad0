//! The world outside, as narrow as the responder needs it.

use std::collections::BTreeMap;
use std::future::Future;

use mend_core::account::PrincipalArn;
use mend_core::automation::{APPROVE_AND_RUN, DocumentVersion, ExecutionId, OpsItemId, RunbookName};
use mend_core::breaker::Tallies;
use mend_core::budget::{BudgetLimits, Spent};
use mend_core::calendar::CalendarState;
use mend_core::exemption::ExemptionTags;
use mend_core::gathering::{GatheringId, Member};
use mend_core::identity::{AttemptNumber, Fingerprint, IncidentId};
use mend_core::incident::{AttemptReport, Incident, PersonsWord, Plan, Undoing};
use mend_core::policy::RouteName;
use mend_core::report::{ApprovalRequest, Gathering, MendEvent, Notification, OpsItemContent};
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{CauseState, ConfigRuleName, Signal};
use mend_core::time::Timestamp;

use crate::error::CallError;
use crate::execution::Execution;

/// Something to tell an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What a cause says.
    Signal(Signal),
    /// How an attempt ended.
    Outcome(AttemptReport),
    /// What a person says with the OpsItem.
    Person(PersonsWord),
    /// That a restore runbook has undone a repair.
    Undoing(Undoing),
}

impl News {
    /// Who says it: of one teller, only something newer is news.
    #[must_use]
    pub fn teller(&self) -> String {
        match self {
            Self::Signal(signal) => signal.cause.key(),
            // Whoever runs the runbook by hand under the same incident and attempt is another teller.
            // And a request for approval is another than the child that it ran.
            Self::Outcome(report) if report.runbook == APPROVE_AND_RUN => {
                format!("{ATTEMPT}{}", report.request.as_ref().unwrap_or(&report.execution))
            }
            Self::Outcome(report) => format!("{ATTEMPT}{}", report.execution),
            Self::Person(word) => format!("{OPS_ITEM}{}", word.ops_item),
            Self::Undoing(undoing) => format!("{ATTEMPT}{}", undoing.execution),
        }
    }

    /// When it was told.
    #[must_use]
    pub const fn told_at(&self) -> ToldAt {
        match self {
            Self::Signal(signal) => ToldAt { at: signal.at, recorded_at: signal.recorded_at },
            Self::Outcome(report) => ToldAt { at: report.ended_at, recorded_at: report.ended_at },
            Self::Person(word) => ToldAt { at: word.at, recorded_at: word.at },
            Self::Undoing(undoing) => ToldAt { at: undoing.at, recorded_at: undoing.at },
        }
    }

    /// Whether it may begin a row. A clear does, too: a violation that it has overtaken must find it.
    #[must_use]
    pub const fn begins(&self) -> bool {
        match self {
            Self::Signal(_) => true,
            Self::Outcome(_) | Self::Person(_) | Self::Undoing(_) => false,
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
/// What the tellers of people's words begin with.
const OPS_ITEM: &str = "ops-item/";

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

    /// Whether somebody works on it.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.until > now)
    }

    /// Whether it may need something, if only in time: `reconcile` looks at such rows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let over = self.incident.as_ref().is_none_or(|incident| incident.state.is_over());
        !self.settled() || !over
    }

    /// Forgets whose outcomes and whose words were heard. Those of a generation that is over are nobody's any more.
    pub(crate) fn forget_generation(&mut self) {
        self.heard.retain(|teller, _| !teller.starts_with(ATTEMPT) && !teller.starts_with(OPS_ITEM));
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

/// What becomes of the budgets, in the same transaction as the row: they are exact, and a crash leaks nothing.
///
/// Running attempts are kept as a set of fingerprints: an incident has one attempt at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booking {
    /// The route whose budget it is; none if nothing is booked.
    pub route: Option<RouteName>,
    /// An execution will be started, within these limits.
    pub start: Option<Start>,
    /// The incident's attempt is under way no more.
    pub ends: bool,
    /// An attempt has ended, and whether it failed: what the circuit breaker counts.
    pub ended: Option<bool>,
    /// The incident gets an OpsItem of its own, if fewer than so many others of the route got one in this hour, and
    /// fewer than [`OWN_OPS_ITEMS_A_DAY`](mend_core::gathering::OWN_OPS_ITEMS_A_DAY) of all routes on this day.
    pub own_ops_item: Option<u32>,
}

/// A start that is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The limits that it has to keep.
    pub limits: BudgetLimits,
    /// Whether an attempt is under way since. A request for approval is a start, and no attempt that is under way.
    pub runs: bool,
    /// When the execution may be started: two starts keep their distance. Not before the last booked one and
    /// [`SPACING`](mend_core::budget::SPACING), not later than is worth waiting for.
    pub latest: Timestamp,
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
    /// What becomes of the budgets, in the same transaction.
    pub booking: &'a Booking,
    /// The time of the write.
    pub now: Timestamp,
    /// What executions found before their changes, kept for their restore runbooks.
    pub before_states: &'a [AttemptReport],
    /// The generation that this write ends, kept as history.
    pub history: Option<&'a Incident>,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done.
    Done {
        /// The row's new version.
        version: u64,
        /// When the execution that was booked may be started.
        start_at: Option<Timestamp>,
    },
    /// The row is no longer the version that was to be replaced.
    Overtaken,
    /// Another incident's attempt holds the resource.
    ResourceHeld(IncidentId),
    /// A budget is spent.
    Spent(Spent),
    /// Enough incidents of the route have got an OpsItem of their own in this hour.
    TooManyOpsItems,
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

    /// Claims the row without news, to carry on what is left in it.
    fn resume(
        &self,
        fingerprint: &Fingerprint,
        lease: &Lease,
        now: Timestamp,
    ) -> impl Future<Output = Result<Claim, CallError>>;

    /// Rows that may need something, a page at a time, in no order that means anything, and a little behind.
    fn open_rows(&self, after: Option<&OpenKey>) -> impl Future<Output = Result<OpenRows, CallError>>;

    /// What has ended in this hour and the one before.
    fn tallies(&self, route: &RouteName, now: Timestamp) -> impl Future<Output = Result<Tallies, CallError>>;

    /// Whether something that is told once has been told. It is forgotten after 120 days.
    fn is_told(&self, key: &str) -> impl Future<Output = Result<bool, CallError>>;

    /// Takes down that it has been told.
    fn mark_told(&self, key: &str, now: Timestamp) -> impl Future<Output = Result<(), CallError>>;

    /// Puts an incident into a gathering, or what has become of it. Comes back with the gathering, which begins now if
    /// there is none yet, and else is as it was.
    fn gather(
        &self,
        id: &GatheringId,
        member: &Member,
        now: Timestamp,
    ) -> impl Future<Output = Result<Gathering, CallError>>;

    /// Those who are in a gathering, a page at a time, by fingerprint.
    fn members(
        &self,
        id: &GatheringId,
        after: Option<&Fingerprint>,
    ) -> impl Future<Output = Result<Members, CallError>>;

    /// Takes down what has become of a gathering. One that is over is no longer among the open rows.
    fn keep_gathering(&self, gathering: &Gathering) -> impl Future<Output = Result<(), CallError>>;

    /// Begins a run of `reconcile`. `None`: another one is under way.
    fn begin_run(&self, lease: &Lease, now: Timestamp)
    -> impl Future<Output = Result<Option<LastRun>, CallError>>;

    /// Ends the run that `holder` began.
    fn end_run(&self, holder: &str, run: &LastRun) -> impl Future<Output = Result<(), CallError>>;
}

/// A page of rows.
#[derive(Clone, Debug, Default)]
pub struct OpenRows {
    /// By fingerprint.
    pub rows: Vec<(Fingerprint, Row)>,
    /// Gatherings that are not over.
    pub gatherings: Vec<Gathering>,
    /// Those that could not be understood.
    pub not_understood: Vec<String>,
    /// Where the next page begins; none after the last.
    pub next: Option<OpenKey>,
}

/// Where a page of open rows ends, in the ledger's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenKey(pub String);

/// A page of those who are in a gathering.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// They.
    pub members: Vec<Member>,
    /// Where the next page begins; none after the last.
    pub next: Option<Fingerprint>,
}

/// What a run of `reconcile` leaves to the next. Each of its parts goes on where it stopped when its share of the
/// time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastRun {
    /// The incident that was looked at last; none if all were.
    pub incident: Option<Fingerprint>,
    /// Until when it heard what people did with OpsItems; none if there was no run yet.
    pub people_heard_at: Option<Timestamp>,
    /// The rule that Config is asked about next; none if it was asked about all.
    pub rule: Option<ConfigRuleName>,
    /// What the kill switch said when people were told about it last.
    pub kill: Option<String>,
}

/// `OpsCenter`.
pub trait OpsCenter {
    /// Creates the OpsItem, or finds the one that has the same dedup string and is not resolved.
    fn create(&self, content: &OpsItemContent) -> impl Future<Output = Result<OpsItemId, CallError>>;

    /// Makes the OpsItem say what `content` says, and sets its status if that is wanted. `false`: there is no
    /// such OpsItem any more.
    fn update(
        &self,
        id: &OpsItemId,
        content: &OpsItemContent,
        sets_status: bool,
    ) -> impl Future<Output = Result<bool, CallError>>;

    /// The OpsItem of an incident, whatever its status.
    fn find(&self, incident: &IncidentId) -> impl Future<Output = Result<Option<OpsItemId>, CallError>>;

    /// Mend's OpsItems that have changed since then.
    fn changed_since(&self, since: Timestamp) -> impl Future<Output = Result<Vec<OpsItemSeen>, CallError>>;
}

/// An OpsItem as OpsCenter shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsItemSeen {
    /// Which.
    pub id: OpsItemId,
    /// Of which incident, by its own data.
    pub incident: IncidentId,
    /// Whether its status is `Resolved`, and not `Open` or `InProgress`.
    pub is_resolved: bool,
    /// Who changed it last, if that is known.
    pub by: Option<PrincipalArn>,
    /// When.
    pub changed_at: Timestamp,
}

/// A start of a runbook.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// What.
    pub plan: &'a Plan,
    /// For which incident.
    pub incident: &'a IncidentId,
    /// For which attempt.
    pub attempt: AttemptNumber,
    /// The key: Automation starts one execution for it.
    pub client_token: String,
}

/// Systems Manager Automation.
pub trait Automation {
    /// The version that a runbook's next execution should use.
    fn version(&self, runbook: &RunbookName) -> impl Future<Output = Result<DocumentVersion, CallError>>;

    /// Starts an execution. `None`: it has been started before, and its id is not known.
    fn start(&self, launch: &Launch<'_>) -> impl Future<Output = Result<Option<ExecutionId>, CallError>>;

    /// Starts the execution that asks for approval, and runs what is approved. `None` as for a start.
    fn ask(&self, request: &ApprovalRequest) -> impl Future<Output = Result<Option<ExecutionId>, CallError>>;

    /// Stops an execution. One that is over, or gone, stays so.
    fn stop(&self, id: &ExecutionId) -> impl Future<Output = Result<(), CallError>>;

    /// Reads an execution. `None`: Automation knows none of that id; it forgets after 30 days.
    fn execution(&self, id: &ExecutionId) -> impl Future<Output = Result<Option<Execution>, CallError>>;

    /// Finds the execution of a document that was started for an attempt, by its tags and parameters, if it was not
    /// started before `since`.
    fn find_execution(
        &self,
        document: &RunbookName,
        incident: &IncidentId,
        attempt: AttemptNumber,
        since: Timestamp,
    ) -> impl Future<Output = Result<Option<ExecutionId>, CallError>>;
}

/// AWS Config, as far as `reconcile` asks it.
pub trait Configuration {
    /// The rules that find anything non-compliant now.
    fn complaining_rules(&self) -> impl Future<Output = Result<Vec<ConfigRuleName>, CallError>>;

    /// What a rule finds non-compliant, a page at a time.
    fn complaints(
        &self,
        rule: &ConfigRuleName,
        page: Option<String>,
    ) -> impl Future<Output = Result<Complaints, CallError>>;

    /// What the rules say about one resource.
    fn evaluations(&self, resource: &Resource) -> impl Future<Output = Result<Vec<Evaluation>, CallError>>;
}

/// A page of what a rule finds non-compliant.
#[derive(Clone, Debug, Default)]
pub struct Complaints {
    /// The evaluations.
    pub evaluations: Vec<Evaluation>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// What a rule says about a resource, as Config keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Who says it.
    pub rule: ConfigRuleName,
    /// The resource's type.
    pub kind: ResourceType,
    /// The resource's id.
    pub id: ResourceId,
    /// What; nothing for lack of data.
    pub state: Option<CauseState>,
    /// When, as events say it, too.
    pub told_at: ToldAt,
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

/// Parameter Store, where operators' switches are.
pub trait SwitchBoard {
    /// Those of the named parameters that exist; not older than 20 seconds.
    fn parameters(&self, names: &[&str]) -> impl Future<Output = Result<BTreeMap<String, String>, CallError>>;

    /// The same, if it is known without a call.
    fn known_parameters(&self, names: &[&str]) -> Option<BTreeMap<String, String>>;

    /// Everything below a path, as it is now. What is asked for in the next 20 seconds is known from it.
    fn parameters_below(&self, path: &str) -> impl Future<Output = Result<BTreeMap<String, String>, CallError>>;

    /// Creates a parameter. `false`: there is one of that name, and it stays as it is.
    fn create_parameter(&self, name: &str, value: &str) -> impl Future<Output = Result<bool, CallError>>;
}

/// Change calendars.
pub trait Calendars {
    /// What they say together; not older than 20 seconds. `None`: there are none.
    fn calendar(&self) -> impl Future<Output = Result<Option<CalendarState>, CallError>>;
}

/// Tags of resources.
pub trait Tags {
    /// What the tags of the resource with that ARN say about an exemption.
    fn exemption_tags(&self, arn: &str) -> impl Future<Output = Result<ExemptionTags, CallError>>;
}

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits until then.
    fn wait_until(&self, time: Timestamp) -> impl Future<Output = ()>;
}

/// All of it.
pub trait World:
    Ledger + OpsCenter + Automation + Configuration + Topic + EventBus + SwitchBoard + Calendars + Tags + Clock
{
}

impl<W> World for W where
    W: Ledger + OpsCenter + Automation + Configuration + Topic + EventBus + SwitchBoard + Calendars + Tags + Clock
{
}
