//! What `reconcile` finds that no event tells.

use mend_core::identity::AttemptNumber;
use mend_core::incident::{Outcome, Resolution, State};
use mend_core::mode::Mode;
use mend_core::report::OpsItemStatus;
use mend_core::signal::CauseState;
use mend_core::switches::{KillSwitch, ModeSwitch};
use mend_responder::Reconciled;
use mend_responder::world::News;

use crate::account::{Account, Call, Fault, at, clear, deliver, ended, reconcile, violated};
use crate::{answered, changes, ops_item_status};

const RESOURCE: &str = "sg-0badcafe";

/// A run that comes to its end.
fn run(account: &Account, mode: Mode) -> Reconciled {
    let run = reconcile(account, mode).expect("no crash").expect("a run");
    assert!(run.complete && run.failures.is_empty(), "{run:?}");
    run
}

fn resolution(account: &Account) -> Option<Resolution> {
    if let State::Resolved { how, .. } = account.the_incident().state { Some(how) } else { None }
}

/// One problem, one OpsItem, a consistent row.
fn assert_consistent(account: &Account) {
    let row = account.the_row();
    assert!(row.settled(), "{row:?}");
    assert_eq!(account.ops_items.borrow().len(), 1);
    assert!(!account.notifications.borrow().is_empty());
    let incident = account.the_incident();
    assert_eq!(incident.running().is_some(), !account.holds.borrow().is_empty());
    let tokens = account.executions.borrow().len();
    assert!(tokens <= incident.finished.len() + 1, "one start for each attempt");
}

#[test]
fn a_run_that_finds_nothing_to_do_writes_nothing() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.pass(600);
    run(&account, Mode::Observe);
    account.pass(600);
    let before = account.calls.borrow().len();
    let done = run(&account, Mode::Observe);
    assert_eq!(done, Reconciled { complete: true, open: 1, ..Reconciled::default() });
    assert_eq!(
        account.calls_since(before),
        [
            Call::BeginRun,
            Call::OpenRows,
            Call::Switches,
            Call::Version,
            Call::ChangedSince,
            Call::OpenRows,
            Call::Rules,
            Call::Complaints,
            Call::EndRun
        ]
    );
}

#[test]
fn what_a_crash_left_anywhere_is_carried_on_without_another_event() {
    for index in 0..10 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let account = Account::new();
            account.fail(index, fault);
            assert!(deliver(&account, Mode::Enforce, &violated("ssh", 90)).is_none(), "{index} {fault:?}");
            account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
            account.pass(60);
            run(&account, Mode::Enforce);
            assert_consistent(&account);
            assert_eq!(account.executions.borrow().len(), 1, "{index} {fault:?}");
            assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
        }
    }
}

#[test]
fn whoever_is_at_work_is_left_alone() {
    let account = Account::new();
    account.fail(3, Fault::CrashAfter);
    assert!(deliver(&account, Mode::Enforce, &violated("ssh", 90)).is_none());
    account.pass(20);
    assert_eq!(run(&account, Mode::Enforce).resumed, 0, "the lease has not run out");
    assert!(account.executions.borrow().is_empty());
}

#[test]
fn an_execution_whose_end_no_event_told_is_heard() {
    for (status, outcome, resolved) in [("Success", "Remediated", true), ("Failed", "", false)] {
        let account = Account::new();
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        account.pass(60);
        account.end_unheard(status, outcome);
        assert_eq!(run(&account, Mode::Enforce).outcomes, 0, "its event may still come");
        account.pass(180);
        let done = run(&account, Mode::Enforce);
        assert_eq!(done.outcomes, 1);
        assert_eq!(resolution(&account).is_some(), resolved);
        assert_eq!(account.executions.borrow().len(), if resolved { 1 } else { 2 });
        assert_consistent(&account);
    }
}

