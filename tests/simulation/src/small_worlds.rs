//! Small worlds, searched to the end: a few invocations at once, in every order of their calls, each of them dying at
//! any of its calls or at none.
//!
//! Time stands still while they meet, so that a world's state does not depend on how it was reached, and a state that
//! was searched is left alone: every invocation's own state follows from what its calls have answered. When all of them
//! have ended or died, the rest of the story is told in one way: Lambda's retries, `reconcile`, the executions and
//! their events; at its end the same holds that holds at the end of every world.

use std::cell::RefCell;
use std::time::Duration;

use mend_core::mode::{Environment, Mode};
use mend_core::switches::kill_switch_parameter;

use crate::account::{Account, State};
use crate::choices::Choices;
use crate::faults::Faults;
use crate::functions::Function;
use crate::happenings::Happening;
use crate::scene::{Check, Scene, Stage};
use crate::simulation::{Ending, Scheduler};
use crate::story::Story;

/// What meets in a small world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// A violation, its duplicate, and `reconcile`.
    Duplicate,
    /// A violation, and the same resource's violation of another route.
    TwoRoutes,
    /// A violation, and what clears it.
    Clear,
    /// The end of an attempt, and its duplicate.
    Outcome,
    /// The end of an attempt, and a new violation.
    OutcomeAndViolation,
    /// A person resolves the OpsItem while the attempt ends.
    Person,
    /// A violation and its duplicate while approval is needed.
    Approval,
    /// What clears an incident that waits for approval, its duplicate, and `reconcile`.
    Withdrawal,
}

impl Meeting {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Duplicate,
        Self::TwoRoutes,
        Self::Clear,
        Self::Outcome,
        Self::OutcomeAndViolation,
        Self::Person,
        Self::Approval,
        Self::Withdrawal,
    ];
}

const SSH: Check = Check { rule: 0, resource: 0 };
const DESCRIPTION: Check = Check { rule: 2, resource: 0 };

/// Runs one of the worlds of a meeting, in which at most so many invocations die.
pub fn run(meeting: Meeting, deaths: u32, choices: &mut dyn Choices, story: Story) -> Ending {
    let mode = match meeting {
        Meeting::Approval | Meeting::Withdrawal => Mode::Approve,
        Meeting::Duplicate
        | Meeting::TwoRoutes
        | Meeting::Clear
        | Meeting::Outcome
        | Meeting::OutcomeAndViolation
        | Meeting::Person => Mode::Enforce,
    };
    let scene = Scene::new(Environment::Dev, mode, 1);
    let stage = Stage::of(&scene);
    let account = Account { state: RefCell::new(State::new(choices, scene, Faults::default(), story)) };
    release(&mut account.state.borrow_mut());
    let mut scheduler = Scheduler::new(&account, &stage);
    let met = prepare(meeting, &account, &mut scheduler);
    meet(&account, &mut scheduler, met, deaths);
    rest(&account, &mut scheduler);
    drop(scheduler);
    account.into_ending()
}

/// Mend may act, and nothing is left open for now.
fn release(state: &mut State<'_>) {
    state.is_decided = true;
    state.set_parameter(&kill_switch_parameter(Environment::Dev), Some("released".to_owned()), "an operator");
}

/// What comes before the meeting, told in one way. Comes back with the invocations that meet.
fn prepare<'a, 'c>(
    meeting: Meeting,
    account: &'a Account<'c>,
    scheduler: &mut Scheduler<'a, 'c>,
) -> Vec<Function> {
    let complains = |check: Check, is_broken: bool| {
        let state = &mut *account.state.borrow_mut();
        state.configuration.set_broken(check, is_broken);
        // What is decided comes without delay, and here it is handed in by hand.
        state.look(check);
        state.schedule.forget_events();
        Function::ConfigCompliance(state.signal(check, is_broken))
    };
    let pass = |scheduler: &mut Scheduler<'a, 'c>, seconds: u64| {
        let until = account.state.borrow().now.plus(Duration::from_secs(seconds));
        scheduler.run_until(until);
    };
    pass(scheduler, 1);
    let first = complains(SSH, true);
    let answered = |scheduler: &mut Scheduler<'a, 'c>| {
        scheduler.invoke(first.clone());
        pass(scheduler, 1);
    };
    let ended = |scheduler: &mut Scheduler<'a, 'c>| {
        answered(scheduler);
        pass(scheduler, 1);
        let state = &mut *account.state.borrow_mut();
        let Some(id) = state.automation.runs.keys().next().cloned() else { return Function::Reconcile };
        state.now = state.now.plus(Duration::from_secs(150));
        state.execution_goes_on(&id);
        state.schedule.forget_events();
        Function::AutomationOutcome(id)
    };
    let both = match meeting {
        Meeting::Duplicate | Meeting::Approval => vec![first.clone(), first],
        Meeting::TwoRoutes => vec![first, complains(DESCRIPTION, true)],
        Meeting::Clear => {
            pass(scheduler, 1);
            vec![first, complains(SSH, false)]
        }
        Meeting::Outcome => {
            let end = ended(scheduler);
            vec![end.clone(), end]
        }
        Meeting::OutcomeAndViolation => {
            let end = ended(scheduler);
            pass(scheduler, 1);
            vec![end, complains(SSH, true)]
        }
        Meeting::Person => {
            let end = ended(scheduler);
            let resolved = account.state.borrow_mut().person_resolves_first();
            account.state.borrow_mut().schedule.forget_events();
            std::iter::once(end).chain(resolved).collect()
        }
        Meeting::Withdrawal => {
            answered(scheduler);
            pass(scheduler, 60);
            let clear = complains(SSH, false);
            vec![clear.clone(), clear]
        }
    };
    // Elsewhere the worlds would be too many for every day: `reconcile` comes afterwards.
    let reconcile = match meeting {
        Meeting::Duplicate | Meeting::Withdrawal => Some(Function::Reconcile),
        Meeting::TwoRoutes
        | Meeting::Clear
        | Meeting::Outcome
        | Meeting::OutcomeAndViolation
        | Meeting::Person
        | Meeting::Approval => None,
    };
    both.into_iter().chain(reconcile).collect()
}

/// Every order, and every death.
fn meet<'a, 'c>(account: &'a Account<'c>, scheduler: &mut Scheduler<'a, 'c>, met: Vec<Function>, deaths: u32) {
    {
        let state = &mut *account.state.borrow_mut();
        state.tell(|| "now they meet".to_owned());
        (state.is_decided, state.time_stands_still) = (false, true);
        state.faults.deaths = Some(deaths);
    }
    for function in met {
        scheduler.invoke(function);
    }
    let now = account.state.borrow().now;
    scheduler.run_until(now);
    let state = &mut *account.state.borrow_mut();
    (state.is_decided, state.time_stands_still) = (true, false);
    state.faults.deaths = None;
}

/// The rest of the story.
fn rest<'a, 'c>(account: &'a Account<'c>, scheduler: &mut Scheduler<'a, 'c>) {
    let end = {
        let state = &mut *account.state.borrow_mut();
        if state.was_searched {
            return;
        }
        state.tell(|| "they have met".to_owned());
        let now = state.now;
        for minutes in [4, 9, 14, 40, 60] {
            state.schedule.at(now.plus(Duration::from_mins(minutes)), Happening::Schedule);
        }
        for minutes in [6, 50] {
            for check in state.scene.checks() {
                state.schedule.at(now.plus(Duration::from_mins(minutes)), Happening::Look(check));
            }
        }
        now.plus(Duration::from_mins(65))
    };
    scheduler.run_until(end);
}
