//! A modelled account: it behaves, remembers, and can be told to be difficult at any call.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is part of tests: what is not there is a failure"
)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use mend_core::account::{AccountId, Partition, PrincipalArn, Region};
use mend_core::automation::{
    APPROVE_AND_RUN, DocumentVersion, ExecutionId, OpsItemId, ParameterName, RoleArn, RoleFamily, RunbookName,
};
use mend_core::breaker::Tallies;
use mend_core::budget::{Hour, SPACING, Spent, Tally};
use mend_core::calendar::CalendarState;
use mend_core::exemption::ExemptionTags;
use mend_core::gathering::{GatheringId, Member};
use mend_core::identity::{AttemptNumber, Fingerprint, IncidentId, resource_key};
use mend_core::incident::{AttemptReport, Incident, Outcome, PersonsWord, State};
use mend_core::mode::{Environment, Mode};
use mend_core::policy::{
    Budget, Category, Ceiling, Glob, ParameterSource, Policy, Problem, Route, RouteName, Severity, Takes, Title,
};
use mend_core::report::{
    ApprovalRequest, Gathering, MendEvent, Notification, OperationalValue, OpsItemContent, OpsItemStatus, Place,
};
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{Cause, CauseState, ConfigRuleName, Freshness, Signal};
use mend_core::switches::{KillSwitch, ModeSwitch};
use mend_core::time::Timestamp;
use mend_responder::world::{
    Automation, Booking, Calendars, Claim, Clock, Complaints, Configuration, Evaluation, EventBus, Hold, LastRun,
    Launch, Lease, Ledger, Members, News, OpenKey, OpenRows, OpsCenter, OpsItemSeen, Row, Start, SwitchBoard,
    Tags, ToldAt, Topic, Write, Written,
};
use mend_responder::{
    Answer, CallError, Execution, Invocation, Limits, Reconciled, Responder, ResponseError, Stack,
};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails for now, without effect.
    Throttled,
    /// It has its effect, and the answer is lost.
    AnswerLost,
    /// The function dies before it.
    CrashBefore,
    /// The function dies after it.
    CrashAfter,
    /// It fails for good.
    Refused,
}

/// A call that the function made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Append,
    Read,
    Write,
    CreateOpsItem,
    UpdateOpsItem,
    Version,
    Start,
    Publish,
    Put,
    Switches,
    AllSwitches,
    CreateParameter,
    Calendar,
    Tags,
    Ask,
    Stop,
    Tallies,
    IsTold,
    MarkTold,
    Gather,
    Members,
    KeepGathering,
    Resume,
    OpenRows,
    BeginRun,
    EndRun,
    FindOpsItem,
    ChangedSince,
    Execution,
    FindExecution,
    Rules,
    Complaints,
    Evaluations,
}

/// Somebody else's doing in the middle of an invocation.
type Interruption = Box<dyn FnOnce(&Account)>;

#[derive(Default)]
pub(crate) struct Account {
    now: Cell<i64>,
    invocations: Cell<u32>,
    /// Every call, in order.
    pub(crate) calls: RefCell<Vec<Call>>,
    faults: RefCell<HashMap<usize, Fault>>,
    /// Every such call fails for good.
    pub(crate) refused: Cell<Option<Call>>,
    interruptions: RefCell<HashMap<usize, Interruption>>,
    pub(crate) kill: RefCell<Option<KillSwitch>>,
    pub(crate) mode: Cell<Option<ModeSwitch>>,
    /// Other parameters.
    pub(crate) parameters: RefCell<BTreeMap<String, String>>,
    pub(crate) calendar: Cell<Option<CalendarState>>,
    /// Of every resource.
    pub(crate) tags: RefCell<ExemptionTags>,
    pub(crate) running: RefCell<BTreeMap<Fingerprint, RouteName>>,
    hours: RefCell<BTreeMap<(RouteName, String), u32>>,
    next_start: Cell<Option<Timestamp>>,
    pub(crate) tally: Cell<Tally>,
    own_ops_items: Cell<u32>,
    told: RefCell<BTreeSet<String>>,
    pub(crate) gatherings: RefCell<BTreeMap<GatheringId, Gathering>>,
    pub(crate) members: RefCell<BTreeMap<(GatheringId, Fingerprint), Member>>,
    pub(crate) stopped: RefCell<Vec<ExecutionId>>,
    pub(crate) rows: RefCell<BTreeMap<Fingerprint, (Row, bool)>>,
    pub(crate) holds: RefCell<BTreeMap<String, IncidentId>>,
    pub(crate) before_states: RefCell<Vec<AttemptReport>>,
    pub(crate) history: RefCell<Vec<Incident>>,
    pub(crate) ops_items: RefCell<BTreeMap<String, (OpsItemId, OpsItemContent)>>,
    /// Who changed an OpsItem last, and when.
    touched: RefCell<BTreeMap<OpsItemId, (PrincipalArn, Timestamp)>>,
    run: RefCell<(Option<Lease>, LastRun)>,
    /// Executions that have ended without an event.
    pub(crate) ended: RefCell<BTreeMap<ExecutionId, Execution>>,
    /// What Config says now.
    pub(crate) evaluations: RefCell<Vec<Evaluation>>,
    /// By client token.
    pub(crate) executions: RefCell<BTreeMap<String, (ExecutionId, String)>>,
    pub(crate) notifications: RefCell<Vec<Notification>>,
    pub(crate) events: RefCell<Vec<MendEvent>>,
}