#[test]
fn an_execution_of_unknown_id_is_found_and_one_that_is_forgotten_has_failed() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.forget_execution_id();
    account.pass(180);
    assert_eq!(run(&account, Mode::Enforce).outcomes, 0, "it is found, and has not ended");
    account.end_unheard("Success", "AlreadyCompliant");
    assert_eq!(run(&account, Mode::Enforce).outcomes, 1);
    assert_eq!(resolution(&account), Some(Resolution::AlreadyCompliant));

    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.executions.borrow_mut().clear();
    account.pass(180);
    assert_eq!(run(&account, Mode::Enforce).outcomes, 1);
    let incident = account.the_incident();
    assert!(matches!(incident.finished.first().unwrap().outcome, Outcome::Failed(_)));
    assert_eq!(incident.running().map(|attempt| attempt.number), Some(AttemptNumber::FIRST.next()));
}

#[test]
fn what_a_throttle_left_waiting_is_started() {
    let account = Account::new();
    account.fail(5, Fault::Throttled);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    assert!(account.executions.borrow().is_empty());
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.pass(300);
    assert_eq!(run(&account, Mode::Enforce).resumed, 1);
    assert_eq!(account.executions.borrow().len(), 1);
    assert_consistent(&account);
}

#[test]
fn a_switch_takes_effect_without_an_event() {
    let observed = |_: &Account| {};
    let off = |account: &Account| account.mode.set(Some(ModeSwitch::Set(Mode::Off)));
    let engaged = |account: &Account| {
        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        *account.kill.borrow_mut() = Some(KillSwitch::Engaged(None));
    };
    for before in [&observed as &dyn Fn(&Account), &off, &engaged] {
        let account = Account::new();
        before(&account);
        answered(&account, Mode::Observe, &violated("ssh", 90));
        account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
        assert!(account.executions.borrow().is_empty());
        assert_eq!(run(&account, Mode::Observe).resumed, 0, "nothing was switched");

        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        *account.kill.borrow_mut() = None;
        account.pass(300);
        assert_eq!(run(&account, Mode::Observe).resumed, 1);
        assert_eq!(account.executions.borrow().len(), 1);
        assert_consistent(&account);
    }
}

#[test]
fn nothing_is_started_under_an_engaged_kill_switch() {
    let account = Account::new();
    account.fail(5, Fault::Throttled);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.config_says("ssh", "sg-0ther", CauseState::Violated, 90);
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged(None));
    account.pass(300);
    run(&account, Mode::Enforce);
    assert!(account.executions.borrow().is_empty());
}

#[test]
fn what_config_finds_is_opened_a_few_at_a_time() {
    let account = Account::new();
    for number in 1..=7 {
        account.config_says("ssh", &format!("sg-{number}"), CauseState::Violated, 10);
    }
    account.config_says("volumes-encrypted", "sg-8", CauseState::Violated, 10);
    let mut opened = Vec::new();
    for _ in 0..4 {
        let done = run(&account, Mode::Observe);
        opened.push((done.opened, done.more_to_open));
        account.pass(300);
    }
    assert_eq!(opened, [(3, true), (3, true), (1, false), (0, false)]);
    assert_eq!(account.ops_items.borrow().len(), 7);
}

#[test]
fn what_config_says_of_before_the_repair_opens_nothing() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    let outcome = ended(&account, Outcome::Remediated, 110);
    account.pass(20);
    answered(&account, Mode::Enforce, &outcome);
    account.pass(300);
    // Config has looked at it once more before the repair, and not since.
    account.config_says("ssh", RESOURCE, CauseState::Violated, 105);
    run(&account, Mode::Enforce);
    let before = account.calls.borrow().len();
    assert_eq!(run(&account, Mode::Enforce).opened, 0);
    assert!(!account.calls_since(before).contains(&Call::Claim), "it is known from the first time on");
    assert_eq!(account.the_incident().id.generation.number(), 1);

    account.config_says("ssh", RESOURCE, CauseState::Violated, 200);
    assert_eq!(run(&account, Mode::Enforce).opened, 1);
    assert_eq!(account.the_incident().id.generation.number(), 2);
}

