//! Whole stories against a modelled account: what is delivered, and all that comes of it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "in tests, what is not there is a failure"
)]

mod account;
mod rails;
mod reconcile;

use account::{Account, Call, Fault, at, clear, deliver, deliver_as, deliver_until_answered, ended, violated};
use mend_core::automation::ExecutionId;
use mend_core::decision::{Reason, Verdict};
use mend_core::identity::IncidentId;
use mend_core::incident::{AttemptReport, Outcome, State};
use mend_core::mode::Mode;
use mend_core::report::OpsItemStatus;
use mend_core::signal::CauseState;
use mend_core::switches::{KillSwitch, ModeSwitch};
use mend_responder::world::News;
use mend_responder::{Answer, ResponseError};

fn answered(account: &Account, mode: Mode, news: &News) -> Answer {
    deliver(account, mode, news).expect("no crash").expect("an answer")
}

fn changes(account: &Account) -> Vec<String> {
    account.events.borrow().iter().map(|event| event.detail_type.clone()).collect()
}

fn ops_item_status(account: &Account) -> OpsItemStatus {
    let items = account.ops_items.borrow();
    assert_eq!(items.len(), 1, "one OpsItem");
    items.values().next().unwrap().1.status
}

#[test]
fn a_violation_is_written_down_answered_and_told() {
    let account = Account::new();
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(answer.decision, Verdict::Respond);
    assert_eq!(answer.incident, Some(account.the_incident().id.to_string()));
    assert!(answer.ops_item.is_some() && answer.execution.is_some());
    assert_eq!(
        *account.calls.borrow(),
        [
            Call::Claim,
            Call::Switches,
            Call::Version,
            Call::Write,
            Call::CreateOpsItem,
            Call::Start,
            Call::UpdateOpsItem,
            Call::Publish,
            Call::Put,
            Call::Write
        ]
    );
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
    assert_eq!(changes(&account), ["Mend Incident Responding"]);
    let row = account.the_row();
    assert_eq!((row.lease, row.inbox.len()), (None, 0));
}

#[test]
fn an_outcome_closes_everything() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(10);
    let before = account.calls.borrow().len();
    let outcome = ended(&account, Outcome::Remediated, 105);
    let answer = answered(&account, Mode::Enforce, &outcome);
    assert_eq!((answer.decision, answer.reasons), (Verdict::Resolve, vec![Reason::Remediated]));
    let expected = [Call::Claim, Call::Write, Call::UpdateOpsItem, Call::Publish, Call::Put, Call::Write];
    assert_eq!(account.calls_since(before), expected);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    assert_eq!(changes(&account), ["Mend Incident Responding", "Mend Incident Resolved"]);
    assert_eq!(account.before_states.borrow().len(), 1);
    assert!(account.holds.borrow().is_empty(), "the resource is free again");
}

#[test]
fn a_repeated_event_costs_one_call_and_does_nothing() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    for _ in 0..100 {
        let before = account.calls.borrow().len();
        let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
        assert_eq!((answer.decision, answer.reasons), (Verdict::Ignore, vec![Reason::AlreadyKnown]));
        assert!(answer.incident.is_some() && answer.execution.is_some(), "it says what it is a repetition of");
        assert_eq!(account.calls_since(before), [Call::Claim]);
        account.pass(3600);
    }
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn what_no_route_takes_costs_nothing() {
    let account = Account::new();
    let answer = answered(&account, Mode::Enforce, &violated("volume-encrypted", 90));
    assert_eq!(answer.decision, Verdict::Ignore);
    assert!(account.calls.borrow().is_empty());
}

#[test]
fn a_violation_that_a_clear_has_overtaken_opens_nothing() {
    let account = Account::new();
    let answer = answered(&account, Mode::Enforce, &clear("ssh", 90));
    assert_eq!((answer.decision, answer.reasons), (Verdict::Ignore, vec![Reason::NothingToClear]));
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 89));
    assert_eq!((answer.decision, answer.incident), (Verdict::Ignore, None));
    assert!(account.executions.borrow().is_empty() && account.ops_items.borrow().is_empty());
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 91));
    assert_eq!(answer.decision, Verdict::Respond);
}

