//! Whatever the core can hold survives its storage.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use mend_core::gathering::{Day, GatheringId, GatheringKind};
use mend_core::policy::Severity;
use mend_core::signal::{Cause, ConfigRuleName};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Text of a type that checks it.
fn text<T: std::fmt::Debug>(
    pattern: &'static str,
    new: impl Fn(String) -> Result<T, InvalidText>,
) -> impl Strategy<Value = T> {
    pattern.prop_map(move |text| new(text).unwrap())
}

/// Text that people or runbooks wrote.
fn words() -> impl Strategy<Value = String> {
    any::<String>()
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_milliseconds)
}

/// Of this century: their text is ordered as they are.
fn told_at() -> impl Strategy<Value = ToldAt> {
    let time = || (0..4_102_444_800_000_i64).prop_map(Timestamp::from_milliseconds);
    (time(), time()).prop_map(|(at, recorded_at)| ToldAt { at, recorded_at })
}

fn attempt_number() -> impl Strategy<Value = AttemptNumber> {
    any::<NonZeroU8>().prop_map(AttemptNumber::new)
}

fn runbook() -> impl Strategy<Value = RunbookName> {
    text("Mend-[a-zA-Z0-9]{1,123}", RunbookName::new)
}

fn execution() -> impl Strategy<Value = ExecutionId> {
    text("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ExecutionId::new)
}

fn cause_word() -> impl Strategy<Value = CauseState> {
    select(&[CauseState::Violated, CauseState::Clear][..])
}

fn freshness() -> impl Strategy<Value = Freshness> {
    select(&[Freshness::Live, Freshness::Replayed, Freshness::Stale][..])
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        text("[a-zA-Z0-9._:/@+=,#() -]{1,128}", ConfigRuleName::new).prop_map(Cause::ConfigRule),
        Just(Cause::Person),
    ]
}

fn any_effect() -> impl Strategy<Value = Effect> {
    let occasion =
        || (select(&Change::ALL[..]), any::<u32>()).prop_map(|(change, number)| Occasion { change, number });
    prop_oneof![
        Just(Effect::OpsItem),
        Just(Effect::Runbook),
        Just(Effect::RequestApproval),
        Just(Effect::WithdrawApproval),
        Just(Effect::Breaker),
        occasion().prop_map(Effect::Notification),
        occasion().prop_map(Effect::Event),
    ]
}

fn parameters() -> impl Strategy<Value = BTreeMap<ParameterName, String>> {
    btree_map(text("[a-zA-Z0-9]{1,50}", ParameterName::new), words(), 0..4)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Remediated),
        Just(Outcome::AlreadyCompliant),
        words().prop_map(Outcome::Failed),
        Just(Outcome::TimedOut),
        Just(Outcome::Cancelled),
        words().prop_map(Outcome::NotApproved),
        words().prop_map(Outcome::HeldBack),
    ]
}

fn state() -> impl Strategy<Value = State> {
    let how = select(
        &[Resolution::Remediated, Resolution::AlreadyCompliant, Resolution::Cleared, Resolution::ByPerson][..],
    );
    prop_oneof![
        Just(State::Open),
        plan().prop_map(State::Observed),
        Just(State::Suppressed),
        (time(), any::<bool>()).prop_map(|(until, by_budget)| State::Deferred { until, by_budget }),
        attempt().prop_map(State::AwaitingApproval),
        attempt().prop_map(State::Remediating),
        Just(State::Escalated),
        Just(State::Reopened),
        (time(), time(), how).prop_map(|(at, proved_at, how)| State::Resolved { at, proved_at, how }),
    ]
}

fn news() -> impl Strategy<Value = News> {
    prop_oneof![
        signal().prop_map(News::Signal),
        report().prop_map(News::Outcome),
        persons_word().prop_map(News::Person),
        undoing().prop_map(News::Undoing),
    ]
}

prop_compose! {
    fn incident_id()(
        fingerprint in text("[0-9a-f]{32}", Fingerprint::new),
        generation in any::<NonZeroU32>().prop_map(Generation::new),
    ) -> IncidentId {
        IncidentId { fingerprint, generation }
    }
}

prop_compose! {
    fn resource()(
        account in text("[0-9]{12}", AccountId::new),
        region in text("[a-z]{2}-[a-z]{4,9}-[1-9]", Region::new),
        kind in text("AWS::[a-zA-Z0-9]{0,20}::[a-zA-Z0-9]{1,20}", ResourceType::new),
        id in text(r"[a-zA-Z0-9._:/@+=,#()*\[\]-]([a-zA-Z0-9 ]{0,510}[a-z])?", ResourceId::new),
    ) -> Resource {
        Resource { account, region, kind, id }
    }
}

prop_compose! {
    fn plan()(
        runbook in runbook(),
        version in text("[1-9][0-9]{0,9}", DocumentVersion::new),
        role in text("arn:aws:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@-]{1,64}", RoleArn::new),
        parameters in parameters(),
        alarm in option::of(text("[ -~]{1,255}", AlarmName::new)),
    ) -> Plan {
        Plan { runbook, version, role, parameters, alarm }
    }
}

prop_compose! {
    fn attempt()(
        number in attempt_number(),
        plan in plan(),
        planned_at in time(),
        execution in option::of(execution()),
    ) -> Attempt {
        Attempt { number, plan, planned_at, execution }
    }
}

prop_compose! {
    fn finished_attempt()(
        attempt in attempt(),
        outcome in outcome(),
        ended_at in time(),
        changes in option::of(words()),
    ) -> FinishedAttempt {
        FinishedAttempt { attempt, outcome, ended_at, changes }
    }
}

