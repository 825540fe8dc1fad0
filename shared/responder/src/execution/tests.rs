use std::collections::HashMap;

use super::*;

const CONCLUDED_BEFORE_STATE: &str = "Conclude.BeforeState";
const INCIDENT: &str = "0123456789abcdef0123456789abcdef-2";

fn lists(pairs: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
}

fn execution(status: &str, outputs: &[(&str, &str)]) -> Execution {
    Execution {
        document: "Mend-CloseAdminPorts".to_owned(),
        status: status.to_owned(),
        parameters: lists(&[("Incident", INCIDENT), ("Attempt", "1"), ("SecurityGroupId", "sg-0badcafe")]),
        outputs: lists(outputs),
        ended_at: Some(Timestamp::from_milliseconds(5_000)),
        failure: Some("Step LookAtRules failed maximum allowed times.\n  UnauthorizedOperation".to_owned()),
        parent: None,
        steps: BTreeMap::new(),
    }
}

fn reported(execution: &Execution) -> Result<AttemptReport, NoReport> {
    let id = ExecutionId::from_static("2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f");
    match report(&id, execution, Timestamp::from_milliseconds(9_000))? {
        Ended::Attempt(report) => Ok(report),
        Ended::Undoing(undoing) => panic!("no attempt: {undoing:?}"),
    }
}

#[test]
fn incident_and_attempt_come_from_the_execution_itself() {
    let report = reported(&execution(
        "Success",
        &[(OUTCOME, "Remediated"), (CHANGES, "Closed tcp 22."), (CONCLUDED_BEFORE_STATE, "{\"Removed\":[]}")],
    ))
    .unwrap();
    assert_eq!(report.incident.to_string(), INCIDENT);
    assert_eq!(report.attempt.number(), 1);
    assert_eq!(report.outcome, Outcome::Remediated);
    assert_eq!(report.changes.as_deref(), Some("Closed tcp 22."));
    assert_eq!(report.before_state.as_deref(), Some("{\"Removed\":[]}"));
    assert_eq!(report.ended_at.milliseconds(), 5_000);
}

#[test]
fn a_success_counts_only_if_the_runbook_says_what_it_achieved() {
    let unproved = Outcome::Failed("it ended without saying what it achieved".to_owned());
    for (outputs, expected) in [
        (vec![(OUTCOME, "Remediated")], Outcome::Remediated),
        (vec![(OUTCOME, "AlreadyCompliant"), (CONCLUDED_BEFORE_STATE, "")], Outcome::AlreadyCompliant),
        (vec![], unproved.clone()),
        (vec![(OUTCOME, "")], unproved.clone()),
        (vec![(OUTCOME, "Perhaps")], unproved.clone()),
        (vec![("Other.Outcome", "Remediated")], unproved),
    ] {
        let report = reported(&execution("Success", &outputs)).unwrap();
        assert_eq!(report.outcome, expected, "{outputs:?}");
        assert_eq!(report.before_state, None, "{outputs:?}");
    }
}

#[test]
fn every_other_end_is_a_failure_with_its_reason() {
    let text = "No output available yet because the step is not successfully executed";
    let placeholder = [(OUTCOME, text), (CONCLUDED_BEFORE_STATE, text)];
    for (status, expected) in [
        ("Failed", Outcome::Failed("Step LookAtRules failed maximum allowed times. UnauthorizedOperation".into())),
        ("TimedOut", Outcome::TimedOut),
        ("Cancelled", Outcome::Cancelled),
        ("Rejected", Outcome::Failed("it was rejected".into())),
    ] {
        let report = reported(&execution(status, &placeholder)).unwrap();
        assert_eq!(report.outcome, expected, "{status}");
        assert_eq!((report.changes, report.before_state), (None, None), "{status}");
    }
}

#[test]
fn automations_words_are_kept_short() {
    let long = Execution { failure: Some("word ".repeat(1_000)), ..execution("Failed", &[]) };
    let Outcome::Failed(why) = reported(&long).unwrap().outcome else { panic!("not a failure") };
    assert_eq!(why.chars().count(), 301);
}

#[test]
fn what_is_no_attempt_is_ignored() {
    let without = |name: &str| {
        let mut execution = execution("Success", &[(OUTCOME, "Remediated")]);
        execution.parameters.remove(name);
        execution
    };
    let with = |name: &str, value: &str| {
        let mut execution = execution("Success", &[(OUTCOME, "Remediated")]);
        execution.parameters.insert(name.to_owned(), vec![value.to_owned()]);
        execution
    };
    for (execution, reason) in [
        (without("Incident"), Reason::NotAnAttempt),
        (without("Attempt"), Reason::NotAnAttempt),
        (with("Incident", "{{ x }}"), Reason::NotAnAttempt),
        (with("Attempt", "0"), Reason::NotAnAttempt),
        (execution("Success", &[(OUTCOME, "Restored")]), Reason::Restored),
        (execution("Success", &[(OUTCOME, "AlreadyRestored")]), Reason::Restored),
    ] {
        let decision = Decision::new(Verdict::Ignore, reason);
        assert_eq!(reported(&execution).unwrap_err(), NoReport::NotOurs(decision));
    }
}

#[test]
fn an_end_that_the_execution_does_not_show_yet_is_waited_for() {
    for status in ["InProgress", "SomethingNew"] {
        assert_eq!(reported(&execution(status, &[])).unwrap_err(), NoReport::NotYet, "{status}");
    }
}

#[test]
fn what_a_failed_execution_found_before_its_change_can_be_restored() {
    let outputs =
        [("SelectRules.BeforeState", "{\"Removed\":[]}"), (CONCLUDED_BEFORE_STATE, "No output available yet")];
    let report = reported(&execution("Failed", &outputs)).unwrap();
    assert_eq!(report.before_state.as_deref(), Some("{\"Removed\":[]}"));
}
