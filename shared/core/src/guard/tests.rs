use proptest::prelude::*;

use super::*;
use crate::account::PrincipalArn;
use crate::exemption::WrittenIn;
use crate::incident::tests::{LIMITS, at, incident, plan, route};
use crate::switches::{OpenBreaker, Scope};

const NOW: i64 = 1_000;

/// Everything lets the runbook start.
fn facts() -> Facts {
    Facts {
        now: at(NOW),
        environment: Environment::Dev,
        default_mode: Mode::Enforce,
        running_in_all: 25,
        has_approvers: true,
        switches: switches(|_| ()),
        tags: TagExemption::NotAsked,
        calendar: None,
        plan: Some(plan()),
        refusal: None,
    }
}

struct Set {
    kill: KillSwitch,
    mode: ModeSwitch,
    budget: BudgetSwitch,
    breaker: Option<OpenBreaker>,
    exemption: Option<Result<Exemption, NotAnExemption>>,
}

fn switches(change: impl FnOnce(&mut Set)) -> Switches {
    let mut set = Set {
        kill: KillSwitch::Released,
        mode: ModeSwitch::Unset,
        budget: BudgetSwitch::Unset,
        breaker: None,
        exemption: None,
    };
    change(&mut set);
    let Set { kill, mode, budget, breaker, exemption } = set;
    Switches::Read { kill, mode, budget, breaker, exemption }
}

fn engaged() -> KillSwitch {
    KillSwitch::Engaged { why: Some("lee: storm".to_owned()), stops: false }
}

fn exempt(seconds: i64) -> Exemption {
    Exemption { until: at(seconds), reason: "a bastion".to_owned(), written_in: WrittenIn::Parameter }
}

fn breaker() -> OpenBreaker {
    OpenBreaker { scope: Scope::All, why: "6 of 8 failed".to_owned() }
}

fn open() -> Incident {
    incident(Course::Wait(at(NOW)))
}

fn decided(facts: Facts) -> (Course, Vec<&'static str>) {
    let (course, reasons) = decide(&route(), &open(), facts);
    (course, reasons.iter().map(Reason::name).collect())
}

#[test]
fn the_lowest_mode_holds() {
    use Environment::{Dev, Prod};
    use Freshness::{Live, Replayed, Stale};
    use ModeOrigin as Origin;
    use ModeSwitch::{NotUnderstood, Set, Unset};
    // The route allows enforce in dev and approve in prod.
    for (environment, default_mode, switch, evidence, expected, origin) in [
        (Dev, Mode::Enforce, Unset, Live, Mode::Enforce, Origin::Stack),
        (Dev, Mode::Observe, Unset, Live, Mode::Observe, Origin::Stack),
        (Dev, Mode::Observe, Set(Mode::Enforce), Live, Mode::Enforce, Origin::Switch),
        (Dev, Mode::Enforce, Set(Mode::Off), Live, Mode::Off, Origin::Switch),
        (Dev, Mode::Enforce, NotUnderstood, Live, Mode::Observe, Origin::SwitchNotUnderstood),
        (Prod, Mode::Enforce, Unset, Live, Mode::Approve, Origin::Policy(Prod)),
        (Prod, Mode::Observe, Set(Mode::Enforce), Live, Mode::Approve, Origin::Policy(Prod)),
        (Dev, Mode::Enforce, Unset, Replayed, Mode::Observe, Origin::Replayed),
        (Dev, Mode::Enforce, Unset, Stale, Mode::Observe, Origin::Stale),
        (Dev, Mode::Off, Unset, Stale, Mode::Off, Origin::Stack),
    ] {
        let facts = Facts { environment, default_mode, switches: switches(|set| set.mode = switch), ..facts() };
        let incident = Incident { evidence, ..open() };
        let (_, reasons) = decide(&route(), &incident, facts);
        assert_eq!(
            reasons,
            [Reason::ModeIs(expected, origin)],
            "{environment} {default_mode} {switch:?} {evidence:?}"
        );
    }
}

