//! Guard rails: the reasons not to act now.

use crate::decision::{ModeOrigin, Reason, Verdict};
use crate::identity::IncidentId;
use crate::incident::Plan;
use crate::mode::{Environment, Mode};
use crate::policy::Route;
use crate::signal::Freshness;
use crate::switches::{KillSwitch, ModeSwitch, Switches};

/// What a decision needs to know besides incident and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The stack's environment.
    pub environment: Environment,
    /// The stack's parameter `Mode`.
    pub default_mode: Mode,
    /// What operators have switched.
    pub switches: Switches,
    /// What would be started; nothing when the runbook or its role is not there.
    pub plan: Option<Plan>,
    /// The incident whose attempt holds the resource, if it is another one.
    pub resource_held_by: Option<IncidentId>,
}

/// What to do about a problem that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Start the plan.
    Start(Plan),
    /// Start it when a person says yes.
    Ask(Plan),
    /// Record it.
    Record(Plan),
    /// Not now.
    Wait,
    /// Not at all.
    Leave,
}

impl Course {
    /// The course in the words of a decision.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Start(_) | Self::Ask(_) | Self::Record(_) => Verdict::Respond,
            Self::Wait => Verdict::Defer,
            Self::Leave => Verdict::Suppress,
        }
    }
}

/// Decides what to do about a problem that is there, and says why.
///
/// `evidence` is the freshness of the freshest event that speaks of it.
#[must_use]
pub fn decide(route: &Route, evidence: Freshness, facts: Facts) -> (Course, Vec<Reason>) {
    let (mode, origin) = mode(route, evidence, &facts);
    let mut reasons = vec![Reason::ModeIs(mode, origin)];
    if mode == Mode::Off {
        return (Course::Leave, reasons);
    }
    let Some(plan) = facts.plan else {
        reasons.push(Reason::RunbookUnavailable(route.runbook.clone()));
        return (Course::Wait, reasons);
    };
    // Observing changes nothing, so nothing needs to stop it.
    if mode == Mode::Observe {
        return (Course::Record(plan), reasons);
    }
    let in_the_way = reasons.len();
    match facts.switches {
        Switches::Unreadable => reasons.push(Reason::SwitchesUnreadable),
        Switches::Read { kill: KillSwitch::Released, .. } => {}
        Switches::Read { kill, .. } => reasons.push(Reason::KillSwitch(kill)),
    }
    reasons.extend(facts.resource_held_by.map(Reason::ResourceHeld));
    let course = if reasons.len() > in_the_way {
        Course::Wait
    } else if mode == Mode::Approve {
        Course::Ask(plan)
    } else {
        Course::Start(plan)
    };
    (course, reasons)
}

/// The lowest mode that anything asks for, and what asked for it first.
fn mode(route: &Route, evidence: Freshness, facts: &Facts) -> (Mode, ModeOrigin) {
    let wanted = match facts.switches {
        Switches::Read { mode: ModeSwitch::Set(mode), .. } => (mode, ModeOrigin::Switch),
        Switches::Read { mode: ModeSwitch::NotUnderstood, .. } => (Mode::Observe, ModeOrigin::SwitchNotUnderstood),
        // Unreadable switches stop everything by themselves.
        Switches::Read { mode: ModeSwitch::Unset, .. } | Switches::Unreadable => {
            (facts.default_mode, ModeOrigin::Stack)
        }
    };
    let allowed = (route.ceiling.of(facts.environment), ModeOrigin::Policy(facts.environment));
    let evidence = match evidence {
        Freshness::Live => (Mode::Enforce, wanted.1),
        Freshness::Replayed => (Mode::Observe, ModeOrigin::Replayed),
        Freshness::Stale => (Mode::Observe, ModeOrigin::Stale),
    };
    let lower = |held: (Mode, ModeOrigin), limit: (Mode, ModeOrigin)| if limit.0 < held.0 { limit } else { held };
    lower(lower(wanted, allowed), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::tests::{plan, route};

    fn facts(environment: Environment, default_mode: Mode, kill: KillSwitch, mode: ModeSwitch) -> Facts {
        Facts {
            environment,
            default_mode,
            switches: Switches::Read { kill, mode },
            plan: Some(plan()),
            resource_held_by: None,
        }
    }

    #[test]
    fn the_lowest_mode_holds() {
        use Environment::{Dev, Prod};
        use Freshness::{Live, Replayed, Stale};
        use ModeOrigin as Origin;
        use ModeSwitch::{NotUnderstood, Set, Unset};
        // The route allows enforce in dev and approve in prod.
        for (environment, default, switch, evidence, expected, origin) in [
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
            let facts = facts(environment, default, KillSwitch::Released, switch);
            let (_, reasons) = decide(&route(), evidence, facts);
            assert_eq!(
                reasons,
                [Reason::ModeIs(expected, origin)],
                "{environment} {default} {switch:?} {evidence:?}"
            );
        }
    }

    #[test]
    fn only_a_released_kill_switch_lets_anything_start() {
        for kill in [KillSwitch::Engaged(None), KillSwitch::Missing, KillSwitch::NotUnderstood] {
            for mode in [Mode::Approve, Mode::Enforce] {
                let facts = facts(Environment::Dev, mode, kill.clone(), ModeSwitch::Unset);
                let (course, reasons) = decide(&route(), Freshness::Live, facts);
                assert_eq!(course, Course::Wait, "{kill:?} {mode}");
                assert!(reasons.contains(&Reason::KillSwitch(kill.clone())));
            }
            // Observing changes nothing.
            let facts = facts(Environment::Dev, Mode::Observe, kill, ModeSwitch::Unset);
            assert_eq!(decide(&route(), Freshness::Live, facts).0, Course::Record(plan()));
        }
        let released = |mode| facts(Environment::Dev, mode, KillSwitch::Released, ModeSwitch::Unset);
        assert_eq!(decide(&route(), Freshness::Live, released(Mode::Enforce)).0, Course::Start(plan()));
        assert_eq!(decide(&route(), Freshness::Live, released(Mode::Approve)).0, Course::Ask(plan()));
        assert_eq!(decide(&route(), Freshness::Live, released(Mode::Off)).0, Course::Leave);
    }

    #[test]
    fn what_cannot_be_known_keeps_anything_from_starting() {
        let enforce = facts(Environment::Dev, Mode::Enforce, KillSwitch::Released, ModeSwitch::Unset);
        let unreadable = Facts { switches: Switches::Unreadable, ..enforce.clone() };
        assert_eq!(decide(&route(), Freshness::Live, unreadable).0, Course::Wait);
        let no_runbook = Facts { plan: None, ..enforce.clone() };
        assert_eq!(decide(&route(), Freshness::Live, no_runbook).0, Course::Wait);
        let other: IncidentId = format!("{}-1", "0".repeat(32)).parse().unwrap();
        let held = Facts { resource_held_by: Some(other.clone()), ..enforce };
        let (course, reasons) = decide(&route(), Freshness::Live, held);
        assert_eq!(course, Course::Wait);
        assert!(reasons.contains(&Reason::ResourceHeld(other)));
    }
}