/// An execution that has told nothing yet.
fn under_way(document: &str) -> Execution {
    Execution {
        document: document.to_owned(),
        status: "InProgress".to_owned(),
        parameters: HashMap::new(),
        outputs: HashMap::new(),
        ended_at: None,
        failure: None,
        parent: None,
        steps: BTreeMap::new(),
    }
}

/// Seconds after the beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(1_700_000_000_000 + seconds * 1000)
}

impl Account {
    pub(crate) fn new() -> Self {
        let account = Self::default();
        account.set_clock(100);
        account
    }

    /// Sets the clock, in seconds after the beginning.
    pub(crate) fn set_clock(&self, seconds: i64) {
        self.now.set(seconds);
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.now.set(self.now.get() + seconds);
    }

    /// The `index`-th call from now meets the fault.
    pub(crate) fn fail(&self, index: usize, fault: Fault) {
        self.faults.borrow_mut().insert(self.calls.borrow().len() + index, fault);
    }

    /// Something happens just before the `index`-th call from now.
    pub(crate) fn interrupt(&self, index: usize, interruption: impl FnOnce(&Self) + 'static) {
        self.interruptions.borrow_mut().insert(self.calls.borrow().len() + index, Box::new(interruption));
    }

    /// A person sets the status of the one OpsItem.
    pub(crate) fn person_sets(&self, status: OpsItemStatus) -> PersonsWord {
        let mut items = self.ops_items.borrow_mut();
        assert_eq!(items.len(), 1, "one OpsItem");
        let (id, content) = items.values_mut().next().unwrap();
        content.status = status;
        let state = match status {
            OpsItemStatus::Resolved => CauseState::Clear,
            OpsItemStatus::Open | OpsItemStatus::InProgress => CauseState::Violated,
        };
        let lee = PrincipalArn::from_static("arn:aws:iam::111122223333:user/lee");
        self.touched.borrow_mut().insert(id.clone(), (lee.clone(), self.now()));
        let incident = incident_of(content).expect("an incident's OpsItem");
        PersonsWord { incident, ops_item: id.clone(), state, by: Some(lee), at: self.now() }
    }

    fn mend_touches(&self, id: &OpsItemId) {
        let function = "arn:aws:sts::111122223333:assumed-role/mend-dev-Role/mend-dev-config-compliance";
        self.touched.borrow_mut().insert(id.clone(), (PrincipalArn::from_static(function), self.now()));
    }

    /// The attempt under way ends, and nobody hears of it.
    pub(crate) fn end_unheard(&self, status: &str, outcome: &str) {
        let incident = self.the_incident();
        let attempt = incident.running().expect("an attempt under way");
        let token = incident.client_token(attempt.number);
        let (id, _) = self.executions.borrow().get(&token).cloned().expect("an execution");
        let list = |text: &str| vec![text.to_owned()];
        let own = attempt.plan.parameters.iter().map(|(name, value)| (name.to_string(), list(value)));
        let common = [
            ("Incident".to_owned(), list(&incident.id.to_string())),
            ("Attempt".to_owned(), list(&attempt.number.to_string())),
        ];
        let execution = Execution {
            status: status.to_owned(),
            parameters: own.chain(common).collect(),
            outputs: HashMap::from([("Conclude.Outcome".to_owned(), list(outcome))]),
            ended_at: Some(self.now()),
            failure: Some("it did not work".to_owned()),
            ..under_way(attempt.plan.runbook.as_str())
        };
        self.ended.borrow_mut().insert(id, execution);
    }

    /// The answer to the start named no execution.
    pub(crate) fn forget_execution_id(&self) {
        for (row, _) in self.rows.borrow_mut().values_mut() {
            if let Some(State::Remediating(attempt)) = row.incident.as_mut().map(|incident| &mut incident.state) {
                attempt.execution = None;
            }
        }
    }

    /// A rule's word about a look of then, recorded now.
    pub(crate) fn signal_recorded_now(&self, rule: &str, state: CauseState, seconds: i64) -> News {
        News::Signal(Signal { recorded_at: self.now(), ..signal(rule, state, seconds) })
    }

    /// Config says this now, and no event tells it.
    pub(crate) fn config_says(&self, rule: &str, id: &str, state: CauseState, seconds: i64) {
        let rule = ConfigRuleName::new(rule).unwrap();
        let id = ResourceId::new(id).unwrap();
        let mut evaluations = self.evaluations.borrow_mut();
        evaluations.retain(|evaluation| evaluation.rule != rule || evaluation.id != id);
        let kind = ResourceType::from_static("AWS::EC2::SecurityGroup");
        let told_at = ToldAt { at: at(seconds), recorded_at: at(seconds) };
        evaluations.push(Evaluation { rule, kind, id, state: Some(state), told_at });
    }

    pub(crate) fn calls_since(&self, start: usize) -> Vec<Call> {
        self.calls.borrow()[start..].to_vec()
    }

