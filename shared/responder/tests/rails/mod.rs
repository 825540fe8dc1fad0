//! Guard rails in the event path, and what `reconcile` makes of what they have left.

mod orders;

use mend_core::automation::ExecutionId;
use mend_core::calendar::CalendarState;
use mend_core::decision::{Reason, Verdict};
use mend_core::exemption::ExemptionTags;
use mend_core::incident::{AttemptReport, Outcome, Resolution, State, Undoing};
use mend_core::mode::Mode;
use mend_core::report::OpsItemStatus;
use mend_core::signal::CauseState;
use mend_core::switches::KillSwitch;
use mend_responder::world::{Clock, News};
use mend_responder::{Answer, Reconciled};

use crate::account::{
    Account, Call, Fault, about, answered_request, at, clear, deliver, ended, reconcile, violated,
};
use crate::{answered, changes, ops_item_status};

const RESOURCE: &str = "sg-0badcafe";
const ROUTE: &str = "close-admin-ports";
const BY_HAND: &str = "11111111-2222-4333-8444-555555555555";

fn run(account: &Account) -> Reconciled {
    run_in(Mode::Enforce, account)
}

fn run_in(mode: Mode, account: &Account) -> Reconciled {
    account.pass(300);
    let run = reconcile(account, mode).expect("no crash").expect("a run");
    assert!(run.failures.is_empty(), "{run:?}");
    run
}

fn reasons(answer: &Answer) -> Vec<&'static str> {
    answer.reasons.iter().map(Reason::name).collect()
}

fn story(account: &Account) -> String {
    account.the_incident().notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n")
}

/// So many problems, on a resource each, at once.
fn storm(account: &Account, mode: Mode, resources: usize) {
    for number in 0..resources {
        broken(account, mode, &format!("sg-{number}"));
    }
}

/// A problem that Config goes on to find.
fn broken(account: &Account, mode: Mode, id: &str) -> Answer {
    account.config_says("ssh", id, CauseState::Violated, 90);
    answered(account, mode, &about(id, violated("ssh", 90)))
}

fn started(account: &Account) -> usize {
    account.count(|state| matches!(state, State::Remediating(_)))
}

fn deferred(account: &Account) -> usize {
    account.count(|state| matches!(state, State::Deferred { .. }))
}

#[test]
fn a_request_for_approval_is_started_shown_and_told() {
    let account = Account::new();
    let answer = broken(&account, Mode::Approve, RESOURCE);
    assert_eq!(answer.decision, Verdict::Respond);
    let incident = account.the_incident();
    assert!(matches!(incident.state, State::AwaitingApproval(_)));
    let request = incident.approval.unwrap().execution.unwrap();
    let text = &account.notifications.borrow()[0].text;
    assert!(text.contains(&format!("--automation-execution-id {request} --signal-type Approve")), "{text}");
    // To ask is a start of the hour, and no attempt that is under way.
    assert!(account.running.borrow().is_empty() && account.holds.borrow().is_empty());
}

#[test]
fn a_no_or_no_answer_calls_a_person() {
    for why in ["it was rejected", "nobody answered in time"] {
        let account = Account::new();
        broken(&account, Mode::Approve, RESOURCE);
        let no = answered_request(&account, Outcome::not_approved(why), 200);
        answered(&account, Mode::Approve, &no);
        let incident = account.the_incident();
        assert_eq!(incident.state, State::Escalated);
        assert!(incident.outbox.is_empty() && incident.approval.is_none());
        let notifications = account.notifications.borrow();
        let text = &notifications.last().unwrap().text;
        assert!(text.contains("Nothing was changed") && text.contains(why), "{text}");
        assert!(account.stopped.borrow().is_empty(), "the request is over by itself");
        assert_eq!(account.tally.get().ended, 0, "nothing was tried");
    }
}

#[test]
fn what_was_approved_and_done_resolves() {
    for outcome in [Outcome::Remediated, Outcome::AlreadyCompliant] {
        let account = Account::new();
        broken(&account, Mode::Approve, RESOURCE);
        answered(&account, Mode::Approve, &answered_request(&account, outcome, 200));
        let incident = account.the_incident();
        assert!(matches!(incident.state, State::Resolved { .. }));
        assert_eq!((incident.finished.len(), account.tally.get().ended), (1, 1));
        assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
        assert!(account.stopped.borrow().is_empty());
    }
}

