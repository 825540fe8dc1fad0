use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::account::{AccountId, Region};
use crate::automation::RoleFamily;
use crate::budget::BudgetLimits;
use crate::mode::Mode;
use crate::policy::{Budget, Category, Ceiling, Glob, ParameterSource, Route, Takes, Title};
use crate::resource::{ResourceId, ResourceType};
use crate::signal::{ConfigRuleName, Signal};

pub(crate) fn route() -> Route {
    Route {
        name: RouteName::from_static("close-admin-ports"),
        problem: Problem::from_static("open-admin-ports"),
        title: Title::from_static("SSH or RDP is open to the world"),
        takes: Takes {
            config_rules: vec![Glob::from_static("*ssh*")],
            resource_types: vec![ResourceType::from_static("AWS::EC2::SecurityGroup")],
        },
        rank: 0,
        severity: Severity::High,
        category: Category::Security,
        runbook: RunbookName::from_static("Mend-CloseAdminPorts"),
        undo: Some(RunbookName::from_static("Mend-RestoreAdminPorts")),
        role: RoleFamily::from_static("network"),
        parameters: vec![(ParameterName::from_static("SecurityGroupId"), ParameterSource::ResourceId)],
        attempts: 2,
        ceiling: Ceiling { dev: Mode::Enforce, staging: Mode::Enforce, prod: Mode::Approve },
        budget: Budget { starts_per_hour: 10, running: 3 },
        expected_duration: Duration::from_mins(10),
        is_emergency: false,
        is_exempt_by_tag: false,
        alarm: None,
    }
}

pub(crate) fn plan() -> Plan {
    Plan {
        runbook: RunbookName::from_static("Mend-CloseAdminPorts"),
        version: DocumentVersion::from_static("1"),
        role: RoleArn::from_static("arn:aws:iam::111122223333:role/mend-network"),
        parameters: BTreeMap::from([(ParameterName::from_static("SecurityGroupId"), "sg-0badcafe".to_owned())]),
        alarm: None,
    }
}

pub(crate) const LIMITS: BudgetLimits = BudgetLimits { starts_per_hour: 10, running: 3, running_in_all: 25 };

pub(crate) fn start() -> Course {
    Course::Start(plan(), LIMITS)
}

pub(crate) fn ask() -> Course {
    Course::Ask(plan(), LIMITS)
}

/// Not now, until an hour after the beginning.
pub(crate) fn wait() -> Course {
    Course::Wait(at(3_600))
}

/// Seconds after the beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(1_700_000_000_000 + seconds * 1000)
}

fn cause(name: &str) -> Cause {
    Cause::ConfigRule(ConfigRuleName::new(name).unwrap())
}