    /// The request for approval is under way, and its step `Run` stands so.
    pub(crate) fn request_is_at(&self, run: &str) {
        let id = self.the_incident().approval.and_then(|approval| approval.execution).expect("a request");
        let steps = BTreeMap::from([("Run".to_owned(), run.to_owned())]);
        let execution = Execution { steps, ..under_way(APPROVE_AND_RUN.as_str()) };
        self.ended.borrow_mut().insert(id, execution);
    }

    /// How the attempt on a resource ended, a moment from now.
    pub(crate) fn outcome_of(&self, id: &str, outcome: Outcome) -> News {
        let rows = self.rows.borrow();
        let incidents = rows.values().filter_map(|(row, _)| row.incident.as_ref());
        let mut on_resource = incidents.filter(|incident| incident.resource.id.as_str() == id);
        outcome_of(self, on_resource.next().expect("an incident"), outcome, self.now.get())
    }

    pub(crate) fn set(&self, parameter: &str, value: &str) {
        self.parameters.borrow_mut().insert(format!("/mend/dev/{parameter}"), value.to_owned());
    }

    pub(crate) fn delete(&self, parameter: &str) {
        self.parameters.borrow_mut().remove(&format!("/mend/dev/{parameter}"));
    }

    /// How many incidents stand so.
    pub(crate) fn count(&self, is: impl Fn(&State) -> bool) -> usize {
        let rows = self.rows.borrow();
        rows.values().filter(|(row, _)| row.incident.as_ref().is_some_and(|incident| is(&incident.state))).count()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.notifications.borrow().iter().map(|notification| notification.subject.clone()).collect()
    }

    pub(crate) fn the_row(&self) -> Row {
        let rows = self.rows.borrow();
        assert_eq!(rows.len(), 1, "one incident");
        rows.values().next().unwrap().0.clone()
    }

    pub(crate) fn the_incident(&self) -> Incident {
        self.the_row().incident.expect("an incident")
    }

    /// Carries out a call under the fault that it is to meet.
    async fn call<T>(&self, call: Call, effect: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
        let index = self.calls.borrow().len();
        self.calls.borrow_mut().push(call);
        let interruption = self.interruptions.borrow_mut().remove(&index);
        if let Some(interruption) = interruption {
            interruption(self);
        }
        let refused = (self.refused.get() == Some(call)).then_some(Fault::Refused);
        let fault = self.faults.borrow_mut().remove(&index).or(refused);
        let passing = || CallError::retryable(format!("{call:?}"), "throttled");
        match fault {
            None => effect(),
            Some(Fault::Throttled) => Err(passing()),
            Some(Fault::AnswerLost) => effect().and(Err(passing())),
            Some(Fault::Refused) => Err(CallError::lasting(format!("{call:?}"), "ask an operator", "refused")),
            // A function that is dead asks for nothing any more.
            Some(Fault::CrashBefore) => std::future::pending().await,
            Some(Fault::CrashAfter) => {
                let _ = effect();
                std::future::pending().await
            }
        }
    }

    fn knows_and_rests(row: &Row, settled: bool, news: &News) -> bool {
        settled && row.heard.get(&news.teller()).is_some_and(|heard| *heard >= news.told_at())
    }
}

impl Clock for Account {
    fn now(&self) -> Timestamp {
        at(self.now.get())
    }

    async fn wait_until(&self, time: Timestamp) {
        let seconds = time.since(at(self.now.get())).as_millis().div_ceil(1_000);
        self.pass(i64::try_from(seconds).unwrap());
    }
}

