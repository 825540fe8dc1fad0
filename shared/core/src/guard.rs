//! Guard rails: the reasons not to act now.

mod needs;

use crate::account::PrincipalArn;
use crate::budget::{BudgetLimits, Spent};
use crate::calendar::CalendarState;
use crate::decision::{ModeOrigin, Reason, Verdict};
use crate::exemption::{Exemption, NotAnExemption, Validity};
use crate::identity::IncidentId;
use crate::incident::{Incident, Plan};
use crate::mode::{Environment, Mode};
use crate::policy::{Route, Severity};
use crate::signal::Freshness;
use crate::switches::{BudgetSwitch, KillSwitch, ModeSwitch, Remark, Switches, exemption_remark};
use crate::time::Timestamp;

pub use needs::{Needs, needs};

/// What the tags of the resource say about an exemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagExemption {
    /// The route does not ask them, or the answer is no in any case.
    NotAsked,
    /// They could not be read.
    Unreadable,
    /// What they say, if they speak of an exemption.
    Read(Option<Result<Exemption, NotAnExemption>>),
}

impl TagExemption {
    /// What operators should hear about it.
    #[must_use]
    pub fn remark(&self, now: Timestamp) -> Option<Remark> {
        match self {
            Self::Read(Some(written)) => exemption_remark(written.clone(), now),
            Self::NotAsked | Self::Unreadable | Self::Read(None) => None,
        }
    }
}

/// Why the ledger did not take a decision to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An attempt of another incident holds the resource.
    ResourceHeld(IncidentId),
    /// A budget is spent.
    Spent(Spent),
}

/// What a decision needs to know besides incident and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The time of the decision.
    pub now: Timestamp,
    /// The stack's environment.
    pub environment: Environment,
    /// The stack's parameter `Mode`.
    pub default_mode: Mode,
    /// How many attempts may be under way in all.
    pub running_in_all: u16,
    /// Whether there is anybody to ask for approval.
    pub has_approvers: bool,
    /// What operators have switched.
    pub switches: Switches,
    /// What the resource's tags say.
    pub tags: TagExemption,
    /// What the change calendars say; nothing if there are none, or the answer is no in any case.
    pub calendar: Option<CalendarState>,
    /// What would be started; nothing when the runbook or its role is not there.
    pub plan: Option<Plan>,
    /// Why the ledger did not take the decision that was made before.
    pub refusal: Option<Refusal>,
}

/// What to do about a problem that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Start the plan, within these limits.
    Start(Plan, BudgetLimits),
    /// Start it when a person says yes. To ask is a start, too.
    Ask(Plan, BudgetLimits),
    /// Record it.
    Record(Plan),
    /// Not now: it is due then.
    Wait(Timestamp),
    /// Not at all.
    Leave,
    /// Call a person.
    Escalate,
}

impl Course {
    /// The course in the words of a decision.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Start(..) | Self::Ask(..) | Self::Record(_) | Self::Escalate => Verdict::Respond,
            Self::Wait(_) => Verdict::Defer,
            Self::Leave => Verdict::Suppress,
        }
    }
}

/// So many generations in a day, and the problem comes back faster than it can be repaired.
pub const FLAPPING: usize = 3;

/// A problem that keeps coming back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// How often it came in a day.
    pub times: usize,
    /// Who changed the resource last, if that is known.
    pub by: Option<PrincipalArn>,
}

/// Decides what to do about a problem that is there, and says why.
///
/// What costs nothing to know comes first: [`needs`] says what is not worth asking any more.
#[must_use]
pub fn decide(route: &Route, incident: &Incident, facts: Facts) -> (Course, Vec<Reason>) {
    let (mode, origin) = mode(route, incident.evidence, &facts.switches, facts.environment, facts.default_mode);
    let mut reasons = vec![Reason::ModeIs(mode, origin)];
    if mode == Mode::Off {
        return (Course::Leave, reasons);
    }
    if let Some(exempt) = exemption(facts.switches.exemption(), facts.now, &mut reasons) {
        return (Course::Leave, vec![exempt]);
    }
    // Observing changes nothing, so nothing needs to stop it.
    let changes = mode > Mode::Observe;
    let mut wait = Wait { now: facts.now, until: None, reasons: &mut reasons };
    if changes {
        wait.for_switches(&facts.switches);
    }
    if let Some(until) = wait.until {
        return (Course::Wait(until), reasons);
    }
    match &facts.tags {
        TagExemption::NotAsked => {}
        TagExemption::Unreadable if changes => {
            reasons.push(Reason::TagsUnreadable);
            return (Course::Wait(person_decides(facts.now)), reasons);
        }
        TagExemption::Unreadable => reasons.push(Reason::TagsUnreadable),
        TagExemption::Read(tags) => {
            if let Some(exempt) = exemption(tags.as_ref(), facts.now, &mut reasons) {
                return (Course::Leave, vec![exempt]);
            }
        }
    }
    let Some(plan) = facts.plan else {
        reasons.push(Reason::RunbookUnavailable(route.runbook.clone()));
        return (Course::Wait(person_decides(facts.now)), reasons);
    };
    if !changes {
        return (Course::Record(plan), reasons);
    }
    if let Some(flapping) = incident.flapping() {
        reasons.push(Reason::Flapping(flapping));
        return (Course::Escalate, reasons);
    }
    let limits = BudgetLimits::of(route.budget, facts.switches.budget(), facts.running_in_all);
    let mut wait = Wait { now: facts.now, until: None, reasons: &mut reasons };
    wait.for_calendar(route, incident.severity, facts.calendar, facts.environment);
    match facts.refusal {
        Some(Refusal::ResourceHeld(other)) => {
            wait.because(Reason::ResourceHeld(other), facts.now.plus(SOON));
        }
        Some(Refusal::Spent(spent)) => wait.because(Reason::BudgetSpent(spent), spent.until(facts.now)),
        None if limits.starts_per_hour == 0 => {
            let none = Spent::StartsThisHour(0);
            wait.because(Reason::BudgetSpent(none), person_decides(facts.now));
        }
        None => {}
    }
    if mode == Mode::Approve && !facts.has_approvers {
        wait.because(Reason::NoApprovers, person_decides(facts.now));
    }
    match (wait.until, mode) {
        (Some(until), _) => (Course::Wait(until), reasons),
        (None, Mode::Approve) => (Course::Ask(plan, limits), reasons),
        (None, Mode::Off | Mode::Observe | Mode::Enforce) => (Course::Start(plan, limits), reasons),
    }
}