fn signal(rule: &str, state: CauseState, seconds: i64) -> Signal {
    Signal {
        cause: cause(rule),
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

pub(crate) fn violated(rule: &str, seconds: i64) -> Signal {
    signal(rule, CauseState::Violated, seconds)
}

pub(crate) fn clear(rule: &str, seconds: i64) -> Signal {
    signal(rule, CauseState::Clear, seconds)
}

/// An incident that `ssh` opened at 10, in the state that the course leads to.
pub(crate) fn incident(course: Course) -> Incident {
    let (mut incident, _) = Incident::open(&violated("ssh", 10), &route(), at(12));
    incident.take(course, &[], at(12));
    incident
}

pub(crate) fn report(attempt: u8, outcome: Outcome, seconds: i64) -> AttemptReport {
    let incident = incident(Course::Leave);
    AttemptReport {
        incident: incident.id,
        attempt: attempt.to_string().parse().unwrap(),
        runbook: RunbookName::from_static("Mend-CloseAdminPorts"),
        execution: ExecutionId::from_static("2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f"),
        request: None,
        parameters: plan().parameters,
        outcome,
        ended_at: at(seconds),
        changes: Some("Closed tcp 22".to_owned()),
        before_state: None,
    }
}

fn resolution(incident: &Incident) -> Option<Resolution> {
    if let State::Resolved { how, .. } = incident.state { Some(how) } else { None }
}

#[test]
fn a_repeated_or_older_word_of_a_cause_changes_nothing() {
    let before = incident(start());
    for late in [violated("ssh", 10), violated("ssh", 9), clear("ssh", 9)] {
        let mut incident = before.clone();
        let heard = incident.hear(&late, &route(), at(20));
        assert_eq!(heard.reasons, [Reason::AlreadyKnown]);
        assert_eq!(incident, before);
    }
}

#[test]
fn a_second_word_about_the_same_look_counts() {
    // The rule's parameters were changed, and it judged the same configuration again.
    let mut incident = incident(Course::Record(plan()));
    assert_eq!(incident.hear(&clear("ssh", 10), &route(), at(20)).consequence, Consequence::Resolved);
}

#[test]
fn a_cause_may_take_back_the_word_that_resolved_the_incident() {
    let mut incident = incident(Course::Record(plan()));
    let _ = incident.hear(&clear("ssh", 20), &route(), at(21));
    assert_eq!(incident.hear(&violated("ssh", 20), &route(), at(22)).consequence, Consequence::Undecided);
    assert_eq!(incident.id.generation.number(), 2);
}

#[test]
fn what_is_decided_about_a_problem_that_is_over_changes_nothing() {
    let mut over = incident(Course::Record(plan()));
    let _ = over.hear(&clear("ssh", 20), &route(), at(21));
    let before = over.clone();
    for course in [start(), ask(), Course::Record(plan()), wait(), Course::Leave] {
        over.take(course, &[], at(22));
        assert_eq!(over, before);
    }
}

#[test]
fn whoever_complains_or_stops_to_is_in_the_story_and_on_the_ops_item() {
    let mut incident = incident(start());
    for (word, text) in [
        (violated("ssh-copy", 11), "Config rule ssh-copy reports a violation"),
        (clear("ssh", 12), "Config rule ssh no longer reports a violation"),
    ] {
        incident.outbox.clear();
        let _ = incident.hear(&word, &route(), at(20));
        assert!(incident.notes.last().unwrap().text.starts_with(text), "{:?}", incident.notes);
        assert_eq!(incident.outbox, [Effect::OpsItem]);
    }
    // Saying the same again, as of later, is no news for people.
    let before = incident.notes.clone();
    let _ = incident.hear(&violated("ssh-copy", 13), &route(), at(20));
    assert_eq!(incident.notes, before);
}

#[test]
fn another_reason_to_wait_is_told() {
    let mut incident = incident(wait());
    incident.outbox.clear();
    incident.take(wait(), &[Reason::SwitchesUnreadable], at(13));
    assert_eq!(incident.outbox, [Effect::OpsItem]);
    assert!(incident.notes.last().unwrap().text.contains("could not be read"));
}

#[test]
fn a_clear_resolves_what_waits_and_is_noted_while_an_attempt_runs() {
    let cases = [
        (Course::Record(plan()), Some(Resolution::Cleared)),
        (wait(), Some(Resolution::Cleared)),
        (Course::Leave, Some(Resolution::Cleared)),
        (ask(), Some(Resolution::Cleared)),
        (start(), None),
    ];
    for (course, expected) in cases {
        let mut incident = incident(course.clone());
        let heard = incident.hear(&clear("ssh", 20), &route(), at(21));
        assert_eq!(resolution(&incident), expected, "{course:?}");
        let consequence = if expected.is_some() { Consequence::Resolved } else { Consequence::Nothing };
        assert_eq!(heard.consequence, consequence, "{course:?}");
    }
}

#[test]
fn an_incident_is_right_again_when_its_last_cause_has_cleared() {
    let mut incident = incident(Course::Record(plan()));
    assert_eq!(incident.hear(&violated("ssh-copy", 11), &route(), at(13)).consequence, Consequence::Undecided);
    let heard = incident.hear(&clear("ssh", 20), &route(), at(21));
    assert_eq!(heard.reasons, [Reason::CauseCleared(cause("ssh")), Reason::CausesRemain(vec![cause("ssh-copy")])]);
    assert_eq!(incident.hear(&clear("ssh-copy", 22), &route(), at(23)).consequence, Consequence::Resolved);
}

#[test]
fn proof_resolves() {
    for (outcome, how) in
        [(Outcome::Remediated, Resolution::Remediated), (Outcome::AlreadyCompliant, Resolution::AlreadyCompliant)]
    {
        let mut incident = incident(start());
        let heard = incident.hear_outcome(&report(1, outcome, 30), 2, at(31));
        assert_eq!(heard.consequence, Consequence::Resolved);
        assert_eq!(incident.state, State::Resolved { at: at(31), proved_at: at(30), how });
        assert!(!incident.outbox.contains(&Effect::Runbook), "a start that is still waiting is withdrawn");
    }
}

#[test]
fn a_resolved_incident_opens_again_only_for_what_was_seen_after_the_proof() {
    let mut resolved = incident(start());
    let _ = resolved.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(35));

    let mut incident = resolved.clone();
    let heard = incident.hear(&violated("ssh", 30), &route(), at(40));
    assert_eq!(heard.reasons, [Reason::NotLookedSince(at(30))]);
    assert_eq!(incident.id, resolved.id);

    // Seen after the proof, though before the outcome was taken in.
    let heard = incident.hear(&violated("ssh", 31), &route(), at(41));
    assert_eq!(heard.consequence, Consequence::Undecided);
    assert_eq!(incident.id.generation.number(), 2);
    assert_eq!(incident.state, State::Open);
    assert!(incident.finished.is_empty(), "attempts are counted anew");
}

#[test]
fn a_success_that_a_cause_contradicts_is_a_failed_verification() {
    let mut incident = incident(start());
    let _ = incident.hear(&violated("ssh", 31), &route(), at(32));
    let heard = incident.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(33));
    assert_eq!(heard.consequence, Consequence::Undecided);
    assert!(heard.reasons.first().unwrap().to_string().contains("failed verification"), "{:?}", heard.reasons);
    assert_eq!(incident.state, State::Open);
    assert_eq!(incident.next_attempt().number(), 2);
}