#[test]
fn a_request_is_withdrawn_when_the_problem_is_gone_or_somebody_did_it_by_hand() {
    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    let request = account.the_incident().approval.unwrap().execution.unwrap();
    answered(&account, Mode::Approve, &clear("ssh", 200));
    assert_eq!(*account.stopped.borrow(), [request]);
    assert!(account.the_row().settled());

    // Its answer lost, it is found by incident and attempt.
    let account = Account::new();
    account.fail(5, Fault::AnswerLost);
    assert!(deliver(&account, Mode::Approve, &violated("ssh", 90)).unwrap().is_err());
    assert_eq!(account.the_incident().approval.unwrap().execution, None);
    account.pass(60);
    answered(&account, Mode::Approve, &clear("ssh", 200));
    assert_eq!(account.stopped.borrow().len(), 1);

    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    let News::Outcome(mut by_hand) = answered_request(&account, Outcome::Remediated, 200) else { panic!() };
    by_hand.runbook = account.the_incident().latest_attempt().unwrap().plan.runbook.clone();
    by_hand.execution = ExecutionId::from_static(BY_HAND);
    by_hand.request = None;
    answered(&account, Mode::Approve, &News::Outcome(by_hand));
    assert!(matches!(account.the_incident().state, State::Resolved { how: Resolution::Remediated, .. }));
    assert_eq!(account.stopped.borrow().len(), 1);
}

#[test]
fn a_request_that_was_withdrawn_is_followed_by_another_under_its_own_key() {
    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    account.pass(60);
    let resolved = account.person_sets(OpsItemStatus::Resolved);
    answered(&account, Mode::Approve, &News::Person(resolved));
    account.pass(60);
    let reopened = account.person_sets(OpsItemStatus::Open);
    answered(&account, Mode::Approve, &News::Person(reopened));
    answered(&account, Mode::Approve, &violated("ssh", 400));
    assert!(matches!(account.the_incident().state, State::AwaitingApproval(_)), "{}", story(&account));
    assert_eq!(account.the_incident().id.generation.number(), 1);
    assert_eq!(account.executions.borrow().len(), 2);
}

#[test]
fn people_are_reminded_once_when_half_of_the_time_is_over() {
    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    let reminders = |account: &Account| {
        account.subjects().iter().filter(|subject| subject.contains("Still needs approval")).count()
    };
    account.pass(11 * 3_600);
    run(&account);
    assert_eq!(reminders(&account), 0);
    account.pass(3_600);
    run(&account);
    run(&account);
    assert_eq!(reminders(&account), 1);
}

#[test]
fn the_starts_of_an_hour_are_counted_and_what_is_over_them_waits_for_the_next() {
    let account = Account::new();
    account.set(&format!("budget/{ROUTE}"), "2");
    storm(&account, Mode::Enforce, 4);
    assert_eq!((started(&account), deferred(&account)), (2, 2));
    assert_eq!(account.executions.borrow().len(), 2);
    let before = account.calls.borrow().len();
    run(&account);
    let calls = account.calls_since(before);
    // The first of the two meets the refusal, the second needs not.
    assert_eq!(calls.iter().filter(|call| **call == Call::Resume).count(), 1, "{calls:?}");
    // Whatever has ended in the meantime, the hour's starts are spent.
    assert_eq!(account.executions.borrow().len(), 2);
    account.pass(3_600);
    run(&account);
    assert_eq!(account.executions.borrow().len(), 4, "the oldest first, and none is lost");
}

#[test]
fn no_more_attempts_are_under_way_than_the_route_may_have() {
    let account = Account::new();
    storm(&account, Mode::Enforce, 7);
    assert_eq!((started(&account), deferred(&account), account.running.borrow().len()), (5, 2, 5));
    run(&account);
    assert_eq!(started(&account), 5, "as long as none of them ends");
}