#[test]
fn each_guard_rail_by_itself() {
    let day = at(NOW).plus(std::time::Duration::from_hours(24));
    let due = |facts: Facts, until: Timestamp, reason: &'static str| {
        assert_eq!(decided(facts), (Course::Wait(until), vec!["mode-enforce", reason]), "{reason}");
    };
    for kill in [engaged(), KillSwitch::Missing, KillSwitch::NotUnderstood] {
        due(Facts { switches: switches(|set| set.kill = kill), ..facts() }, day, "kill-switch");
    }
    due(Facts { switches: Switches::Unreadable, ..facts() }, day, "switches-unreadable");
    due(Facts { switches: switches(|set| set.breaker = Some(breaker())), ..facts() }, day, "breaker-open");
    due(Facts { plan: None, ..facts() }, day, "runbook-unavailable");
    due(Facts { tags: TagExemption::Unreadable, ..facts() }, day, "tags-unreadable");
    for budget in [BudgetSwitch::Set(0), BudgetSwitch::NotUnderstood] {
        due(Facts { switches: switches(|set| set.budget = budget), ..facts() }, day, "budget-spent");
    }
    let other: IncidentId = format!("{}-1", "0".repeat(32)).parse().unwrap();
    due(Facts { refusal: Some(Refusal::ResourceHeld(other)), ..facts() }, at(NOW + 300), "resource-held");
    due(Facts { refusal: Some(Refusal::Spent(Spent::Pace(at(NOW + 9)))), ..facts() }, at(NOW + 9), "budget-spent");
    for (calendar, until, reason) in [
        (CalendarState::Closed { until: Some(at(5_000)) }, at(5_000), "calendar-closed"),
        (CalendarState::Closed { until: None }, day, "calendar-closed"),
        // The route takes ten minutes.
        (CalendarState::Open { until: Some(at(NOW + 600)) }, at(NOW + 600), "calendar-closes"),
    ] {
        due(Facts { calendar: Some(calendar), ..facts() }, until, reason);
    }
    for calendar in [CalendarState::Open { until: None }, CalendarState::Open { until: Some(at(NOW + 601)) }] {
        assert_eq!(decided(Facts { calendar: Some(calendar), ..facts() }).0, Course::Start(plan(), LIMITS));
    }
    let exemption = Facts { switches: switches(|set| set.exemption = Some(Ok(exempt(2_000)))), ..facts() };
    assert_eq!(decided(exemption), (Course::Leave, vec!["exempt"]));
    let tags = Facts { tags: TagExemption::Read(Some(Ok(exempt(2_000)))), ..facts() };
    assert_eq!(decided(tags), (Course::Leave, vec!["exempt"]));
    let nobody = Facts { default_mode: Mode::Approve, has_approvers: false, ..facts() };
    assert_eq!(decided(nobody), (Course::Wait(day), vec!["mode-approve", "no-approvers"]));
    assert_eq!(decided(Facts { default_mode: Mode::Off, ..facts() }), (Course::Leave, vec!["mode-off"]));
    assert_eq!(decided(Facts { default_mode: Mode::Approve, ..facts() }).0, Course::Ask(plan(), LIMITS));
    assert_eq!(decided(facts()).0, Course::Start(plan(), LIMITS));
}

#[test]
fn an_unreadable_calendar_counts_as_closed_in_prod_only() {
    let unreadable = Facts { calendar: Some(CalendarState::Unreadable), ..facts() };
    let (course, reasons) = decided(unreadable.clone());
    assert_eq!((course, reasons), (Course::Start(plan(), LIMITS), vec!["mode-enforce", "calendar-unreadable"]));
    let in_prod = Facts { environment: Environment::Prod, ..unreadable };
    assert!(matches!(decided(in_prod).0, Course::Wait(_)));
}

#[test]
fn only_a_critical_problem_of_an_emergency_route_passes_a_closed_calendar() {
    let closed = || Facts { calendar: Some(CalendarState::Closed { until: None }), ..facts() };
    for (is_emergency, severity, passes) in
        [(true, Severity::Critical, true), (true, Severity::High, false), (false, Severity::Critical, false)]
    {
        let route = Route { is_emergency, ..route() };
        let incident = Incident { severity, ..open() };
        let (course, reasons) = decide(&route, &incident, closed());
        assert_eq!(matches!(course, Course::Start(..)), passes, "{is_emergency} {severity}");
        assert!(reasons.contains(&Reason::CalendarClosed(None)));
        // Nothing else lets it pass.
        let killed = Facts { switches: switches(|set| set.kill = engaged()), ..closed() };
        assert!(matches!(decide(&route, &incident, killed).0, Course::Wait(_)));
    }
}

#[test]
fn an_exemption_that_does_not_hold_is_mentioned_and_keeps_nothing_from_starting() {
    for (written, reason) in [
        (Ok(exempt(NOW)), "exemption-ended"),
        (Ok(exempt(NOW + 91 * 86_400)), "exemption-too-long"),
        (Err(NotAnExemption), "exemption-not-understood"),
    ] {
        let parameter = Facts { switches: switches(|set| set.exemption = Some(written.clone())), ..facts() };
        assert_eq!(decided(parameter), (Course::Start(plan(), LIMITS), vec!["mode-enforce", reason]));
        let tags = Facts { tags: TagExemption::Read(Some(written)), ..facts() };
        assert_eq!(decided(tags), (Course::Start(plan(), LIMITS), vec!["mode-enforce", reason]));
    }
}