impl Ledger for Account {
    async fn claim(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Claim, CallError> {
        self.call(Call::Claim, || {
            let mut rows = self.rows.borrow_mut();
            if !rows.contains_key(fingerprint) && !news.begins() {
                return Ok(Claim::Nothing);
            }
            let (row, settled) = rows.entry(fingerprint.clone()).or_insert_with(|| {
                let row =
                    Row { version: 0, lease: None, incident: None, inbox: Vec::new(), heard: BTreeMap::new() };
                (row, false)
            });
            if row.lease.as_ref().is_some_and(|held| held.until > now) {
                return Ok(Claim::Busy(row.clone()));
            }
            if Self::knows_and_rests(row, *settled, news) {
                return Ok(Claim::Known(row.clone()));
            }
            row.inbox.push(news.clone());
            row.lease = Some(lease.clone());
            row.version += 1;
            *settled = false;
            Ok(Claim::Mine(row.clone()))
        })
        .await
    }

    async fn append(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        self.call(Call::Append, || {
            let mut rows = self.rows.borrow_mut();
            let (row, _) = rows.get_mut(fingerprint).expect("a row");
            let held = row.lease.as_ref().is_some_and(|lease| lease.holder == holder && lease.until > now);
            if held {
                row.inbox.push(news.clone());
                row.version += 1;
            }
            Ok(held)
        })
        .await
    }

    async fn read(&self, fingerprint: &Fingerprint) -> Result<Option<Row>, CallError> {
        self.call(Call::Read, || Ok(self.rows.borrow().get(fingerprint).map(|(row, _)| row.clone()))).await
    }

    async fn write(&self, write: &Write<'_>) -> Result<Written, CallError> {
        self.call(Call::Write, || {
            let mut rows = self.rows.borrow_mut();
            let (row, settled) = rows.get_mut(write.fingerprint).expect("a row");
            if row.version != write.row.version {
                return Ok(Written::Overtaken);
            }
            if let Some(incident) = &write.row.incident {
                let mut holds = self.holds.borrow_mut();
                let key = resource_key(&incident.resource);
                match (write.hold, holds.get(&key)) {
                    (Hold::Unchanged, _) => {}
                    (Hold::Take | Hold::Release, Some(holder))
                        if holder.fingerprint != incident.id.fingerprint =>
                    {
                        return Ok(Written::ResourceHeld(holder.clone()));
                    }
                    (Hold::Take, _) => {
                        holds.insert(key, incident.id.clone());
                    }
                    (Hold::Release, _) => {
                        holds.remove(&key);
                    }
                }
            }
            let start_at = match self.book(write) {
                Ok(start_at) => start_at,
                Err(refused) => return Ok(refused),
            };
            let executions: BTreeSet<_> = write.before_states.iter().map(|report| &report.execution).collect();
            assert_eq!(executions.len(), write.before_states.len(), "a transaction takes one item once");
            self.before_states.borrow_mut().extend(write.before_states.iter().cloned());
            self.history.borrow_mut().extend(write.history.cloned());
            *row = Row { version: row.version + 1, ..write.row.clone() };
            *settled = row.settled();
            Ok(Written::Done { version: row.version, start_at })
        })
        .await
    }

    async fn resume(&self, fingerprint: &Fingerprint, lease: &Lease, now: Timestamp) -> Result<Claim, CallError> {
        self.call(Call::Resume, || {
            let mut rows = self.rows.borrow_mut();
            let Some((row, settled)) = rows.get_mut(fingerprint) else { return Ok(Claim::Nothing) };
            if row.is_held(now) {
                return Ok(Claim::Busy(row.clone()));
            }
            row.lease = Some(lease.clone());
            row.version += 1;
            *settled = false;
            Ok(Claim::Mine(row.clone()))
        })
        .await
    }

    /// Pages of two; gatherings are on the first.
    async fn open_rows(&self, after: Option<&OpenKey>) -> Result<OpenRows, CallError> {
        self.call(Call::OpenRows, || {
            let rows = self.rows.borrow();
            let mut open = rows.iter().filter(|(fingerprint, (row, _))| {
                row.is_open() && after.is_none_or(|after| fingerprint.as_str() > after.0.as_str())
            });
            let page: Vec<_> =
                open.by_ref().take(2).map(|(fingerprint, (row, _))| (fingerprint.clone(), row.clone())).collect();
            let next =
                open.next().and_then(|_| page.last()).map(|(fingerprint, _)| OpenKey(fingerprint.to_string()));
            let open = |gathering: &&Gathering| !gathering.is_over && after.is_none();
            let gatherings = self.gatherings.borrow().values().filter(open).cloned().collect();
            Ok(OpenRows { rows: page, gatherings, not_understood: Vec::new(), next })
        })
        .await
    }

    async fn tallies(&self, _: &RouteName, _: Timestamp) -> Result<Tallies, CallError> {
        self.call(Call::Tallies, || {
            let tally = self.tally.get();
            Ok(Tallies { route: tally, all: tally })
        })
        .await
    }

    async fn is_told(&self, key: &str) -> Result<bool, CallError> {
        self.call(Call::IsTold, || Ok(self.told.borrow().contains(key))).await
    }

    async fn mark_told(&self, key: &str, _: Timestamp) -> Result<(), CallError> {
        self.call(Call::MarkTold, || {
            self.told.borrow_mut().insert(key.to_owned());
            Ok(())
        })
        .await
    }

    async fn gather(&self, id: &GatheringId, member: &Member, now: Timestamp) -> Result<Gathering, CallError> {
        self.call(Call::Gather, || {
            self.members.borrow_mut().insert((id.clone(), member.fingerprint().clone()), member.clone());
            let begun = Gathering {
                id: id.clone(),
                opened_at: now,
                ops_item: None,
                told_at: None,
                stands: String::new(),
                is_over: false,
            };
            Ok(self.gatherings.borrow_mut().entry(id.clone()).or_insert(begun).clone())
        })
        .await
    }

    /// Pages of two.
    async fn members(&self, id: &GatheringId, after: Option<&Fingerprint>) -> Result<Members, CallError> {
        self.call(Call::Members, || {
            let members = self.members.borrow();
            let mut all = members
                .iter()
                .filter(|((gathering, fingerprint), _)| {
                    gathering == id && after.is_none_or(|after| fingerprint > after)
                })
                .map(|(_, member)| member.clone());
            let page: Vec<_> = all.by_ref().take(2).collect();
            let next = all.next().and_then(|_| page.last()).map(|member| member.fingerprint().clone());
            Ok(Members { members: page, next })
        })
        .await
    }

    async fn keep_gathering(&self, gathering: &Gathering) -> Result<(), CallError> {
        self.call(Call::KeepGathering, || {
            self.gatherings.borrow_mut().insert(gathering.id.clone(), gathering.clone());
            Ok(())
        })
        .await
    }

    async fn begin_run(&self, lease: &Lease, now: Timestamp) -> Result<Option<LastRun>, CallError> {
        self.call(Call::BeginRun, || {
            let (held, last) = &mut *self.run.borrow_mut();
            if held.as_ref().is_some_and(|held| held.until > now) {
                return Ok(None);
            }
            *held = Some(lease.clone());
            Ok(Some(last.clone()))
        })
        .await
    }

    async fn end_run(&self, holder: &str, run: &LastRun) -> Result<(), CallError> {
        self.call(Call::EndRun, || {
            let (held, last) = &mut *self.run.borrow_mut();
            if held.as_ref().is_some_and(|held| held.holder == holder) {
                (*held, *last) = (None, run.clone());
            }
            Ok(())
        })
        .await
    }
}

/// A gathering's OpsItem is of no incident.
fn incident_of(content: &OpsItemContent) -> Option<IncidentId> {
    let OperationalValue::Searchable(incident) = content.operational_data.get("mend/incident")? else {
        panic!("the incident is searchable")
    };
    Some(incident.parse().unwrap())
}

fn seen(
    id: &OpsItemId,
    content: &OpsItemContent,
    (by, changed_at): &(PrincipalArn, Timestamp),
) -> Option<OpsItemSeen> {
    Some(OpsItemSeen {
        id: id.clone(),
        incident: incident_of(content)?,
        is_resolved: content.status == OpsItemStatus::Resolved,
        by: Some(by.clone()),
        changed_at: *changed_at,
    })
}

impl OpsCenter for Account {
    async fn create(&self, content: &OpsItemContent) -> Result<OpsItemId, CallError> {
        self.call(Call::CreateOpsItem, || {
            let dedup = format!("{:?}", content.operational_data.get("/aws/dedup"));
            let mut items = self.ops_items.borrow_mut();
            let number = items.len() + 1;
            // The dedup string holds only among OpsItems that are not resolved.
            let same = |key: &String, item: &OpsItemContent| {
                key.starts_with(&dedup) && item.status != OpsItemStatus::Resolved
            };
            let key = items.iter().find(|(key, (_, item))| same(key, item)).map(|(key, _)| key.clone());
            let next = OpsItemId::new(format!("oi-{number:012x}")).unwrap();
            let (id, stored) = items
                .entry(key.unwrap_or_else(|| format!("{dedup}#{number}")))
                .or_insert_with(|| (next, content.clone()));
            *stored = content.clone();
            self.mend_touches(id);
            Ok(id.clone())
        })
        .await
    }

