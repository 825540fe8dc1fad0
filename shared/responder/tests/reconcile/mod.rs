//! What `reconcile` finds that no event tells.

use mend_core::identity::AttemptNumber;
use mend_core::incident::{Outcome, Resolution, State};
use mend_core::mode::Mode;
use mend_core::report::OpsItemStatus;
use mend_core::signal::CauseState;
use mend_core::switches::{KillSwitch, ModeSwitch};
use mend_responder::Reconciled;
use mend_responder::world::News;

use crate::account::{
    Account, Call, Fault, at, clear, deliver, ended, reconcile, reconcile_without_routes, violated,
};
use crate::{answered, changes, ops_item_status};

const RESOURCE: &str = "sg-0badcafe";

/// A run that comes to its end.
fn run(account: &Account, mode: Mode) -> Reconciled {
    let run = any_run(account, mode);
    assert!(run.complete && run.failures.is_empty(), "{run:?}");
    run
}

/// A run, however far it comes.
fn any_run(account: &Account, mode: Mode) -> Reconciled {
    reconcile(account, mode).expect("no crash").expect("a run")
}

fn story(account: &Account) -> String {
    account.the_incident().notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n")
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
    assert_eq!(
        Reconciled { answers: Vec::new(), ..done },
        Reconciled { complete: true, open: Some(1), ..Reconciled::default() }
    );
    assert_eq!(
        account.calls_since(before),
        [
            Call::BeginRun,
            Call::OpenRows,
            Call::AllSwitches,
            Call::Switches,
            Call::Version,
            Call::ChangedSince,
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
        *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
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
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
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
fn what_a_person_did_before_mend_resolved_it_reopens_nothing() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(3);
    let looks_at_it = account.person_sets(OpsItemStatus::InProgress);
    account.pass(2);
    let outcome = ended(&account, Outcome::Remediated, 105);
    answered(&account, Mode::Enforce, &outcome);
    account.pass(1);
    answered(&account, Mode::Enforce, &News::Person(looks_at_it));
    account.pass(60);
    run(&account, Mode::Enforce);
    assert_eq!(resolution(&account), Some(Resolution::Remediated), "{}", story(&account));
}

#[test]
fn an_ops_item_that_mend_set_after_the_persons_word_is_brought_in_step_with_it() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    let first = ended(&account, Outcome::Failed("no".into()), 105);
    account.pass(10);
    answered(&account, Mode::Enforce, &first);
    account.pass(10);
    let resolves = account.person_sets(OpsItemStatus::Resolved);
    account.pass(1);
    let second = ended(&account, Outcome::Failed("no".into()), 121);
    answered(&account, Mode::Enforce, &second);
    account.pass(1);
    answered(&account, Mode::Enforce, &News::Person(resolves));
    assert_eq!(resolution(&account), Some(Resolution::ByPerson));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
}

#[test]
fn a_status_that_was_set_and_not_written_down_is_not_believed() {
    let account = Account::new();
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    *account.kill.borrow_mut() = None;
    account.pass(300);
    // It has set the OpsItem in progress, and dies before it writes that down.
    account.fail(12, Fault::CrashBefore);
    assert!(reconcile(&account, Mode::Enforce).is_none());
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
    account.pass(60);
    let outcome = ended(&account, Outcome::Failed("no".into()), 450);
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    answered(&account, Mode::Enforce, &outcome);
    assert!(matches!(account.the_incident().state, State::Deferred { .. }));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
}

#[test]
fn an_ops_item_whose_creation_was_not_written_down_is_found_though_a_person_has_resolved_it() {
    let account = Account::new();
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.fail(4, Fault::CrashAfter);
    assert!(deliver(&account, Mode::Enforce, &violated("ssh", 90)).is_none());
    account.pass(20);
    account.person_sets(OpsItemStatus::Resolved);
    account.pass(180);
    run(&account, Mode::Enforce);
    assert_eq!(account.ops_items.borrow().len(), 1);
}

#[test]
fn a_status_whose_answer_was_lost_is_not_believed_in_the_same_invocation() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(30);
    let first = ended(&account, Outcome::TimedOut, 130);
    // The OpsItem is set in progress, the answer is lost, and the second attempt ends meanwhile.
    account.fail(6, Fault::AnswerLost);
    account.interrupt(9, |account| {
        let second = ended(account, Outcome::Failed("no".into()), 131);
        let _ = deliver(account, Mode::Enforce, &second);
    });
    let _ = deliver(&account, Mode::Enforce, &first);
    assert_eq!(account.the_incident().state, State::Escalated);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
}

