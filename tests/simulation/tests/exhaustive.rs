//! Small worlds, searched to the end.
//!
//! The bounds: two invocations and one of `reconcile`, which meet before any of them has made a call; every order of
//! their calls; each may die at any one of its calls, or at none, in all combinations. No call is throttled, and what
//! comes after the meeting (Lambda's retries after one and two minutes, `reconcile`, the executions and their events)
//! comes in one order, without a fault.

use mend_simulation::Story;
use mend_simulation::choices::{Enumerated, Replayed};
use mend_simulation::small_worlds::{Meeting, run};

#[expect(clippy::print_stdout, reason = "it is for the reader")]
fn search(meeting: Meeting) {
    let mut choices = Enumerated::default();
    let (mut runs, mut rests) = (0_u64, 0_u64);
    loop {
        let ending = run(meeting, &mut choices, Story::new(false));
        runs += 1;
        rests += u64::from(ending.came_to_rest);
        if let Some(violation) = ending.violation {
            let path = choices.path();
            println!("{}", run(meeting, &mut Replayed::new(path.clone()), Story::new(true)).story);
            panic!("{meeting:?}, choices {path:?}: {}", violation.0);
        }
        if !choices.next_run() {
            break;
        }
    }
    println!("{meeting:?}: {} states, {runs} runs, {rests} different ends", choices.states());
    assert!(rests > 10, "a search that finds {rests} ends is none");
}

#[test]
fn a_violation_and_its_duplicate() {
    search(Meeting::Duplicate);
}

#[test]
fn two_routes_on_one_resource() {
    search(Meeting::TwoRoutes);
}

#[test]
fn a_violation_and_its_clear() {
    search(Meeting::Clear);
}

#[test]
fn an_outcome_and_its_duplicate() {
    search(Meeting::Outcome);
}

#[test]
fn an_outcome_and_a_new_violation() {
    search(Meeting::OutcomeAndViolation);
}

#[test]
fn an_outcome_and_a_person() {
    search(Meeting::Person);
}

#[test]
fn a_request_for_approval_asked_twice() {
    search(Meeting::Approval);
}

#[test]
fn a_request_for_approval_withdrawn() {
    search(Meeting::Withdrawal);
}