#[test]
fn a_clear_that_no_event_told_is_heard() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(60);
    account.config_says("ssh", RESOURCE, CauseState::Clear, 80);
    assert_eq!(run(&account, Mode::Observe).cleared, 0, "older than the violation");
    account.config_says("ssh", RESOURCE, CauseState::Clear, 130);
    assert_eq!(run(&account, Mode::Observe).cleared, 1);
    assert_eq!(resolution(&account), Some(Resolution::Cleared));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
}

#[test]
fn a_rule_that_knows_the_resource_no_longer_has_cleared_after_a_while() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(60);
    assert_eq!(run(&account, Mode::Observe).cleared, 0);
    account.pass(600);
    assert_eq!(run(&account, Mode::Observe).cleared, 1);
    assert_eq!(resolution(&account), Some(Resolution::Cleared));
    // The rule is back, and judges the same configuration.
    account.pass(10);
    let again = account.signal_recorded_now("ssh", CauseState::Violated, 90);
    answered(&account, Mode::Observe, &again);
    assert_eq!(account.the_incident().id.generation.number(), 2);
}

#[test]
fn a_person_is_heard_without_an_event() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.pass(60);
    account.person_sets(OpsItemStatus::Resolved);
    account.pass(60);
    assert_eq!(run(&account, Mode::Observe).people, 1);
    assert_eq!(resolution(&account), Some(Resolution::ByPerson));

    account.pass(60);
    assert_eq!(run(&account, Mode::Observe).people, 0, "heard once");
    account.person_sets(OpsItemStatus::InProgress);
    account.pass(60);
    assert_eq!(run(&account, Mode::Observe).people, 1);
    assert_eq!(account.the_incident().state, State::Reopened);
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress, "as the person has set it");
    account.pass(60);
    let done = run(&account, Mode::Observe);
    assert_eq!((done.people, done.resumed), (0, 0));
}

#[test]
fn a_person_who_closed_it_is_not_argued_with() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(60);
    let word = account.person_sets(OpsItemStatus::Resolved);
    answered(&account, Mode::Observe, &News::Person(word));
    // A periodic rule goes on complaining, with a new time each day.
    account.pass(90_000);
    account.config_says("ssh", RESOURCE, CauseState::Violated, 80_000);
    let done = run(&account, Mode::Observe);
    assert_eq!((done.opened, done.people), (0, 0));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    // That it was right and is wrong again is news.
    answered(&account, Mode::Observe, &clear("ssh", 85_000));
    answered(&account, Mode::Observe, &violated("ssh", 86_000));
    assert_eq!(account.the_incident().id.generation.number(), 2);
}

#[test]
fn what_mend_did_itself_is_no_persons_word() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let outcome = ended(&account, Outcome::Remediated, 105);
    account.pass(10);
    answered(&account, Mode::Enforce, &outcome);
    account.pass(10);
    assert_eq!(run(&account, Mode::Enforce).people, 0);
    assert_eq!(changes(&account), ["Mend Incident Responding", "Mend Incident Resolved"]);
}

#[test]
fn a_status_that_a_person_has_set_stays_while_mends_own_view_does_not_change() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.person_sets(OpsItemStatus::InProgress);
    answered(&account, Mode::Observe, &violated("ssh-copy", 95));
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
    answered(&account, Mode::Observe, &clear("ssh", 96));
    answered(&account, Mode::Observe, &clear("ssh-copy", 97));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
}

#[test]
fn one_run_at_a_time() {
    let account = Account::new();
    account.interrupt(1, |account| {
        let other = reconcile(account, Mode::Observe).unwrap().unwrap();
        assert_eq!(other, Reconciled { elsewhere: true, ..Reconciled::default() });
    });
    run(&account, Mode::Observe);
    run(&account, Mode::Observe);
}