    async fn update(
        &self,
        id: &OpsItemId,
        content: &OpsItemContent,
        sets_status: bool,
    ) -> Result<bool, CallError> {
        self.call(Call::UpdateOpsItem, || {
            let mut items = self.ops_items.borrow_mut();
            let Some((_, stored)) = items.values_mut().find(|(existing, _)| existing == id) else {
                return Ok(false);
            };
            let status = if sets_status { content.status } else { stored.status };
            *stored = OpsItemContent { status, ..content.clone() };
            self.mend_touches(id);
            Ok(true)
        })
        .await
    }

    async fn find(&self, incident: &IncidentId) -> Result<Option<OpsItemId>, CallError> {
        self.call(Call::FindOpsItem, || {
            let items = self.ops_items.borrow();
            let found = items.values().find(|(_, content)| incident_of(content).as_ref() == Some(incident));
            Ok(found.map(|(id, _)| id.clone()))
        })
        .await
    }

    async fn changed_since(&self, since: Timestamp) -> Result<Vec<OpsItemSeen>, CallError> {
        self.call(Call::ChangedSince, || {
            let touched = self.touched.borrow();
            let items = self.ops_items.borrow();
            let seen = items.values().filter_map(|(id, content)| seen(id, content, &touched[id]));
            Ok(seen.filter(|seen| seen.changed_at > since).collect())
        })
        .await
    }
}

impl Configuration for Account {
    async fn complaining_rules(&self) -> Result<Vec<ConfigRuleName>, CallError> {
        self.call(Call::Rules, || {
            let evaluations = self.evaluations.borrow();
            let complaints =
                evaluations.iter().filter(|evaluation| evaluation.state == Some(CauseState::Violated));
            let rules: BTreeSet<_> = complaints.map(|evaluation| evaluation.rule.clone()).collect();
            Ok(rules.into_iter().collect())
        })
        .await
    }

    /// Pages of two.
    async fn complaints(&self, rule: &ConfigRuleName, page: Option<String>) -> Result<Complaints, CallError> {
        self.call(Call::Complaints, || {
            let evaluations = self.evaluations.borrow();
            let mut all = evaluations
                .iter()
                .filter(|evaluation| evaluation.rule == *rule && evaluation.state == Some(CauseState::Violated));
            let from: usize = page.map_or(0, |page| page.parse().unwrap());
            let shown: Vec<_> = all.by_ref().skip(from).take(2).cloned().collect();
            let next = all.next().map(|_| (from + 2).to_string());
            Ok(Complaints { evaluations: shown, next })
        })
        .await
    }