#[test]
fn starts_keep_their_distance() {
    let account = Account::new();
    let began_at = account.now();
    storm(&account, Mode::Enforce, 4);
    assert_eq!(started(&account), 4);
    assert!(account.now().since(began_at).as_millis() >= 3 * 1_250);
}

#[test]
fn a_kill_switch_that_says_so_stops_what_is_under_way_and_tells_who_and_why() {
    let account = Account::new();
    broken(&account, Mode::Enforce, RESOURCE);
    run(&account);
    assert!(account.stopped.borrow().is_empty());
    *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: Some("lee, outage 7".into()), stops: true });
    assert_eq!(run(&account).stopped, 1);
    assert_eq!(account.stopped.borrow().len(), 1);
    let notifications = account.notifications.borrow();
    let told: Vec<_> = notifications.iter().filter(|told| told.subject.contains("kill switch")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("lee, outage 7") && told[0].text.contains("1 execution"), "{}", told[0].text);
    drop(notifications);
    // A stop is no failure of the route, and the next attempt waits.
    let cancelled = ended(&account, Outcome::Cancelled, 700);
    answered(&account, Mode::Enforce, &cancelled);
    assert_eq!((deferred(&account), account.tally.get().ended), (1, 0));
    *account.kill.borrow_mut() = None;
    run(&account);
    assert_eq!(started(&account), 1);
}

#[test]
fn a_closed_calendar_defers_until_it_opens() {
    let account = Account::new();
    account.calendar.set(Some(CalendarState::Closed { until: Some(at(4_000)) }));
    let answer = broken(&account, Mode::Enforce, RESOURCE);
    assert_eq!(
        (answer.decision, reasons(&answer)),
        (Verdict::Defer, vec!["cause-violated", "mode-enforce", "calendar-closed"])
    );
    assert_eq!(account.the_incident().state, State::Deferred { until: at(4_000), by_budget: false });
    run(&account);
    assert!(account.executions.borrow().is_empty());
    account.calendar.set(Some(CalendarState::Open { until: None }));
    run(&account);
    assert_eq!(started(&account), 1);
}

#[test]
fn an_exemption_suppresses_is_told_before_its_end_and_ends_by_itself() {
    let account = Account::new();
    let name = format!("exemptions/{ROUTE}/sg-0badcafe");
    let end = account.now().plus(std::time::Duration::from_hours(24 * 8));
    account.set(&name, &format!("until {end}: a bastion"));
    let answer = broken(&account, Mode::Enforce, RESOURCE);
    assert_eq!((answer.decision, reasons(&answer)), (Verdict::Suppress, vec!["cause-violated", "exempt"]));
    assert!(account.notifications.borrow().is_empty() && account.ops_items.borrow().is_empty());
    run(&account);
    assert!(account.notifications.borrow().is_empty());
    account.pass(86_400 + 300);
    run(&account);
    run(&account);
    assert_eq!(account.subjects(), ["[Mend dev] An exemption ends soon"]);
    account.pass(7 * 86_400);
    run(&account);
    assert_eq!(started(&account), 1, "{}", story(&account));
    assert!(account.subjects().contains(&"[Mend dev] An exemption has ended".to_owned()));
}

#[test]
fn tags_exempt_where_the_route_allows_it() {
    let account = Account::new();
    *account.tags.borrow_mut() = ExemptionTags {
        exempt: Some("true".to_owned()),
        until: Some("2023-12-24".to_owned()),
        reason: Some("a website".to_owned()),
    };
    account.config_says("public", RESOURCE, CauseState::Violated, 90);
    let answer = answered(&account, Mode::Enforce, &violated("public", 90));
    assert_eq!((answer.decision, reasons(&answer)), (Verdict::Suppress, vec!["cause-violated", "exempt"]));
    run(&account);
    assert!(account.notifications.borrow().is_empty());
    account.tags.borrow_mut().until = Some("2023-11-20".to_owned());
    run(&account);
    run(&account);
    assert_eq!(account.subjects(), ["[Mend dev] An exemption ends soon"]);
    let text = account.notifications.borrow()[0].text.clone();
    assert!(text.contains("The tags of AWS::EC2::SecurityGroup sg-0badcafe"), "{text}");
    // Where the route does not allow it, nobody asks.
    let elsewhere = Account::new();
    *elsewhere.tags.borrow_mut() = account.tags.borrow().clone();
    assert_eq!(broken(&elsewhere, Mode::Enforce, RESOURCE).decision, Verdict::Respond);
    assert!(!elsewhere.calls.borrow().contains(&Call::Tags));
}