#[test]
fn what_comes_back_for_the_third_time_in_a_day_is_a_persons() {
    let lee = PrincipalArn::from_static("arn:aws:iam::111122223333:user/lee");
    let flapping = Incident { earlier: vec![at(1), at(2)], changed_by: Some(lee), ..open() };
    let (course, reasons) = decide(&route(), &flapping, facts());
    assert_eq!(course, Course::Escalate);
    let why: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        why[1],
        "the problem came 3 times in a day, and arn:aws:iam::111122223333:user/lee changed the resource last"
    );
    let twice = Incident { earlier: vec![at(1)], ..open() };
    assert_eq!(decide(&route(), &twice, facts()).0, Course::Start(plan(), LIMITS));
    // Whoever only observes is not what makes it come back, and an engaged kill switch has the first word.
    let observed = Facts { default_mode: Mode::Observe, ..facts() };
    assert_eq!(decide(&route(), &flapping, observed).0, Course::Record(plan()));
    let killed = Facts { switches: switches(|set| set.kill = engaged()), ..facts() };
    assert!(matches!(decide(&route(), &flapping, killed).0, Course::Wait(_)));
}

#[test]
fn of_two_guard_rails_that_meet_both_are_told_and_the_later_due_time_holds() {
    let day = at(NOW).plus(std::time::Duration::from_hours(24));
    let closed = Some(CalendarState::Closed { until: Some(at(5_000)) });
    let spent = Some(Refusal::Spent(Spent::StartsThisHour(10)));
    for (facts, course, reasons) in [
        // An exemption says that nobody wants an answer; what else stands in its way does not matter.
        (
            Facts {
                switches: switches(|set| {
                    set.kill = engaged();
                    set.exemption = Some(Ok(exempt(2_000)));
                }),
                ..facts()
            },
            Course::Leave,
            vec!["exempt"],
        ),
        (
            Facts {
                switches: switches(|set| {
                    set.kill = engaged();
                    set.breaker = Some(breaker());
                }),
                calendar: closed,
                ..facts()
            },
            Course::Wait(day),
            vec!["mode-enforce", "kill-switch", "breaker-open"],
        ),
        (
            Facts { calendar: closed, refusal: spent.clone(), ..facts() },
            Course::Wait(at(5_000).max(Spent::StartsThisHour(10).until(at(NOW)))),
            vec!["mode-enforce", "calendar-closed", "budget-spent"],
        ),
        (
            Facts { default_mode: Mode::Approve, has_approvers: false, calendar: closed, ..facts() },
            Course::Wait(day),
            vec!["mode-approve", "calendar-closed", "no-approvers"],
        ),
        // Observing changes nothing, so nothing needs to stop it; only an exemption wants silence.
        (
            Facts {
                default_mode: Mode::Observe,
                switches: switches(|set| {
                    set.kill = engaged();
                    set.breaker = Some(breaker());
                    set.budget = BudgetSwitch::Set(0);
                }),
                calendar: closed,
                ..facts()
            },
            Course::Record(plan()),
            vec!["mode-observe"],
        ),
        (
            Facts {
                default_mode: Mode::Observe,
                switches: switches(|set| set.exemption = Some(Ok(exempt(2_000)))),
                ..facts()
            },
            Course::Leave,
            vec!["exempt"],
        ),
        (
            Facts { default_mode: Mode::Off, switches: switches(|set| set.kill = engaged()), ..facts() },
            Course::Leave,
            vec!["mode-off"],
        ),
        (
            Facts { default_mode: Mode::Approve, switches: switches(|set| set.kill = engaged()), ..facts() },
            Course::Wait(day),
            vec!["mode-approve", "kill-switch"],
        ),
    ] {
        assert_eq!(decided(facts.clone()), (course, reasons), "{facts:?}");
    }
}