    async fn evaluations(&self, resource: &Resource) -> Result<Vec<Evaluation>, CallError> {
        self.call(Call::Evaluations, || {
            let evaluations = self.evaluations.borrow();
            Ok(evaluations.iter().filter(|evaluation| evaluation.id == resource.id).cloned().collect())
        })
        .await
    }
}

impl Automation for Account {
    async fn version(&self, _: &RunbookName) -> Result<DocumentVersion, CallError> {
        self.call(Call::Version, || Ok(DocumentVersion::from_static("3"))).await
    }

    async fn start(&self, start: &Launch<'_>) -> Result<Option<ExecutionId>, CallError> {
        self.call(Call::Start, || {
            let mut executions = self.executions.borrow_mut();
            let next = ExecutionId::new(format!("00000000-0000-4000-8000-{:012}", executions.len() + 1)).unwrap();
            let request = format!("{} {} {:?}", start.incident, start.attempt, start.plan);
            let (id, first) =
                executions.entry(start.client_token.clone()).or_insert_with(|| (next, request.clone()));
            assert_eq!(*first, request, "a repeated start says the same");
            Ok(Some(id.clone()))
        })
        .await
    }

    async fn ask(&self, request: &ApprovalRequest) -> Result<Option<ExecutionId>, CallError> {
        self.call(Call::Ask, || {
            let mut executions = self.executions.borrow_mut();
            let next = ExecutionId::new(format!("00000000-0000-4000-8000-{:012}", executions.len() + 1)).unwrap();
            let said = format!("{} {} {request:?}", request.texts["Incident"], request.attempt.number);
            let (id, first) =
                executions.entry(request.client_token.clone()).or_insert_with(|| (next, said.clone()));
            assert_eq!(first.split(' ').next(), said.split(' ').next(), "a repeated request asks for the same");
            Ok(Some(id.clone()))
        })
        .await
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), CallError> {
        self.call(Call::Stop, || {
            self.stopped.borrow_mut().push(id.clone());
            Ok(())
        })
        .await
    }

    async fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CallError> {
        self.call(Call::Execution, || {
            let started = self.executions.borrow().values().any(|(started, _)| started == id);
            let running = || under_way("Mend-CloseAdminPorts");
            Ok(self.ended.borrow().get(id).cloned().or_else(|| started.then(running)))
        })
        .await
    }

    async fn find_execution(
        &self,
        _: &RunbookName,
        incident: &IncidentId,
        attempt: AttemptNumber,
        _: Timestamp,
    ) -> Result<Option<ExecutionId>, CallError> {
        self.call(Call::FindExecution, || {
            let wanted = format!("{incident} {attempt} ");
            let executions = self.executions.borrow();
            let found = executions.values().find(|(_, request)| request.starts_with(&wanted));
            Ok(found.map(|(id, _)| id.clone()))
        })
        .await
    }
}

impl Topic for Account {
    async fn publish(&self, notification: &Notification) -> Result<(), CallError> {
        self.call(Call::Publish, || {
            self.notifications.borrow_mut().push(notification.clone());
            Ok(())
        })
        .await
    }
}

impl EventBus for Account {
    async fn put(&self, event: &MendEvent) -> Result<(), CallError> {
        self.call(Call::Put, || {
            self.events.borrow_mut().push(event.clone());
            Ok(())
        })
        .await
    }
}

impl SwitchBoard for Account {
    async fn parameters(&self, names: &[&str]) -> Result<BTreeMap<String, String>, CallError> {
        let is_asked_for = |name: &String| names.contains(&name.as_str());
        self.call(Call::Switches, || {
            Ok(self.all_parameters().into_iter().filter(|(name, _)| is_asked_for(name)).collect())
        })
        .await
    }

    fn known_parameters(&self, _: &[&str]) -> Option<BTreeMap<String, String>> {
        None
    }

    async fn parameters_below(&self, _: &str) -> Result<BTreeMap<String, String>, CallError> {
        self.call(Call::AllSwitches, || Ok(self.all_parameters())).await
    }

    async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, CallError> {
        self.call(Call::CreateParameter, || {
            let mut parameters = self.parameters.borrow_mut();
            let is_new = !parameters.contains_key(name);
            parameters.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            Ok(is_new)
        })
        .await
    }
}

impl Calendars for Account {
    async fn calendar(&self) -> Result<Option<CalendarState>, CallError> {
        // Where there are none, nobody is asked.
        if self.calendar.get().is_none() {
            return Ok(None);
        }
        self.call(Call::Calendar, || Ok(self.calendar.get())).await
    }
}

impl Tags for Account {
    async fn exemption_tags(&self, _: &str) -> Result<ExemptionTags, CallError> {
        self.call(Call::Tags, || Ok(self.tags.borrow().clone())).await
    }
}

impl Account {
    /// Operators' switches, as Parameter Store has them.
    fn all_parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = self.parameters.borrow().clone();
        let kill = match self.kill.borrow().clone().unwrap_or(KillSwitch::Released) {
            KillSwitch::Released => Some("released".to_owned()),
            KillSwitch::Engaged { why, stops } => {
                let word = if stops { "engaged and stop" } else { "engaged" };
                Some(why.map_or_else(|| word.to_owned(), |why| format!("{word}: {why}")))
            }
            KillSwitch::Missing => None,
            KillSwitch::NotUnderstood => Some("?".to_owned()),
        };
        parameters.extend(kill.map(|kill| ("/mend/dev/kill-switch".to_owned(), kill)));
        if let Some(ModeSwitch::Set(mode)) = self.mode.get() {
            for route in ["close-admin-ports", "describe-groups"] {
                parameters.insert(format!("/mend/dev/mode/{route}"), mode.to_string());
            }
        }
        parameters
    }