#[test]
fn a_run_that_died_is_followed_by_another() {
    let account = Account::new();
    account.fail(1, Fault::CrashBefore);
    assert!(reconcile(&account, Mode::Observe).is_none());
    account.pass(300);
    run(&account, Mode::Observe);
}

#[test]
fn when_the_time_is_over_the_next_run_goes_on_where_this_one_stopped() {
    for call in 1..12 {
        let account = Account::new();
        for number in 1..=3 {
            account.config_says("ssh", &format!("sg-{number}"), CauseState::Violated, 10);
        }
        assert_eq!(run(&account, Mode::Observe).opened, 3);
        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        account.pass(300);
        account.interrupt(call, |account| account.pass(45));
        let first = reconcile(&account, Mode::Observe).unwrap().unwrap();
        let mut resumed = first.resumed;
        for _ in 0..3 {
            account.pass(300);
            resumed += reconcile(&account, Mode::Observe).unwrap().unwrap().resumed;
        }
        assert_eq!(resumed, 3, "call {call}");
        assert_eq!(account.executions.borrow().len(), 3, "call {call}");
    }
}

#[test]
fn what_cannot_be_looked_at_is_said_and_the_rest_goes_on() {
    for refused in [Call::OpenRows, Call::ChangedSince, Call::Rules, Call::Execution] {
        let account = Account::new();
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        account.config_says("ssh", "sg-0ther", CauseState::Violated, 90);
        account.pass(180);
        account.refused.set(Some(refused));
        let done = reconcile(&account, Mode::Enforce).unwrap().unwrap();
        assert!(!done.failures.is_empty(), "{refused:?}");
        let opened = usize::from(!matches!(refused, Call::Rules | Call::OpenRows));
        assert_eq!(done.opened, opened, "{refused:?}");
    }
}

#[test]
fn whatever_goes_wrong_in_a_run_the_next_one_mends() {
    let prepared = || {
        let account = Account::new();
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
        account.pass(300);
        account.end_unheard("Success", "Remediated");
        account
    };
    let clean = prepared();
    let before = clean.calls.borrow().len();
    run(&clean, Mode::Enforce);
    for index in 0..clean.calls_since(before).len() {
        for fault in [Fault::Throttled, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter] {
            let account = prepared();
            account.fail(index, fault);
            let faulty = reconcile(&account, Mode::Enforce);
            let noticed = !matches!(&faulty, Some(Ok(run)) if run.failures.is_empty() && run.left == 0);
            // A write whose answer is lost is found to have been made.
            assert!(noticed || fault == Fault::AnswerLost, "{index} {fault:?} {faulty:?}");
            for _ in 0..2 {
                account.pass(300);
                run(&account, Mode::Enforce);
            }
            assert_eq!(resolution(&account), Some(Resolution::Remediated), "{index} {fault:?}");
            assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved, "{index} {fault:?}");
            assert_eq!(account.executions.borrow().len(), 1, "{index} {fault:?}");
            assert_consistent(&account);
        }
    }
}

#[test]
fn news_that_comes_while_a_run_carries_the_incident_is_not_lost() {
    for call in 1..14 {
        let account = Account::new();
        answered(&account, Mode::Observe, &violated("ssh", 90));
        account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        account.pass(300);
        account.interrupt(call, |account| {
            let _ = deliver(account, Mode::Observe, &clear("ssh", 200));
        });
        let _ = reconcile(&account, Mode::Observe);
        account.config_says("ssh", RESOURCE, CauseState::Clear, 200);
        account.pass(300);
        run(&account, Mode::Observe);
        if account.the_incident().running().is_some() {
            let record = account.the_incident().causes.values().next().copied().unwrap();
            assert_eq!((record.state, record.at), (CauseState::Clear, at(200)), "call {call}");
        } else {
            assert_eq!(resolution(&account), Some(Resolution::Cleared), "call {call}");
        }
    }
}
