//! Small worlds, searched to the end.
//!
//! The bounds: two invocations and (in two of the eight) one of `reconcile`, which meet before any of them has made a call; every order of
//! their calls; so many of them as each test says die, at any of their calls. No call is throttled, and what comes
//! after the meeting (Lambda's retries after one and two minutes, `reconcile`, the executions and their events) comes
//! in one order, without a fault.
//!
//! `MEND_SIMULATION_DEATHS=3` lets all of them die in every world. That takes minutes.

use mend_simulation::Story;
use mend_simulation::choices::{Enumerated, Replayed};
use mend_simulation::small_worlds::{Meeting, run};

#[expect(
    clippy::disallowed_methods,
    reason = "a test is steered by its environment; Mend's settings are not concerned"
)]
fn deaths_wanted() -> Option<u32> {
    std::env::var("MEND_SIMULATION_DEATHS").ok()?.parse().ok()
}

#[expect(clippy::print_stdout, reason = "it is for the reader")]
fn search(meeting: Meeting, deaths: u32) {
    let deaths = deaths_wanted().unwrap_or(deaths);
    let mut choices = Enumerated::default();
    let (mut runs, mut rests) = (0_u64, 0_u64);
    loop {
        let ending = run(meeting, deaths, &mut choices, Story::new(false));
        runs += 1;
        rests += u64::from(ending.came_to_rest);
        if let Some(violation) = ending.violation {
            let path = choices.path();
            println!("{}", run(meeting, deaths, &mut Replayed::new(path.clone()), Story::new(true)).story);
            panic!("{meeting:?}, choices {path:?}: {}", violation.0);
        }
        if !choices.next_run() {
            break;
        }
    }
    println!(
        "{meeting:?}, {deaths} deaths at most: {} states, {runs} runs, {rests} different ends",
        choices.states()
    );
    assert!(rests > 10, "a search that finds {rests} ends is none");
}

#[test]
fn a_violation_and_its_duplicate() {
    search(Meeting::Duplicate, 3);
}

#[test]
fn two_routes_on_one_resource() {
    search(Meeting::TwoRoutes, 2);
}

#[test]
fn a_violation_and_its_clear() {
    search(Meeting::Clear, 2);
}

#[test]
fn an_outcome_and_its_duplicate() {
    search(Meeting::Outcome, 2);
}

#[test]
fn an_outcome_and_a_new_violation() {
    search(Meeting::OutcomeAndViolation, 2);
}

#[test]
fn an_outcome_and_a_person() {
    search(Meeting::Person, 2);
}

#[test]
fn a_request_for_approval_asked_twice() {
    search(Meeting::Approval, 2);
}

#[test]
fn a_request_for_approval_withdrawn() {
    search(Meeting::Withdrawal, 3);
}