    /// Books, or refuses and changes nothing.
    fn book(&self, write: &Write<'_>) -> Result<Option<Timestamp>, Written> {
        let Booking { route, start, ends, ended, own_ops_item } = write.booking;
        let (Some(route), mine) = (route, write.fingerprint.clone()) else { return Ok(None) };
        let mut running = self.running.borrow_mut();
        let mut hours = self.hours.borrow_mut();
        if own_ops_item.is_some_and(|limit| self.own_ops_items.get() >= limit) {
            return Err(Written::TooManyOpsItems);
        }
        let mut start_at = None;
        if let Some(Start { limits, runs, latest }) = start {
            let starts = hours.entry((route.clone(), Hour::of(write.now).to_string())).or_default();
            let of_route = running.values().filter(|of| *of == route).count();
            let is_in = running.contains_key(&mine);
            if *starts >= u32::from(limits.starts_per_hour) {
                return Err(Written::Spent(Spent::StartsThisHour(limits.starts_per_hour)));
            }
            if *runs && !is_in && of_route >= usize::from(limits.running) {
                return Err(Written::Spent(Spent::Running(limits.running)));
            }
            if *runs && !is_in && running.len() >= usize::from(limits.running_in_all) {
                return Err(Written::Spent(Spent::RunningInAll(limits.running_in_all)));
            }
            let turn = self.next_start.get().map_or(write.now, |next| next.max(write.now));
            if turn > *latest {
                return Err(Written::Spent(Spent::Pace(turn)));
            }
            self.next_start.set(Some(turn.plus(SPACING)));
            *starts += 1;
            start_at = Some(turn);
            if *runs {
                running.insert(mine.clone(), route.clone());
            }
        }
        if *ends {
            running.remove(&mine);
        }
        if let Some(failed) = ended {
            let Tally { ended, failed: failures } = self.tally.get();
            self.tally.set(Tally { ended: ended + 1, failed: failures + u32::from(*failed) });
        }
        self.own_ops_items.set(self.own_ops_items.get() + u32::from(own_ops_item.is_some()));
        Ok(start_at)
    }
}

fn route(name: &'static str, problem: &'static str, rule: &'static str) -> Route {
    Route {
        name: RouteName::from_static(name),
        problem: Problem::from_static(problem),
        title: Title::from_static("Something is wrong"),
        takes: Takes {
            config_rules: vec![Glob::from_static(rule)],
            resource_types: vec![ResourceType::from_static("AWS::EC2::SecurityGroup")],
        },
        rank: 0,
        severity: Severity::High,
        category: Category::Security,
        runbook: RunbookName::from_static("Mend-CloseAdminPorts"),
        undo: None,
        role: RoleFamily::from_static("network"),
        parameters: vec![(ParameterName::from_static("SecurityGroupId"), ParameterSource::ResourceId)],
        attempts: 2,
        ceiling: Ceiling { dev: Mode::Enforce, staging: Mode::Enforce, prod: Mode::Enforce },
        budget: Budget { starts_per_hour: 20, running: 5 },
        expected_duration: Duration::from_mins(10),
        is_emergency: false,
        is_exempt_by_tag: false,
        alarm: None,
    }
}

pub(crate) fn policy() -> Policy {
    Policy::new(vec![
        route("close-admin-ports", "open-admin-ports", "*ssh*"),
        route("describe-groups", "no-description", "*description*"),
        Route { is_exempt_by_tag: true, ..route("block-group", "public-group", "*public*") },
    ])
}

pub(crate) fn stack(default_mode: Mode) -> Stack {
    Stack {
        place: Place {
            partition: Partition::from_static("aws"),
            account: AccountId::from_static("111122223333"),
            region: Region::from_static("eu-central-1"),
            environment: Environment::Dev,
        },
        default_mode,
        roles: BTreeMap::from([(
            RoleFamily::from_static("network"),
            RoleArn::from_static("arn:aws:iam::111122223333:role/mend-network"),
        )]),
        running_in_all: 8,
        storm_threshold: 20,
        has_approvers: true,
        ledger_table: "mend-dev-ledger".to_owned(),
    }
}

fn signal(rule: &str, state: CauseState, seconds: i64) -> Signal {
    Signal {
        cause: Cause::ConfigRule(ConfigRuleName::new(rule).unwrap()),
        resource: Resource {
            account: AccountId::from_static("111122223333"),
            region: Region::from_static("eu-central-1"),
            kind: ResourceType::from_static("AWS::EC2::SecurityGroup"),
            id: ResourceId::from_static("sg-0badcafe"),
        },
        state,
        at: at(seconds),
        recorded_at: at(seconds),
        freshness: Freshness::Live,
        changed_by: None,
    }
}