#[test]
fn observing_records_the_plan_and_starts_nothing() {
    let account = Account::new();
    let answer = answered(&account, Mode::Observe, &violated("ssh", 90));
    assert_eq!((answer.decision, answer.execution), (Verdict::Respond, None));
    assert!(matches!(account.the_incident().state, State::Observed(_)));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
    assert!(account.executions.borrow().is_empty());

    let answer = answered(&account, Mode::Observe, &clear("ssh", 200));
    assert_eq!(answer.decision, Verdict::Resolve);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
}

#[test]
fn an_operators_switch_takes_effect_on_the_next_event() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
    let answer = answered(&account, Mode::Observe, &violated("ssh", 91));
    assert_eq!(answer.decision, Verdict::Respond);
    assert_eq!(account.executions.borrow().len(), 1);
    assert_eq!(account.ops_items.borrow().len(), 1);
}

#[test]
fn an_engaged_kill_switch_defers_and_a_later_event_goes_on() {
    let account = Account::new();
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: Some("lee: storm".into()), stops: false });
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(answer.decision, Verdict::Defer);
    assert!(matches!(account.the_incident().state, State::Deferred { .. }));
    assert!(account.executions.borrow().is_empty());

    *account.kill.borrow_mut() = None;
    assert_eq!(answered(&account, Mode::Enforce, &violated("ssh", 91)).decision, Verdict::Respond);
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn switches_that_may_not_be_read_stop_the_answer_and_not_the_record() {
    let account = Account::new();
    account.fail(1, Fault::Refused);
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(answer.decision, Verdict::Defer);
    assert!(answer.reasons.contains(&Reason::SwitchesUnreadable));
    assert!(account.executions.borrow().is_empty());
}

#[test]
fn a_second_violation_after_the_repair_is_a_second_generation() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let outcome = ended(&account, Outcome::Remediated, 110);
    account.pass(20);
    answered(&account, Mode::Enforce, &outcome);

    let late = answered(&account, Mode::Enforce, &violated("ssh", 109));
    assert_eq!((late.decision, late.reasons), (Verdict::Ignore, vec![Reason::NotLookedSince(at(110))]));

    let again = answered(&account, Mode::Enforce, &violated("ssh", 111));
    assert_eq!(again.decision, Verdict::Respond);
    assert!(again.incident.unwrap().ends_with("-2"));
    assert_eq!(account.executions.borrow().len(), 2);
    assert_eq!(account.ops_items.borrow().len(), 2);
    assert_eq!(account.history.borrow().len(), 1, "the first generation is kept");
}

#[test]
fn an_incident_whose_runbook_fails_is_tried_again_and_then_escalated() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let first = ended(&account, Outcome::Failed("no permission".into()), 110);
    assert_eq!(answered(&account, Mode::Enforce, &first).decision, Verdict::Respond);
    assert_eq!(account.executions.borrow().len(), 2);
    let second = ended(&account, Outcome::Failed("no permission".into()), 120);
    let answer = answered(&account, Mode::Enforce, &second);
    assert!(answer.reasons.contains(&Reason::AttemptsExhausted(2)), "{:?}", answer.reasons);
    assert_eq!(account.the_incident().state, State::Escalated);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
    assert_eq!(account.executions.borrow().len(), 2);
    assert!(account.holds.borrow().is_empty());
    let last = account.notifications.borrow().last().unwrap().clone();
    assert!(last.text.contains("no permission"), "{}", last.text);
    // Heard twice, it is still one escalation.
    assert_eq!(answered(&account, Mode::Enforce, &second).decision, Verdict::Ignore);
}