#[test]
fn failed_attempts_are_followed_by_others_then_by_a_person() {
    let mut incident = incident(start());
    let heard = incident.hear_outcome(&report(1, Outcome::Failed("no route".into()), 30), 2, at(31));
    assert_eq!(heard.consequence, Consequence::Undecided);
    incident.take(start(), &[], at(31));
    assert_eq!(incident.running().unwrap().number.number(), 2);

    let heard = incident.hear_outcome(&report(2, Outcome::TimedOut, 40), 2, at(41));
    assert_eq!(heard.consequence, Consequence::Escalated);
    assert_eq!(incident.state, State::Escalated);
    assert_eq!(incident.severity, Severity::Critical, "one step worse than the route's");
    let escalated = Occasion { change: Change::Escalated, number: 3 };
    for effect in [Effect::OpsItem, Effect::Notification(escalated), Effect::Event(escalated)] {
        assert!(incident.outbox.contains(&effect), "{effect:?}");
    }

    let heard = incident.hear(&violated("ssh", 50), &route(), at(51));
    assert_eq!(heard.consequence, Consequence::Nothing, "a person has it now");
    assert_eq!(incident.hear(&clear("ssh", 60), &route(), at(61)).consequence, Consequence::Resolved);
}

#[test]
fn a_failed_attempt_at_what_has_cleared_meanwhile_is_no_failure() {
    let mut incident = incident(start());
    let _ = incident.hear(&clear("ssh", 20), &route(), at(21));
    let heard = incident.hear_outcome(&report(1, Outcome::Failed("gone".into()), 30), 2, at(31));
    assert_eq!(heard.consequence, Consequence::Resolved);
    assert_eq!(resolution(&incident), Some(Resolution::Cleared));
}

#[test]
fn what_could_not_be_started_counts_as_an_attempt() {
    let mut incident = incident(start());
    let heard = incident.could_not_start("no such role", 2, at(13));
    assert_eq!(heard.consequence, Consequence::Undecided);
    assert!(!incident.outbox.contains(&Effect::Runbook));
    assert_eq!(incident.next_attempt().number(), 2);
}

#[test]
fn outcomes_of_other_attempts_are_not_heard() {
    let other_generation = AttemptReport {
        incident: format!("{}-9", "0".repeat(32)).parse().unwrap(),
        ..report(1, Outcome::Remediated, 30)
    };
    let other_runbook = AttemptReport {
        runbook: RunbookName::from_static("Mend-RestoreAdminPorts"),
        ..report(1, Outcome::Remediated, 30)
    };
    let mut other_parameters = report(1, Outcome::AlreadyCompliant, 30);
    other_parameters.parameters.values_mut().for_each(|value| "sg-0ther".clone_into(value));
    let running = incident(start());
    let mut started = running.clone();
    started.started(Some(ExecutionId::from_static("00000000-0000-4000-8000-000000000001")), at(13));
    let mut resolved = running.clone();
    let _ = resolved.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(31));
    for (before, report) in [
        (running.clone(), other_generation),
        (running.clone(), other_runbook),
        (running.clone(), other_parameters),
        (started, report(1, Outcome::Remediated, 30)),
        (running, report(2, Outcome::Remediated, 30)),
        (resolved, report(1, Outcome::Failed("late".into()), 40)),
        (incident(Course::Record(plan())), report(1, Outcome::Remediated, 30)),
    ] {
        let mut incident = before.clone();
        let heard = incident.hear_outcome(&report, 2, at(41));
        assert_eq!(heard.consequence, Consequence::Nothing);
        assert_eq!(incident, before);
    }
}