prop_compose! {
    fn signal()(
        cause in cause(),
        resource in resource(),
        state in cause_word(),
        at in time(),
        recorded_at in time(),
        freshness in freshness(),
        changed_by in option::of(principal()),
    ) -> Signal {
        Signal { cause, resource, state, at, recorded_at, freshness, changed_by }
    }
}

prop_compose! {
    fn report()(
        incident in incident_id(),
        attempt in attempt_number(),
        runbook in runbook(),
        (execution, request) in (execution(), option::of(execution())),
        parameters in parameters(),
        outcome in outcome(),
        ended_at in time(),
        changes in option::of(words()),
        before_state in option::of(words()),
    ) -> AttemptReport {
        AttemptReport {
            incident, attempt, runbook, execution, request, parameters, outcome, ended_at, changes, before_state,
        }
    }
}

prop_compose! {
    fn persons_word()(
        incident in incident_id(),
        ops_item in text("oi-[0-9a-f]{12}", OpsItemId::new),
        state in cause_word(),
        by in option::of(principal()),
        at in time(),
    ) -> PersonsWord {
        PersonsWord { incident, ops_item, state, by, at }
    }
}

fn principal() -> impl Strategy<Value = PrincipalArn> {
    text("arn:aws:iam::[0-9]{12}:user/[a-zA-Z0-9_+=,.@-]{1,64}", PrincipalArn::new)
}

prop_compose! {
    fn undoing()(
        incident in incident_id(),
        execution in execution(),
        changes in option::of(words()),
        exemption in option::of(words()),
        at in time(),
    ) -> Undoing {
        Undoing { incident, execution, changes, exemption, at }
    }
}

prop_compose! {
    fn approval()(
        attempt in attempt_number(),
        asked_at in time(),
        execution in option::of(execution()),
        is_reminded in any::<bool>(),
    ) -> Approval {
        Approval { attempt, asked_at, execution, is_reminded }
    }
}

prop_compose! {
    fn gathering()(
        route in text("[b-z0-9]{1,64}", RouteName::new),
        kind in select(&[GatheringKind::Observed, GatheringKind::Storm][..]),
        // Years of four digits.
        at in 0..4_102_444_800_000_i64,
    ) -> GatheringId {
        GatheringId { route, kind, day: Day::of(Timestamp::from_milliseconds(at)) }
    }
}

prop_compose! {
    fn cause_record()(state in cause_word(), at in time()) -> CauseRecord {
        CauseRecord { state, at }
    }
}

prop_compose! {
    fn shown()(
        status in select(&[OpsItemStatus::Open, OpsItemStatus::InProgress, OpsItemStatus::Resolved][..]),
        at in time(),
    ) -> Shown {
        Shown { status, at }
    }
}

prop_compose! {
    fn note()(at in time(), text in words()) -> Note {
        Note { at, text }
    }
}

prop_compose! {
    fn incident()(
        // Strategies come in tuples of at most ten.
        (id, resource, opened_at, evidence) in (incident_id(), resource(), time(), freshness()),
        (earlier, changed_by) in (vec(time(), 0..3), option::of(principal())),
        (approval, withdrawn, gathering) in
            (option::of(approval()), vec(approval(), 0..3), option::of(gathering())),
        problem in text("[a-z0-9]{1,64}", Problem::new),
        route in text("[b-z0-9]{1,64}", RouteName::new),
        severity in select(&[Severity::Low, Severity::Medium, Severity::High, Severity::Critical][..]),
        causes in btree_map(cause(), cause_record(), 0..4),
        state in state(),
        finished in vec(finished_attempt(), 0..3),
        occasions in any::<u32>(),
        people_know in any::<bool>(),
        outbox in vec(any_effect(), 0..6),
        (ops_item, ops_item_shows) in (option::of(text("oi-[0-9a-f]{12}", OpsItemId::new)), option::of(shown())),
        notes in vec(note(), 0..4),
    ) -> Incident {
        Incident {
            id, resource, problem, route, severity, opened_at, earlier, changed_by, evidence, causes, state,
            finished, occasions, people_know, outbox, approval, withdrawn, gathering, ops_item, ops_item_shows,
            notes,
        }
    }
}

prop_compose! {
    fn lease()(holder in words(), until in time()) -> Lease {
        Lease { holder, until }
    }
}

prop_compose! {
    fn row()(
        version in any::<u64>(),
        lease in option::of(lease()),
        incident in option::of(incident()),
        inbox in vec(news(), 0..4),
        heard in btree_map(words(), told_at(), 0..4),
    ) -> Row {
        Row { version, lease, incident, inbox, heard }
    }
}

proptest! {
    #[test]
    fn what_was_told_later_is_stored_as_the_greater_text(one in told_at(), other in told_at()) {
        prop_assert_eq!(one.cmp(&other), stored_told_at(one).cmp(&stored_told_at(other)));
    }

    #[test]
    fn what_a_run_leaves_survives_its_storage(
        incident in option::of(text("[0-9a-f]{32}", Fingerprint::new)),
        people_heard_at in option::of(time()),
        rule in option::of(text("[a-z-]{1,64}", ConfigRuleName::new)),
        kill in option::of(words()),
    ) {
        let run = LastRun { incident, people_heard_at, rule, kill };
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(StoredRun::from(&run)).unwrap();
        let stored: StoredRun = serde_dynamo::from_item(item).unwrap();
        prop_assert_eq!(LastRun::try_from(stored).unwrap(), run);
    }

    #[test]
    fn any_row_survives_its_storage(row in row()) {
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(StoredRow::from(&row)).unwrap();
        let stored: StoredRow = serde_dynamo::from_item(item).unwrap();
        prop_assert_eq!(Row::try_from(stored).unwrap(), row);
    }
}