#[test]
fn switches_that_do_nothing_are_told_once() {
    let account = Account::new();
    account.set("mode/close-admin-port", "enforce");
    account.set("exemptions/close-admin-ports/sg-1", "forever");
    run(&account);
    run(&account);
    let mut subjects = account.subjects();
    subjects.sort();
    assert_eq!(subjects, ["[Mend dev] A switch does nothing", "[Mend dev] An exemption does not hold"]);
}

#[test]
fn failures_open_the_breaker_and_only_a_person_closes_it() {
    let account = Account::new();
    for number in 0..3 {
        broken(&account, Mode::Enforce, &format!("sg-{number}"));
        let failed = account.outcome_of(&format!("sg-{number}"), Outcome::failed("no permission"));
        answered(&account, Mode::Enforce, &failed);
    }
    let opened = account.parameters.borrow()["/mend/dev/breaker/close-admin-ports"].clone();
    assert_eq!(opened, "open: 3 of the last 3 attempts failed, in this hour and the one before");
    let told = account.subjects().into_iter().filter(|subject| subject.contains("Circuit breaker")).count();
    assert_eq!(told, 1);
    // The third failure is followed by no attempt any more.
    assert_eq!((deferred(&account), account.executions.borrow().len()), (1, 5));
    let before = account.executions.borrow().len();
    let answer = broken(&account, Mode::Enforce, "sg-new");
    assert_eq!(answer.decision, Verdict::Defer);
    assert!(reasons(&answer).contains(&"breaker-open"));
    run(&account);
    assert_eq!(account.executions.borrow().len(), before);
    account.delete("breaker/close-admin-ports");
    run(&account);
    assert!(account.executions.borrow().len() > before);
}

#[test]
fn the_third_generation_in_a_day_is_a_persons() {
    let account = Account::new();
    for generation in 0..2 {
        let seconds = account.now().seconds() - 1_700_000_000;
        answered(&account, Mode::Enforce, &violated("ssh", seconds));
        account.pass(60);
        let repaired = ended(&account, Outcome::Remediated, seconds + 30);
        answered(&account, Mode::Enforce, &repaired);
        account.pass(60);
        assert_eq!(account.the_incident().id.generation.number(), generation + 1);
    }
    let seconds = account.now().seconds() - 1_700_000_000;
    let answer = answered(&account, Mode::Enforce, &violated("ssh", seconds));
    assert!(reasons(&answer).contains(&"flapping"), "{answer:?}");
    assert_eq!(account.the_incident().state, State::Escalated);
    assert_eq!(account.executions.borrow().len(), 2);
    assert!(account.subjects().last().unwrap().contains("Needs you"));
}

#[test]
fn a_storm_gathers_in_one_ops_item_and_each_incident_is_healed_all_the_same() {
    let account = Account::new();
    storm(&account, Mode::Observe, 30);
    // Ten of what is only observed get an OpsItem of their own.
    assert_eq!(account.ops_items.borrow().len(), 11);
    assert_eq!(account.members.borrow().len(), 20);
    assert_eq!(account.subjects().iter().filter(|subject| subject.contains("Many observed")).count(), 1);
    assert_eq!(account.notifications.borrow().len(), 11);
    run_in(Mode::Observe, &account);
    let gathering = account.gatherings.borrow().values().next().unwrap().clone();
    assert_eq!(gathering.stands, "20 open: 20 observed");
    // A digest a day later, and not before.
    run_in(Mode::Observe, &account);
    assert_eq!(account.notifications.borrow().len(), 11);
    account.pass(86_400);
    run_in(Mode::Observe, &account);
    assert_eq!(account.notifications.borrow().len(), 12);
    assert!(account.subjects().last().unwrap().contains("20 open"), "{:?}", account.subjects().last());
    // Each is resolved by itself, and the gathering with the last.
    for number in 0..30 {
        answered(&account, Mode::Observe, &about(&format!("sg-{number}"), clear("ssh", 90_000)));
    }
    run_in(Mode::Observe, &account);
    let gathering = account.gatherings.borrow().values().next().unwrap().clone();
    assert!(gathering.is_over, "{gathering:?}");
    let items = account.ops_items.borrow();
    assert!(items.values().all(|(_, content)| content.status == OpsItemStatus::Resolved));
}