#[test]
fn a_person_may_start_the_attempt_that_waits_for_approval() {
    let mut incident = incident(ask());
    let heard = incident.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(31));
    assert_eq!(heard.consequence, Consequence::Resolved);
}

fn with_ops_item(mut incident: Incident) -> Incident {
    incident.ops_item = Some(OpsItemId::from_static("oi-0123456789ab"));
    incident.ops_item_shows = Some(Shown { status: OpsItemStatus::Open, at: at(12) });
    incident
}

fn says(state: CauseState, seconds: i64) -> PersonsWord {
    PersonsWord {
        incident: incident(Course::Leave).id,
        ops_item: OpsItemId::from_static("oi-0123456789ab"),
        state,
        by: Some(PrincipalArn::from_static("arn:aws:iam::111122223333:user/lee")),
        at: at(seconds),
    }
}

fn resolved_by_person() -> Incident {
    let mut incident = with_ops_item(incident(Course::Record(plan())));
    let _ = incident.hear_person(&says(CauseState::Clear, 20), at(21));
    incident
}

#[test]
fn a_person_closes_what_waits() {
    for course in [Course::Record(plan()), wait(), Course::Leave, ask()] {
        let mut incident = with_ops_item(incident(course.clone()));
        let heard = incident.hear_person(&says(CauseState::Clear, 20), at(21));
        assert_eq!(heard.consequence, Consequence::Resolved, "{course:?}");
        let expected = State::Resolved { at: at(21), proved_at: at(20), how: Resolution::ByPerson };
        assert_eq!(incident.state, expected, "{course:?}");
        let shown = Shown { status: OpsItemStatus::Resolved, at: at(20) };
        assert_eq!(incident.ops_item_shows, Some(shown), "nothing is left to set");
        assert!(incident.notes.iter().any(|note| note.text.contains("user/lee resolved the OpsItem")));
    }
}

#[test]
fn what_mend_has_set_since_a_persons_word_or_may_have_is_set_anew() {
    for shows in [None, Some(19), Some(21)] {
        let mut incident = with_ops_item(incident(Course::Record(plan())));
        incident.ops_item_shows = shows.map(|seconds| Shown { status: OpsItemStatus::Open, at: at(seconds) });
        let _ = incident.hear_person(&says(CauseState::Clear, 20), at(22));
        assert_eq!(incident.ops_item_shows, None, "{shows:?}");
        assert!(incident.outbox.contains(&Effect::OpsItem));
    }
}

#[test]
fn what_a_person_has_closed_opens_again_only_for_what_is_seen_later() {
    let mut incident = resolved_by_person();
    assert_eq!(incident.hear(&violated("ssh", 20), &route(), at(22)).consequence, Consequence::Nothing);
    assert_eq!(incident.hear(&violated("ssh", 21), &route(), at(22)).consequence, Consequence::Undecided);
    assert_eq!(incident.id.generation.number(), 2);
}

#[test]
fn a_person_who_closes_while_an_attempt_runs_is_right_however_it_ends() {
    for (outcome, how) in
        [(Outcome::Remediated, Resolution::Remediated), (Outcome::Failed("no".into()), Resolution::ByPerson)]
    {
        let mut incident = with_ops_item(incident(start()));
        let heard = incident.hear_person(&says(CauseState::Clear, 20), at(21));
        assert_eq!(heard.consequence, Consequence::Nothing);
        assert!(incident.running().is_some(), "the attempt holds the resource until it ends");
        let heard = incident.hear_outcome(&report(1, outcome, 30), 2, at(31));
        assert_eq!((heard.consequence, resolution(&incident)), (Consequence::Resolved, Some(how)));
    }
}

#[test]
fn a_violation_from_after_a_persons_word_stands() {
    let mut incident = with_ops_item(incident(Course::Record(plan())));
    let _ = incident.hear(&violated("ssh", 30), &route(), at(31));
    let heard = incident.hear_person(&says(CauseState::Clear, 20), at(32));
    assert_eq!(heard.reasons.last(), Some(&Reason::CausesRemain(vec![cause("ssh")])));
    assert!(matches!(incident.state, State::Observed(_)));
    assert!(incident.outbox.contains(&Effect::OpsItem), "the OpsItem has to say so");
    let _ = incident.hear(&clear("ssh", 40), &route(), at(41));
    assert_eq!(resolution(&incident), Some(Resolution::Cleared));
}