#[test]
fn a_runbook_that_cannot_be_started_ends_with_a_person() {
    let account = Account::new();
    account.refused.set(Some(Call::Start));
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(account.the_incident().state, State::Escalated, "{:?}", account.calls.borrow());
    assert_eq!(answer.decision, Verdict::Respond);
    assert!(account.executions.borrow().is_empty());
    assert!(account.holds.borrow().is_empty());
    // And that person is told.
    assert!(account.the_incident().outbox.is_empty());
    let last = account.notifications.borrow().last().unwrap().clone();
    assert_eq!(last.json["change"], "Escalated");
    assert!(last.text.contains("could not Start"), "{}", last.text);
}

#[test]
fn a_start_that_waited_is_asked_again_whether_it_may() {
    let account = Account::new();
    account.fail(5, Fault::Throttled);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(account.executions.borrow().is_empty());

    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    account.pass(60);
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(answer.decision, Verdict::Defer);
    assert!(account.executions.borrow().is_empty(), "nothing starts while the kill switch is engaged");

    *account.kill.borrow_mut() = None;
    account.pass(60);
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn a_start_that_was_not_allowed_for_a_day_is_given_up_and_frees_the_resource() {
    let account = Account::new();
    account.fail(5, Fault::Throttled);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    account.pass(3_600);
    assert_eq!(answered(&account, Mode::Enforce, &violated("ssh", 90)).decision, Verdict::Defer);
    let items = account.ops_items.borrow().values().next().unwrap().1.clone();
    assert!(items.description.contains("Is to start"), "{}", items.description);

    account.pass(90_000);
    answered(&account, Mode::Enforce, &violated("ssh", 90_000));
    assert!(account.the_incident().running().is_some(), "it may have begun: reconcile finds that out");
    account.config_says("ssh", "sg-0badcafe", CauseState::Violated, 90_000);
    account::reconcile(&account, Mode::Enforce).expect("no crash").expect("a run");
    assert!(matches!(account.the_incident().state, State::Deferred { .. }));
    assert!(account.holds.borrow().is_empty() && account.executions.borrow().is_empty());

    *account.kill.borrow_mut() = None;
    answered(&account, Mode::Enforce, &violated("ssh", 90_001));
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn the_end_of_a_generation_is_told_before_the_next_begins() {
    // The violation comes while the outcome is taken in, or while a call that tells of the end is throttled.
    for throttled in [false, true] {
        let account = Account::new();
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        account.pass(10);
        let outcome = ended(&account, Outcome::Remediated, 105);
        if throttled {
            account.fail(2, Fault::Throttled);
            deliver(&account, Mode::Enforce, &outcome).unwrap().unwrap_err();
            answered(&account, Mode::Enforce, &violated("ssh", 107));
            account.pass(60);
        } else {
            account.interrupt(1, |account| {
                deliver(account, Mode::Enforce, &violated("ssh", 106)).unwrap().unwrap();
            });
        }
        answered(&account, Mode::Enforce, &outcome);
        let statuses: Vec<_> = account.ops_items.borrow().values().map(|(_, item)| item.status).collect();
        assert!(statuses.contains(&OpsItemStatus::Resolved), "{statuses:?}");
        assert!(statuses.contains(&OpsItemStatus::InProgress), "{statuses:?}");
        assert_eq!(
            changes(&account),
            ["Mend Incident Responding", "Mend Incident Resolved", "Mend Incident Responding"]
        );
        assert_eq!(account.history.borrow().len(), 1);
    }
}

#[test]
fn an_outcome_that_stands_twice_in_the_inbox_is_kept_once() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(10);
    let outcome = ended(&account, Outcome::Remediated, 105);
    account.fail(1, Fault::CrashBefore);
    assert!(deliver(&account, Mode::Enforce, &outcome).is_none());
    answered(&account, Mode::Enforce, &violated("ssh", 106));
    account.pass(60);
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(account.the_row().inbox.len(), 0);
    assert_eq!(account.the_incident().id.generation.number(), 2);
}

#[test]
fn who_was_told_of_a_problem_is_told_when_it_is_suppressed() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.mode.set(Some(ModeSwitch::Set(Mode::Off)));
    account.pass(20);
    let outcome = ended(&account, Outcome::TimedOut, 105);
    assert_eq!(answered(&account, Mode::Enforce, &outcome).decision, Verdict::Suppress);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
    assert_eq!(account.notifications.borrow().last().unwrap().json["change"], "Suppressed");
}