#[test]
fn whoever_dies_beginning_a_gathering_is_followed_by_reconcile() {
    let account = Account::new();
    storm(&account, Mode::Observe, 10);
    let eleventh = about("sg-10", violated("ssh", 90));
    // Claim, switches, version, write (too many), write, gather, and the creation that never comes.
    account.fail(6, Fault::CrashBefore);
    assert!(deliver(&account, Mode::Observe, &eleventh).is_none());
    assert_eq!(account.gatherings.borrow().len(), 1);
    run_in(Mode::Observe, &account);
    assert_eq!(account.ops_items.borrow().len(), 11);
    assert_eq!(account.subjects().iter().filter(|subject| subject.contains("Many observed")).count(), 1);
}

#[test]
fn a_gathering_whose_ops_item_could_not_be_created_at_once_gets_it_by_the_retry() {
    let account = Account::new();
    storm(&account, Mode::Observe, 10);
    account.fail(6, Fault::Throttled);
    let eleventh = about("sg-10", violated("ssh", 90));
    assert!(deliver(&account, Mode::Observe, &eleventh).unwrap().is_err());
    assert_eq!(account.ops_items.borrow().len(), 10);
    account.pass(20);
    run_in(Mode::Observe, &account);
    assert_eq!(account.ops_items.borrow().len(), 11);
}

#[test]
fn an_undoing_is_written_into_the_story() {
    let account = Account::new();
    broken(&account, Mode::Enforce, RESOURCE);
    let repaired = ended(&account, Outcome::Remediated, 130);
    answered(&account, Mode::Enforce, &repaired);
    let undoing = News::Undoing(Undoing {
        incident: account.the_incident().id,
        execution: ExecutionId::from_static(BY_HAND),
        changes: Some("Opened tcp 22 again".to_owned()),
        exemption: Some("/mend/dev/exemptions/close-admin-ports/sg-0badcafe".to_owned()),
        at: at(200),
    });
    answered(&account, Mode::Enforce, &undoing);
    assert_eq!(answered(&account, Mode::Enforce, &undoing).decision, Verdict::Ignore);
    let undone = "Undone by execution 11111111-2222-4333-8444-555555555555: Opened tcp 22 again";
    assert_eq!(story(&account).matches(undone).count(), 1, "{}", story(&account));
    assert_eq!(ops_item_status(&account), OpsItemStatus::Resolved);
    // The rule finds it open again, and nobody closes it: that was wanted.
    account.set(&format!("exemptions/{ROUTE}/sg-0badcafe"), "until 2023-11-20: undone");
    account.pass(300);
    let answer = answered(&account, Mode::Enforce, &violated("ssh", 300));
    assert_eq!(answer.decision, Verdict::Suppress);
    assert_eq!(account.executions.borrow().len(), 1);
    assert_eq!(changes(&account).last().unwrap(), "Mend Incident Suppressed");
}

#[test]
fn what_is_deferred_goes_on_the_oldest_first() {
    // Whichever comes first in the ledger, it is the oldest in one of these.
    for ids in [["sg-3", "sg-1", "sg-2"], ["sg-1", "sg-2", "sg-3"], ["sg-2", "sg-3", "sg-1"]] {
        let account = Account::new();
        account.calendar.set(Some(CalendarState::Closed { until: None }));
        for id in ids {
            broken(&account, Mode::Enforce, id);
            account.pass(10);
        }
        account.calendar.set(None);
        account.set(&format!("budget/{ROUTE}"), "1");
        run(&account);
        let rows = account.rows.borrow();
        let mut incidents = rows.values().filter_map(|(row, _)| row.incident.as_ref());
        let begun = incidents.find(|incident| incident.running().is_some());
        assert_eq!(begun.unwrap().resource.id.as_str(), ids[0]);
    }
}