/// `reconcile` asks again in each of its runs.
const SOON: std::time::Duration = std::time::Duration::from_mins(5);

/// What waits for a person is asked about in each run of `reconcile`, and said anew after a day.
fn person_decides(now: Timestamp) -> Timestamp {
    now.plus(std::time::Duration::from_hours(24))
}

/// The reasons to wait, and until when the last of them holds.
struct Wait<'r> {
    now: Timestamp,
    until: Option<Timestamp>,
    reasons: &'r mut Vec<Reason>,
}

impl Wait<'_> {
    fn because(&mut self, reason: Reason, until: Timestamp) {
        self.reasons.push(reason);
        self.until = self.until.max(Some(until));
    }

    fn for_switches(&mut self, switches: &Switches) {
        let until = person_decides(self.now);
        match switches {
            Switches::Unreadable => self.because(Reason::SwitchesUnreadable, until),
            Switches::Read { kill, breaker, .. } => {
                if *kill != KillSwitch::Released {
                    self.because(Reason::KillSwitch(kill.clone()), until);
                }
                if let Some(breaker) = breaker {
                    self.because(Reason::BreakerOpen(breaker.clone()), until);
                }
            }
        }
    }

    fn for_calendar(
        &mut self,
        route: &Route,
        severity: Severity,
        calendar: Option<CalendarState>,
        environment: Environment,
    ) {
        let until = person_decides(self.now);
        let (reason, until) = match calendar {
            None | Some(CalendarState::Open { until: None }) => return,
            Some(CalendarState::Open { until: Some(closes) })
                if self.now.plus(route.expected_duration) < closes =>
            {
                return;
            }
            Some(CalendarState::Open { until: Some(closes) }) => (Reason::CalendarCloses(closes), closes),
            Some(CalendarState::Closed { until: opens }) => {
                (Reason::CalendarClosed(opens), opens.unwrap_or(until))
            }
            Some(CalendarState::Unreadable) if environment == Environment::Prod => {
                (Reason::CalendarUnreadable(environment), until)
            }
            Some(CalendarState::Unreadable) => {
                self.reasons.push(Reason::CalendarUnreadable(environment));
                return;
            }
        };
        if route.answers_emergency(severity) {
            self.reasons.push(reason);
            self.reasons.push(Reason::Emergency);
        } else {
            self.because(reason, until);
        }
    }
}

/// The reason to leave the resource alone, if an exemption holds. One that does not hold is mentioned.
fn exemption(
    written: Option<&Result<Exemption, NotAnExemption>>,
    now: Timestamp,
    reasons: &mut Vec<Reason>,
) -> Option<Reason> {
    match written? {
        Ok(exemption) => match exemption.validity(now) {
            Validity::Holds => return Some(Reason::Exempt(exemption.clone())),
            Validity::Ended => reasons.push(Reason::ExemptionEnded(exemption.until)),
            Validity::TooLong => reasons.push(Reason::ExemptionTooLong(exemption.until)),
        },
        Err(NotAnExemption) => reasons.push(Reason::ExemptionNotUnderstood),
    }
    None
}

/// The lowest mode that anything asks for, and what asked for it first.
fn mode(
    route: &Route,
    evidence: Freshness,
    switches: &Switches,
    environment: Environment,
    default_mode: Mode,
) -> (Mode, ModeOrigin) {
    let wanted = match switches {
        Switches::Read { mode: ModeSwitch::Set(mode), .. } => (*mode, ModeOrigin::Switch),
        Switches::Read { mode: ModeSwitch::NotUnderstood, .. } => (Mode::Observe, ModeOrigin::SwitchNotUnderstood),
        // Unreadable switches stop everything by themselves.
        Switches::Read { mode: ModeSwitch::Unset, .. } | Switches::Unreadable => (default_mode, ModeOrigin::Stack),
    };
    let allowed = (route.ceiling.of(environment), ModeOrigin::Policy(environment));
    let evidence = match evidence {
        Freshness::Live => (Mode::Enforce, wanted.1),
        Freshness::Replayed => (Mode::Observe, ModeOrigin::Replayed),
        Freshness::Stale => (Mode::Observe, ModeOrigin::Stale),
    };
    let lower = |held: (Mode, ModeOrigin), limit: (Mode, ModeOrigin)| if limit.0 < held.0 { limit } else { held };
    lower(lower(wanted, allowed), evidence)
}

impl Switches {
    /// What is written down about an exemption of the resource.
    #[must_use]
    pub const fn exemption(&self) -> Option<&Result<Exemption, NotAnExemption>> {
        match self {
            Self::Unreadable => None,
            Self::Read { exemption, .. } => exemption.as_ref(),
        }
    }

    /// The route's budget switch. Unreadable switches stop everything by themselves.
    #[must_use]
    pub const fn budget(&self) -> BudgetSwitch {
        match self {
            Self::Unreadable => BudgetSwitch::Unset,
            Self::Read { budget, .. } => *budget,
        }
    }
}

#[cfg(test)]
mod tests;