#[test]
fn a_problem_that_clears_before_its_decision_is_written_starts_nothing() {
    let account = Account::new();
    // Before the write of the decision.
    account.interrupt(3, |account| {
        deliver(account, Mode::Enforce, &clear("ssh", 95)).unwrap().unwrap();
    });
    assert_eq!(answered(&account, Mode::Enforce, &violated("ssh", 90)).decision, Verdict::Resolve);
    assert!(account.executions.borrow().is_empty() && account.ops_items.borrow().is_empty());
}

#[test]
fn a_problem_that_was_over_before_it_could_be_decided_stays_over() {
    for mode in [Mode::Observe, Mode::Approve, Mode::Enforce] {
        let account = Account::new();
        account.fail(1, Fault::CrashBefore);
        assert!(deliver(&account, mode, &violated("ssh", 90)).is_none());
        // The lease of the dead invocation still holds, so this waits in the inbox.
        assert_eq!(answered(&account, mode, &clear("ssh", 95)).reasons, [Reason::HeldElsewhere]);
        account.pass(60);
        assert_eq!(answered(&account, mode, &violated("ssh", 90)).decision, Verdict::Resolve, "{mode}");
        assert!(matches!(account.the_incident().state, State::Resolved { .. }), "{mode}");
        assert!(account.executions.borrow().is_empty() && account.ops_items.borrow().is_empty(), "{mode}");
    }
}

#[test]
fn who_cannot_decide_does_not_keep_others_from_it() {
    let account = Account::new();
    account.fail(1, Fault::Throttled);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert_eq!(account.the_row().lease, None);
    let answer = answered(&account, Mode::Enforce, &violated("ssh-copy", 91));
    assert_eq!(answer.decision, Verdict::Respond);
    assert_eq!(account.the_incident().causes.len(), 2, "what it could not decide was not lost");
}

#[test]
fn an_execution_by_hand_neither_closes_nor_silences_the_attempt() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(20);
    let News::Outcome(ours) = ended(&account, Outcome::Remediated, 105) else { unreachable!() };
    let by_hand = AttemptReport {
        execution: ExecutionId::from_static("99999999-0000-4000-8000-000000000001"),
        outcome: Outcome::AlreadyCompliant,
        ended_at: at(110),
        ..ours.clone()
    };
    let answer = answered(&account, Mode::Enforce, &News::Outcome(by_hand));
    assert_eq!((answer.decision, answer.reasons.len()), (Verdict::Ignore, 1));
    assert!(account.the_incident().running().is_some());
    assert_eq!(answered(&account, Mode::Enforce, &News::Outcome(ours)).decision, Verdict::Resolve);
    assert_eq!(account.before_states.borrow().len(), 2, "what either found can be restored");
}

#[test]
fn an_ops_item_that_was_resolved_and_not_written_down_is_not_made_again() {
    let account = Account::new();
    // It dies with the OpsItem created and the runbook started, before it writes that down.
    account.fail(9, Fault::CrashBefore);
    assert!(deliver(&account, Mode::Enforce, &violated("ssh", 90)).is_none());
    account.pass(60);
    let outcome = ended(&account, Outcome::Remediated, 105);
    // And so does who resolves it. OpsCenter's dedup string holds only until then.
    let before = account.calls.borrow().len();
    account.fail(5, Fault::CrashBefore);
    assert!(deliver(&account, Mode::Enforce, &outcome).is_none(), "{:?}", account.calls_since(before));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    account.pass(60);
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
}

#[test]
fn an_ops_item_that_somebody_deleted_is_made_anew() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let outcome = ended(&account, Outcome::TimedOut, 105);
    account.ops_items.borrow_mut().clear();
    account.pass(20);
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
}