#[test]
fn a_start_that_comes_late_asks_the_switches_again() {
    let account = Account::new();
    // OpsCenter takes its time, and somebody engages the kill switch meanwhile.
    account.interrupt(4, |account| {
        account.pass(12);
        *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false });
    });
    let answer = broken(&account, Mode::Enforce, RESOURCE);
    assert!(account.executions.borrow().is_empty(), "{answer:?}");
    *account.kill.borrow_mut() = None;
    run(&account);
    assert_eq!(account.executions.borrow().len(), 1);
}

#[test]
fn what_is_approved_and_held_back_again_and_again_is_a_persons() {
    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    for _ in 0..3 {
        let held = answered_request(&account, Outcome::held_back("the kill switch is missing"), 200);
        account.pass(60);
        answered(&account, Mode::Approve, &held);
    }
    assert_eq!(account.the_incident().state, State::Escalated);
    assert_eq!(account.executions.borrow().len(), 3);
    assert_eq!(account.tally.get().ended, 0, "the runbook is not to blame");
}

#[test]
fn what_a_child_found_is_kept_although_its_parent_was_heard_first() {
    let account = Account::new();
    broken(&account, Mode::Approve, RESOURCE);
    let News::Outcome(parent) = answered_request(&account, Outcome::failed("it broke half-way"), 210) else {
        panic!()
    };
    let child = ExecutionId::from_static(BY_HAND);
    let parent = AttemptReport { execution: child.clone(), ..parent };
    let runbook = account.the_incident().latest_attempt().unwrap().plan.runbook.clone();
    let found = AttemptReport { runbook, ended_at: at(205), before_state: Some("{}".into()), ..parent.clone() };
    answered(&account, Mode::Approve, &News::Outcome(parent));
    answered(&account, Mode::Approve, &News::Outcome(found));
    let kept: Vec<_> = account.before_states.borrow().iter().map(|report| report.execution.clone()).collect();
    assert_eq!(kept, [child]);
}

#[test]
fn a_breaker_that_opens_again_is_told_again() {
    let account = Account::new();
    for number in 0..4 {
        account.delete("breaker/close-admin-ports");
        broken(&account, Mode::Enforce, &format!("sg-{number}"));
        let failed = account.outcome_of(&format!("sg-{number}"), Outcome::failed("no permission"));
        answered(&account, Mode::Enforce, &failed);
    }
    let told = account.subjects().into_iter().filter(|subject| subject.contains("Circuit breaker")).count();
    assert_eq!(told, 2);
}

#[test]
fn a_gathering_that_comes_back_gets_an_ops_item_that_is_open() {
    let account = Account::new();
    storm(&account, Mode::Observe, 11);
    let name = format!("exemptions/{ROUTE}/sg-10");
    account.set(&name, "until 2023-11-17: a bastion");
    account.pass(2 * 86_400);
    run_in(Mode::Observe, &account);
    run_in(Mode::Observe, &account);
    assert!(account.gatherings.borrow().values().all(|gathering| gathering.is_over));
    account.delete(&name);
    run_in(Mode::Observe, &account);
    let gathering = account.gatherings.borrow().values().next().unwrap().clone();
    assert!(!gathering.is_over);
    let items = account.ops_items.borrow();
    let (_, content) = items.values().find(|(id, _)| Some(id) == gathering.ops_item.as_ref()).unwrap();
    assert_eq!(content.status, OpsItemStatus::Open);
}

#[test]
fn a_kill_switch_stops_an_approved_child_and_leaves_a_request_that_waits() {
    for (run, stopped) in [("InProgress", 1), ("Pending", 0)] {
        let account = Account::new();
        broken(&account, Mode::Approve, RESOURCE);
        account.request_is_at(run);
        *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: true });
        assert_eq!(run_in(Mode::Approve, &account).stopped, stopped, "{run}");
    }
}