#[test]
fn a_held_start_that_had_happened_is_heard_after_a_day() {
    let account = Account::new();
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    account.fail(5, Fault::AnswerLost);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    account.end_unheard("Success", "Remediated");
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    account.pass(90_000);
    for _ in 0..3 {
        run(&account, Mode::Enforce);
        account.pass(300);
    }
    assert_eq!(resolution(&account), Some(Resolution::Remediated));
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn a_person_who_resolves_while_an_attempt_runs_is_left_alone() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(10);
    let resolves = account.person_sets(OpsItemStatus::Resolved);
    answered(&account, Mode::Enforce, &News::Person(resolves));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    account.pass(60);
    assert_eq!(run(&account, Mode::Enforce).people, 0);
    let outcome = ended(&account, Outcome::Failed("no".into()), 150);
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(resolution(&account), Some(Resolution::ByPerson));
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn what_mend_edited_since_does_not_hide_what_a_person_did() {
    // Resolved, its event lost; a violation that was seen later stands.
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(20);
    account.person_sets(OpsItemStatus::Resolved);
    account.pass(20);
    answered(&account, Mode::Observe, &violated("ssh-copy", 139));
    account.config_says("ssh-copy", RESOURCE, CauseState::Violated, 139);
    for _ in 0..3 {
        account.pass(300);
        run(&account, Mode::Observe);
    }
    assert!(resolution(&account).is_none(), "{}", story(&account));
    assert!(!story(&account).contains("mend-dev-config-compliance"), "{}", story(&account));

    // Resolved and reopened, and only the first was heard.
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(10);
    let resolves = account.person_sets(OpsItemStatus::Resolved);
    account.pass(5);
    account.person_sets(OpsItemStatus::Open);
    account.pass(5);
    answered(&account, Mode::Observe, &News::Person(resolves));
    account.pass(300);
    run(&account, Mode::Observe);
    assert_eq!(account.the_incident().state, State::Reopened);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
}

#[test]
fn what_a_person_has_reopened_is_theirs_while_the_rule_only_goes_on_complaining() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(10);
    let outcome = ended(&account, Outcome::Remediated, 105);
    answered(&account, Mode::Enforce, &outcome);
    account.pass(10);
    let mine = account.person_sets(OpsItemStatus::InProgress);
    answered(&account, Mode::Enforce, &News::Person(mine));
    account.pass(300);
    account.config_says("ssh", RESOURCE, CauseState::Violated, 400);
    run(&account, Mode::Enforce);
    assert_eq!(account.executions.borrow().len(), 1, "{}", story(&account));
    answered(&account, Mode::Enforce, &violated("ssh", 410));
    assert_eq!(account.executions.borrow().len(), 2, "an event is news");
}

#[test]
fn a_cause_that_changed_its_mind_after_a_persons_word_is_heard_without_an_event() {
    let account = Account::new();
    answered(&account, Mode::Observe, &violated("ssh", 90));
    account.pass(10);
    let resolves = account.person_sets(OpsItemStatus::Resolved);
    answered(&account, Mode::Observe, &News::Person(resolves));
    answered(&account, Mode::Observe, &clear("ssh", 200));
    account.pass(300);
    account.config_says("ssh", RESOURCE, CauseState::Violated, 300);
    assert_eq!(run(&account, Mode::Observe).opened, 1);
    assert_eq!(account.the_incident().id.generation.number(), 2);
}