#[test]
fn a_person_who_reopens_has_it_until_they_resolve_it_or_a_cause_complains_anew() {
    let mut reopened = resolved_by_person();
    let _ = reopened.hear_person(&says(CauseState::Violated, 50), at(51));
    assert_eq!(reopened.state, State::Reopened);
    let told = Occasion { change: Change::Reopened, number: reopened.occasions };
    assert!(reopened.outbox.contains(&Effect::Notification(told)));

    // A check that is content does not overrule the person.
    let mut incident = reopened.clone();
    assert_eq!(incident.hear(&clear("ssh", 60), &route(), at(61)).consequence, Consequence::Nothing);
    assert_eq!(incident.state, State::Reopened);
    let heard = incident.hear_person(&says(CauseState::Clear, 70), at(71));
    assert_eq!((heard.consequence, resolution(&incident)), (Consequence::Resolved, Some(Resolution::ByPerson)));

    let mut incident = reopened;
    assert_eq!(incident.hear(&violated("ssh", 60), &route(), at(61)).consequence, Consequence::Undecided);
    incident.take(start(), &[], at(61));
    assert!(incident.running().is_some());
    assert_eq!(incident.id.generation.number(), 1, "it is the incident that the person reopened");
}

#[test]
fn a_persons_word_that_says_nothing_new_or_speaks_of_another_changes_nothing() {
    let open = with_ops_item(incident(Course::Record(plan())));
    let other = PersonsWord { ops_item: OpsItemId::from_static("oi-ffffffffffff"), ..says(CauseState::Clear, 20) };
    let earlier = PersonsWord {
        incident: format!("{}-9", open.id.fingerprint).parse().unwrap(),
        ..says(CauseState::Clear, 20)
    };
    let resolved = resolved_by_person();
    for (before, word) in [
        (open.clone(), says(CauseState::Violated, 20)),
        (open.clone(), other),
        (open, earlier),
        (resolved, says(CauseState::Clear, 60)),
    ] {
        let mut incident = before.clone();
        assert_eq!(incident.hear_person(&word, at(61)).consequence, Consequence::Nothing);
        assert_eq!(incident, before);
    }
}

#[test]
fn who_was_not_told_of_a_problem_is_not_told_of_its_end() {
    let mut quiet = incident(Course::Leave);
    let _ = quiet.hear(&clear("ssh", 20), &route(), at(21));
    let occasion = |change, number| Occasion { change, number };
    assert_eq!(
        quiet.outbox,
        [Effect::Event(occasion(Change::Suppressed, 1)), Effect::Event(occasion(Change::Resolved, 2))]
    );

    let mut told = incident(Course::Record(plan()));
    let _ = told.hear(&clear("ssh", 20), &route(), at(21));
    assert!(told.outbox.contains(&Effect::Notification(occasion(Change::Resolved, 2))));
}

#[test]
fn a_message_that_has_waited_too_long_gives_way_to_the_next() {
    let mut incident = incident(start());
    let _ = incident.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(31));
    let occasion = |change, number| Occasion { change, number };
    assert_eq!(
        incident.outbox,
        [
            // Machines follow every change.
            Effect::Event(occasion(Change::Responding, 1)),
            Effect::OpsItem,
            Effect::Notification(occasion(Change::Resolved, 2)),
            Effect::Event(occasion(Change::Resolved, 2)),
        ]
    );
}

#[test]
fn deciding_the_same_again_changes_nothing() {
    for course in [Course::Record(plan()), wait(), Course::Leave] {
        let before = incident(course.clone());
        let mut incident = before.clone();
        incident.take(course, &[], at(50));
        assert_eq!(incident, before);
    }
}

#[test]
fn the_story_keeps_its_beginning_and_its_end() {
    let mut incident = incident(Course::Leave);
    for number in 0..100 {
        incident.note(at(number), format!("note {number}"));
    }
    assert_eq!(incident.notes.len(), NOTES);
    assert!(incident.notes.first().unwrap().text.starts_with("Opened"));
    assert_eq!(incident.notes.last().unwrap().text, "note 99");
}

proptest! {
    /// Whatever the order in which a cause's words arrive, the newest stands.
    #[test]
    fn causes_move_only_forward(words in proptest::collection::vec((any::<bool>(), 11_i64..60), 1..12)) {
        let mut incident = incident(start());
        let mut newest = (true, 10);
        for (is_violated, seconds) in words {
            let word = if is_violated { violated("ssh", seconds) } else { clear("ssh", seconds) };
            let _ = incident.hear(&word, &route(), at(100));
            if seconds >= newest.1 {
                newest = (is_violated, seconds);
            }
        }
        let record = incident.causes[&cause("ssh")];
        prop_assert_eq!((record.state == CauseState::Violated, record.at), (newest.0, at(newest.1)));
    }
}