#[test]
fn nothing_is_asked_when_the_answer_is_no() {
    let route = Route { is_exempt_by_tag: true, ..route() };
    let everything = Needs { version: true, tags: true, calendar: true };
    let nothing = Needs { version: false, tags: false, calendar: false };
    let no_calendar = Needs { calendar: false, ..everything };
    let needs = |mode, switches: Option<&Switches>| {
        super::needs(&route, Freshness::Live, switches, Environment::Dev, mode, at(NOW))
    };
    // Nothing is known: everything in one step.
    assert_eq!(needs(Mode::Enforce, None), everything);
    for (mode, switches, expected) in [
        (Mode::Enforce, switches(|_| ()), everything),
        (Mode::Approve, switches(|_| ()), everything),
        (Mode::Observe, switches(|_| ()), no_calendar),
        (Mode::Off, switches(|_| ()), nothing),
        (Mode::Enforce, switches(|set| set.kill = engaged()), nothing),
        (Mode::Observe, switches(|set| set.kill = engaged()), no_calendar),
        (Mode::Enforce, switches(|set| set.breaker = Some(breaker())), nothing),
        (Mode::Enforce, switches(|set| set.budget = BudgetSwitch::Set(0)), no_calendar),
        (Mode::Enforce, switches(|set| set.exemption = Some(Ok(exempt(2_000)))), nothing),
        (Mode::Enforce, switches(|set| set.exemption = Some(Ok(exempt(NOW)))), everything),
        (Mode::Enforce, Switches::Unreadable, nothing),
    ] {
        assert_eq!(needs(mode, Some(&switches)), expected, "{mode} {switches:?}");
    }
}

prop_compose! {
    fn any_facts()(
        mode in prop_oneof![Just(Mode::Off), Just(Mode::Observe), Just(Mode::Approve), Just(Mode::Enforce)],
        prod in any::<bool>(),
        kill in prop_oneof![Just(KillSwitch::Released), Just(engaged()), Just(KillSwitch::Missing)],
        budget in prop_oneof![Just(BudgetSwitch::Unset), Just(BudgetSwitch::Set(0))],
        is_broken in any::<bool>(),
        exemption in prop_oneof![Just(None), Just(Some(exempt(NOW + 1))), Just(Some(exempt(NOW)))],
        tags in prop_oneof![
            Just(TagExemption::NotAsked), Just(TagExemption::Unreadable), Just(TagExemption::Read(None)),
            Just(TagExemption::Read(Some(Ok(exempt(NOW + 1))))),
        ],
        calendar in prop_oneof![
            Just(None), Just(Some(CalendarState::Unreadable)), Just(Some(CalendarState::Closed { until: None })),
            Just(Some(CalendarState::Open { until: None })),
        ],
        has_plan in any::<bool>(),
        has_approvers in any::<bool>(),
        is_spent in any::<bool>(),
    ) -> Facts {
        Facts {
            environment: if prod { Environment::Prod } else { Environment::Dev },
            default_mode: mode,
            has_approvers,
            switches: switches(|set| {
                set.kill = kill;
                set.budget = budget;
                set.breaker = is_broken.then(breaker);
                set.exemption = exemption.map(Ok);
            }),
            tags,
            calendar,
            plan: has_plan.then(plan),
            refusal: is_spent.then_some(Refusal::Spent(Spent::Running(1))),
            ..facts()
        }
    }
}

proptest! {
    /// Whatever else is the case, each of these alone keeps everything from starting.
    #[test]
    fn nothing_starts_against_a_guard_rail(facts in any_facts()) {
        let (course, reasons) = decide(&route(), &open(), facts.clone());
        prop_assert!(!reasons.is_empty());
        if let Course::Start(..) | Course::Ask(..) = course {
            let Switches::Read { kill, budget, breaker, exemption, .. } = &facts.switches else { unreachable!() };
            prop_assert_eq!(kill, &KillSwitch::Released);
            prop_assert_eq!(budget, &BudgetSwitch::Unset);
            prop_assert!(breaker.is_none());
            prop_assert!(exemption.as_ref().is_none_or(|exemption| exemption.as_ref().unwrap().until <= facts.now));
            prop_assert!(matches!(facts.tags, TagExemption::NotAsked | TagExemption::Read(None)));
            prop_assert!(facts.plan.is_some() && facts.refusal.is_none());
            prop_assert!(facts.default_mode >= Mode::Approve);
            let is_closed = matches!(facts.calendar, Some(CalendarState::Closed { .. }))
                || (facts.calendar == Some(CalendarState::Unreadable) && facts.environment == Environment::Prod);
            prop_assert!(!is_closed);
        }
        if let Course::Wait(until) = course {
            prop_assert!(until > facts.now);
        }
        if facts.default_mode == Mode::Observe {
            prop_assert!(matches!(course, Course::Record(_) | Course::Leave | Course::Wait(_)));
        }
    }
}