#[test]
fn two_problems_of_one_resource_are_repaired_one_after_the_other() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let other = answered(&account, Mode::Enforce, &violated("description", 90));
    assert_eq!(other.decision, Verdict::Defer);
    assert!(other.reasons.iter().any(|reason| matches!(reason, Reason::ResourceHeld(_))), "{:?}", other.reasons);
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn news_that_comes_while_an_invocation_works_is_heard_by_it() {
    // Before each of the first invocation's calls in turn, another rule complains, and the first clears.
    for call in 1..10 {
        let account = Account::new();
        account.interrupt(call, |account| {
            let answer = deliver(account, Mode::Enforce, &violated("ssh-copy", 95)).unwrap().unwrap();
            assert_eq!(answer.reasons, [Reason::HeldElsewhere]);
        });
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        let incident = account.the_incident();
        assert_eq!(incident.causes.len(), 2, "before call {call}");
        let row = account.the_row();
        assert_eq!((row.lease, row.inbox.len()), (None, 0), "before call {call}");
        assert_eq!(account.executions.borrow().len(), 1);
    }
}

#[test]
fn an_outcome_that_comes_before_its_start_is_written_down_is_heard() {
    let account = Account::new();
    // Before the call that follows the start, the execution has ended.
    account.interrupt(6, |account| {
        let outcome = ended(account, Outcome::Remediated, 100);
        let answer = deliver(account, Mode::Enforce, &outcome).unwrap().unwrap();
        assert_eq!(answer.reasons, [Reason::HeldElsewhere]);
    });
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(answer.decision, Verdict::Resolve);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    assert!(account.the_incident().outbox.is_empty());
}