pub(crate) fn violated(rule: &str, seconds: i64) -> News {
    News::Signal(signal(rule, CauseState::Violated, seconds))
}

pub(crate) fn clear(rule: &str, seconds: i64) -> News {
    News::Signal(signal(rule, CauseState::Clear, seconds))
}

/// The same about another resource.
pub(crate) fn about(id: &str, news: News) -> News {
    let News::Signal(mut signal) = news else { panic!("signals are about resources") };
    signal.resource.id = ResourceId::new(id).unwrap();
    News::Signal(signal)
}

/// How the request for approval of the attempt that waits for it ended, or its child.
pub(crate) fn answered_request(account: &Account, outcome: Outcome, seconds: i64) -> News {
    let incident = account.the_incident();
    let attempt = incident.latest_attempt().expect("an attempt that waits");
    let (request, _) =
        account.executions.borrow().get(&incident.request_token(attempt.number)).cloned().expect("a request");
    News::Outcome(AttemptReport {
        incident: incident.id.clone(),
        attempt: attempt.number,
        runbook: APPROVE_AND_RUN,
        execution: request.clone(),
        request: Some(request),
        parameters: attempt.plan.parameters.clone(),
        outcome,
        ended_at: at(seconds),
        changes: None,
        before_state: None,
    })
}

/// How the attempt under way ended.
pub(crate) fn ended(account: &Account, outcome: Outcome, seconds: i64) -> News {
    outcome_of(account, &account.the_incident(), outcome, seconds)
}

fn outcome_of(account: &Account, incident: &Incident, outcome: Outcome, seconds: i64) -> News {
    let attempt = incident.running().expect("an attempt under way");
    let (execution, _) =
        account.executions.borrow().get(&incident.client_token(attempt.number)).cloned().expect("an execution");
    News::Outcome(AttemptReport {
        incident: incident.id.clone(),
        attempt: attempt.number,
        runbook: attempt.plan.runbook.clone(),
        execution,
        request: None,
        parameters: attempt.plan.parameters.clone(),
        outcome,
        ended_at: at(seconds),
        changes: Some("Closed tcp 22".to_owned()),
        before_state: Some("{}".to_owned()),
    })
}

/// One invocation, as Lambda would make it. `None`: the function died.
pub(crate) fn deliver(account: &Account, mode: Mode, news: &News) -> Option<Result<Answer, ResponseError>> {
    account.invocations.set(account.invocations.get() + 1);
    deliver_as(&format!("invocation-{}", account.invocations.get()), account, mode, news)
}

/// The same under a request id of one's own: Lambda's retries keep it.
pub(crate) fn deliver_as(
    request_id: &str,
    account: &Account,
    mode: Mode,
    news: &News,
) -> Option<Result<Answer, ResponseError>> {
    let (policy, stack) = (policy(), stack(mode));
    let invocation = Invocation { id: request_id.to_owned(), deadline: at(account.now.get() + 30) };
    let responder = Responder::new(account, &policy, &stack, &invocation);
    let response = async {
        match news.clone() {
            News::Signal(signal) => responder.signal(signal).await,
            News::Outcome(report) => responder.outcome(report).await,
            News::Person(word) => responder.person(word).await,
            News::Undoing(undoing) => responder.undoing(undoing).await,
        }
    };
    run_to_its_end(response)
}

/// One run of `reconcile`. `None`: the function died.
pub(crate) fn reconcile(account: &Account, mode: Mode) -> Option<Result<Reconciled, ResponseError>> {
    reconcile_under(&policy(), account, mode)
}

/// The same after all routes have been taken out of the policy.
pub(crate) fn reconcile_without_routes(
    account: &Account,
    mode: Mode,
) -> Option<Result<Reconciled, ResponseError>> {
    reconcile_under(&Policy::new(Vec::new()), account, mode)
}

fn reconcile_under(policy: &Policy, account: &Account, mode: Mode) -> Option<Result<Reconciled, ResponseError>> {
    account.invocations.set(account.invocations.get() + 1);
    let stack = stack(mode);
    let id = format!("invocation-{}", account.invocations.get());
    let invocation = Invocation { id, deadline: at(account.now.get() + 50) };
    let responder = Responder::new(account, policy, &stack, &invocation);
    run_to_its_end(responder.reconcile(Limits { new_incidents: 3, patience: Duration::ZERO }))
}

fn run_to_its_end<T>(response: impl Future<Output = T>) -> Option<T> {
    // Nothing in the modelled account waits, so what has not ended at once never will.
    let mut response = std::pin::pin!(response);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match response.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}

/// Delivers as Lambda delivers: a failed or dead invocation is tried again after a minute, and then after two.
pub(crate) fn deliver_until_answered(account: &Account, mode: Mode, news: &News) -> Answer {
    for wait in [60, 120, 0] {
        if let Some(Ok(answer)) = deliver(account, mode, news) {
            return answer;
        }
        account.pass(wait);
    }
    panic!("never answered: {:?}", account.calls.borrow());
}