#[test]
fn a_start_that_was_resumed_and_not_written_down_leaves_no_ops_item_in_progress() {
    let account = Account::new();
    // The start is throttled, and later resumed by a function that dies after it.
    account.fail(5, Fault::Throttled);
    assert!(deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().is_err());
    account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
    let last = account.calls.borrow().len();
    account.pass(120);
    let runs_into = |call| account.calls_since(last).iter().position(|made| *made == call);
    account.fail(9, Fault::CrashBefore);
    assert!(reconcile(&account, Mode::Enforce).is_none(), "{:?}", account.calls_since(last));
    assert!(runs_into(Call::Start).is_some() && runs_into(Call::UpdateOpsItem).is_some());
    assert_eq!(ops_item_status(&account), OpsItemStatus::InProgress);
    account.pass(120);
    let outcome = ended(&account, Outcome::Failed("no".into()), 330);
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    answered(&account, Mode::Enforce, &outcome);
    assert_eq!(ops_item_status(&account), OpsItemStatus::Open);
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
fn when_the_time_is_over_the_next_run_goes_on() {
    for call in 1..12 {
        let account = Account::new();
        for number in 1..=3 {
            account.config_says("ssh", &format!("sg-{number}"), CauseState::Violated, 10);
        }
        assert_eq!(run(&account, Mode::Observe).opened, 3);
        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        account.pass(300);
        account.interrupt(call, |account| account.pass(45));
        let mut resumed = any_run(&account, Mode::Observe).resumed;
        for _ in 0..3 {
            account.pass(300);
            resumed += any_run(&account, Mode::Observe).resumed;
        }
        assert_eq!(resumed, 3, "call {call}");
        assert_eq!(account.executions.borrow().len(), 3, "call {call}");
    }
}

#[test]
fn whatever_is_slow_in_every_run_keeps_nothing_else_from_being_looked_at() {
    // The so-manieth call of each run takes nearly all of its time.
    for slow in 0..9 {
        let account = Account::new();
        answered(&account, Mode::Observe, &violated("ssh", 90));
        account.config_says("ssh", RESOURCE, CauseState::Violated, 90);
        account.config_says("ssh", "sg-0ther", CauseState::Violated, 90);
        account.mode.set(Some(ModeSwitch::Set(Mode::Enforce)));
        account.pass(60);
        for _ in 0..10 {
            account.pass(300);
            account.interrupt(slow, |account| account.pass(30));
            assert!(any_run(&account, Mode::Observe).failures.is_empty(), "call {slow}");
        }
        assert_eq!(account.executions.borrow().len(), 2, "call {slow}: both problems were answered");
    }
}

#[test]
fn a_run_counts_what_is_open_and_says_whether_it_went_through_all_of_it() {
    let account = Account::new();
    for number in 1..=3 {
        account.config_says("ssh", &format!("sg-{number}"), CauseState::Violated, 10);
    }
    run(&account, Mode::Observe);
    account.pass(300);
    // At the second incident.
    account.interrupt(6, |account| account.pass(30));
    let stopped = any_run(&account, Mode::Observe);
    assert_eq!((stopped.complete, stopped.open), (false, Some(3)));
    account.pass(300);
    let rest = any_run(&account, Mode::Observe);
    assert_eq!((rest.complete, rest.open), (false, Some(3)), "it began in the middle");
    account.pass(300);
    assert_eq!(run(&account, Mode::Observe).open, Some(3));
    account.refused.set(Some(Call::OpenRows));
    let failed = any_run(&account, Mode::Observe);
    assert_eq!((failed.complete, failed.open), (false, None));
}

#[test]
fn what_cannot_be_looked_at_is_said_and_the_rest_goes_on() {
    for refused in [Call::OpenRows, Call::ChangedSince, Call::Rules, Call::Complaints, Call::Execution] {
        let account = Account::new();
        answered(&account, Mode::Enforce, &violated("ssh", 90));
        account.config_says("ssh", "sg-0ther", CauseState::Violated, 90);
        account.pass(180);
        account.refused.set(Some(refused));
        let done = any_run(&account, Mode::Enforce);
        assert!(!done.complete && !done.failures.is_empty(), "{refused:?}");
        let opened = usize::from(matches!(refused, Call::ChangedSince | Call::Execution));
        assert_eq!(done.opened, opened, "{refused:?}");
    }
}

#[test]
fn one_row_that_cannot_be_read_keeps_nothing_else_from_being_heard() {
    let account = Account::new();
    account.config_says("ssh", "sg-1", CauseState::Violated, 90);
    account.config_says("ssh", "sg-2", CauseState::Violated, 90);
    // After BeginRun, OpenRows, ChangedSince, OpenRows, Rules and Complaints.
    account.fail(6, Fault::Refused);
    let done = any_run(&account, Mode::Observe);
    assert_eq!((done.opened, done.failures.len()), (1, 1), "{:?}", account.calls.borrow());
}

#[test]
fn an_attempt_whose_route_is_gone_comes_to_its_end_and_frees_the_resource() {
    let account = Account::new();
    answered(&account, Mode::Enforce, &violated("ssh", 90));
    account.pass(60);
    account.end_unheard("Success", "Remediated");
    account.pass(300);
    let done = reconcile_without_routes(&account, Mode::Enforce).expect("no crash").expect("a run");
    assert_eq!(done.outcomes, 1);
    assert_eq!(resolution(&account), Some(Resolution::Remediated));
    assert!(account.holds.borrow().is_empty());
}

#[test]
fn what_waited_until_nothing_complained_is_not_started() {
    let person = |account: &Account| News::Person(account.person_sets(OpsItemStatus::Resolved));
    let rule = |_: &Account| clear("ssh", 150);
    for (word, how) in [(&person as &dyn Fn(&Account) -> News, Resolution::ByPerson), (&rule, Resolution::Cleared)]
    {
        let account = Account::new();
        account.fail(5, Fault::Throttled);
        deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
        account.pass(60);
        let word = word(&account);
        answered(&account, Mode::Enforce, &word);
        account.pass(300);
        run(&account, Mode::Enforce);
        assert!(account.executions.borrow().is_empty(), "{}", story(&account));
        assert_eq!(resolution(&account), Some(how));
        assert_consistent(&account);
    }
}

#[test]
fn what_was_started_though_its_answer_was_lost_is_found_before_it_is_given_up() {
    let account = Account::new();
    account.fail(5, Fault::AnswerLost);
    deliver(&account, Mode::Enforce, &violated("ssh", 90)).unwrap().unwrap_err();
    account.pass(60);
    answered(&account, Mode::Enforce, &clear("ssh", 150));
    account.pass(300);
    run(&account, Mode::Enforce);
    assert!(account.the_incident().running().is_some_and(|attempt| attempt.execution.is_some()));
    account.end_unheard("Success", "AlreadyCompliant");
    account.pass(300);
    run(&account, Mode::Enforce);
    assert_eq!(resolution(&account), Some(Resolution::AlreadyCompliant));
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