#[test]
fn a_repetition_during_the_work_leaves_it_alone() {
    let account = Account::new();
    account.interrupt(5, |account| {
        let answer = deliver(account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap();
        assert_eq!(answer.reasons, [Reason::AlreadyKnown]);
    });
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!((account.executions.borrow().len(), account.ops_items.borrow().len()), (1, 1));
}

#[test]
fn a_retry_that_comes_while_its_dead_first_try_holds_the_lease_comes_again() {
    let account = Account::new();
    account.fail(5, Fault::CrashBefore);
    assert!(deliver_as("one", &account, Mode::Enforce, &violated("ssh", 90)).is_none());
    account.pass(1);
    // Lambda retries after an error of its own within seconds. Answering would end the event.
    let error = deliver_as("one", &account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(matches!(error, ResponseError::EarlierTry { .. }), "{error}");
    account.pass(60);
    deliver_as("one", &account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap();
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn a_repair_that_is_broken_again_before_its_outcome_is_heard_is_repaired_again() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(10);
    let outcome = ended(&account, Outcome::Remediated, 105);
    // While the outcome is taken in, the rule reports that it is open again.
    account.interrupt(1, |account| {
        deliver(account, Mode::Enforce, &violated("ssh", 106)).unwrap().unwrap();
    });
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(account.the_incident().id.generation.number(), 2);
    account.pass(10);
    let outcome = ended(&account, Outcome::Remediated, 115);
    assert_eq!(answered(&account, Mode::Enforce, &outcome).decision, Verdict::Resolve);
    assert_eq!(account.executions.borrow().len(), 2);
    assert!(account.holds.borrow().is_empty());
}

#[test]
fn a_hold_that_has_gone_to_another_incident_is_left_to_it() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let outcome = ended(&account, Outcome::Remediated, 105);
    let other: IncidentId = format!("{}-1", "0".repeat(32)).parse().unwrap();
    account.holds.borrow_mut().values_mut().for_each(|holder| *holder = other.clone());
    account.pass(10);
    assert_eq!(answered(&account, Mode::Enforce, &outcome).decision, Verdict::Resolve);
    assert_eq!(account.holds.borrow().values().collect::<Vec<_>>(), [&other]);
}

#[test]
fn who_lost_the_lease_stops() {
    let account = Account::new();
    account.interrupt(4, |account| {
        account.pass(40);
        deliver(account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap();
    });
    let error = deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(matches!(error, ResponseError::OutOfTime { .. } | ResponseError::LeaseLost { .. }), "{error}");
    assert_eq!((account.executions.borrow().len(), account.ops_items.borrow().len()), (1, 1));
    assert!(account.the_incident().outbox.is_empty());
}

#[test]
fn who_is_out_of_time_leaves_the_rest_in_the_outbox() {
    let account = Account::new();
    account.interrupt(4, |account| account.pass(28));
    let error = deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(matches!(error, ResponseError::OutOfTime { .. }), "{error}");
    assert!(account.executions.borrow().is_empty());
    assert!(!account.the_incident().outbox.is_empty());
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert!(answer.reasons.contains(&Reason::Resumed));
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn an_ops_item_that_cannot_be_created_now_does_not_keep_the_repair() {
    let account = Account::new();
    account.fail(4, Fault::Throttled);
    let error = deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(matches!(error, ResponseError::EffectsLeft { left: 1, .. }), "{error}");
    assert_eq!(account.executions.borrow().len(), 1);
    assert!(account.ops_items.borrow().is_empty());
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(account.ops_items.borrow().len(), 1);
}

#[test]
fn an_ops_item_that_can_never_be_created_does_not_either() {
    let account = Account::new();
    account.fail(4, Fault::Refused);
    account.fail(6, Fault::Refused);
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!((answer.decision, answer.ops_item), (Verdict::Respond, None));
    assert_eq!(account.executions.borrow().len(), 1);
    assert!(account.notifications.borrow().len() == 1, "people are told all the same");
    assert!(account.the_incident().notes.iter().any(|note| note.text.starts_with("Given up")));
    // Who was told that it is being repaired is told how it ended.
    account.pass(10);
    let outcome = ended(&account, Outcome::Remediated, 105);
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(account.notifications.borrow().last().unwrap().json["change"], "Resolved");
}

/// One fault at every call of the whole loop, of every kind; and then two.
#[test]
fn no_single_or_double_fault_loses_or_doubles_anything() {
    let faults = [Fault::Throttled, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter];
    let mut tried = 0;
    for first in 0..16 {
        for second in first + 1..18 {
            for one in faults {
                for other in faults {
                    the_loop_closes_in_spite_of(&[(first, one), (second, other)]);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 2_000);
}

fn the_loop_closes_in_spite_of(faults: &[(usize, Fault)]) {
    let account = Account::new();
    for (index, fault) in faults {
        account.fail(*index, *fault);
    }
    deliver_until_answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(60);
    let outcome = ended(&account, Outcome::Remediated, 150);
    deliver_until_answered(&account, Mode::Enforce, &outcome);
    // A straggler, a day later.
    account.pass(86_400);
    let last = deliver_until_answered(&account, Mode::Enforce, &violated("ssh", 90));
    assert_eq!(last.decision, Verdict::Ignore, "{faults:?}");

    let row = account.the_row();
    let incident = row.incident.clone().unwrap();
    assert!(matches!(incident.state, State::Resolved { .. }), "{faults:?}: {:?}", incident.state);
    assert!(incident.outbox.is_empty() && row.inbox.is_empty() && row.lease.is_none(), "{faults:?}: {row:?}");
    assert_eq!(account.executions.borrow().len(), 1, "{faults:?}: one start per attempt");
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved, "{faults:?}");
    assert!(account.holds.borrow().is_empty(), "{faults:?}");
    assert!(!account.before_states.borrow().is_empty(), "{faults:?}: what a restore needs is kept");
    for change in ["Responding", "Resolved"] {
        let told = account.notifications.borrow().iter().any(|n| n.json["change"] == change);
        let put = account.events.borrow().iter().any(|event| event.detail["change"] == change);
        assert!(told && put, "{faults:?}: {change} is told");
    }
}
