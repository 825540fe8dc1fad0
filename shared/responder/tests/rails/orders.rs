//! Whatever the order in which switches change and events come.

use mend_core::incident::{Outcome, State};
use mend_core::mode::Mode;
use mend_core::signal::{CauseState, Freshness};
use mend_core::switches::KillSwitch;
use mend_responder::world::{Clock, News};
use proptest::prelude::*;

use super::{RESOURCE, ROUTE};
use crate::account::{Account, about, clear, deliver, ended, reconcile, violated};

#[derive(Clone, Debug)]
enum Step {
    Engage,
    Release,
    SetMode(Mode),
    Exempt,
    EndExemption,
    Violated,
    Clear,
    Ends(bool),
    Reconcile,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Engage),
        1 => Just(Step::Release),
        1 => prop_oneof![Just(Mode::Off), Just(Mode::Observe), Just(Mode::Approve), Just(Mode::Enforce)]
            .prop_map(Step::SetMode),
        1 => Just(Step::Exempt),
        1 => Just(Step::EndExemption),
        3 => Just(Step::Violated),
        1 => Just(Step::Clear),
        1 => any::<bool>().prop_map(Step::Ends),
        2 => Just(Step::Reconcile),
        1 => Just(Step::Pass),
    ]
}

fn seconds(account: &Account) -> i64 {
    account.now().seconds() - 1_700_000_000
}

fn take(account: &Account, step: &Step) {
    let deliver = |news: &News| drop(deliver(account, Mode::Enforce, news));
    match step {
        Step::Engage => *account.kill.borrow_mut() = Some(KillSwitch::Engaged { why: None, stops: false }),
        Step::Release => *account.kill.borrow_mut() = None,
        Step::SetMode(mode) => account.set(&format!("mode/{ROUTE}"), &mode.to_string()),
        Step::Exempt => account.set(&format!("exemptions/{ROUTE}/{RESOURCE}"), "until 2023-12-24: a bastion"),
        Step::EndExemption => account.delete(&format!("exemptions/{ROUTE}/{RESOURCE}")),
        Step::Violated => {
            account.config_says("ssh", RESOURCE, CauseState::Violated, seconds(account));
            deliver(&violated("ssh", seconds(account)));
        }
        Step::Clear => {
            account.config_says("ssh", RESOURCE, CauseState::Clear, seconds(account));
            deliver(&clear("ssh", seconds(account)));
        }
        Step::Ends(works) => {
            let rows = account
                .rows
                .borrow()
                .values()
                .any(|(row, _)| row.incident.as_ref().is_some_and(|incident| incident.running().is_some()));
            if rows {
                let outcome = if *works { Outcome::Remediated } else { Outcome::failed("no permission") };
                let news = ended(account, outcome, seconds(account));
                deliver(&news);
            }
        }
        Step::Reconcile => drop(reconcile(account, Mode::Enforce)),
        Step::Pass => account.pass(200),
    }
    account.pass(7);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_starts_while_the_kill_switch_is_engaged_or_the_resource_exempt(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let account = Account::new();
        for step in &steps {
            let before = account.executions.borrow().len();
            let is_engaged = account.kill.borrow().is_some();
            let is_exempt = account.parameters.borrow().keys().any(|name| name.contains("exemptions"));
            take(&account, step);
            let started = account.executions.borrow().len() - before;
            prop_assert!(started <= 1, "{step:?} started {started}");
            prop_assert!(started == 0 || !is_engaged && !is_exempt, "{step:?} started although it may not");
            // What is suppressed has nothing under way.
            let suppressed = account.count(|state| *state == State::Suppressed);
            prop_assert!(suppressed == 0 || account.holds.borrow().is_empty());
            prop_assert_eq!(account.running.borrow().len(), account.holds.borrow().len());
        }
    }

    #[test]
    fn a_signal_that_no_route_takes_has_no_effect(rule in "[a-z]{1,20}", mode in 0..4_u8, stale in any::<bool>()) {
        prop_assume!(!rule.contains("ssh") && !rule.contains("description"));
        let account = Account::new();
        let mode = [Mode::Off, Mode::Observe, Mode::Approve, Mode::Enforce][usize::from(mode)];
        let News::Signal(mut signal) = about("sg-1", violated(&rule, 90)) else { unreachable!() };
        signal.freshness = if stale { Freshness::Stale } else { Freshness::Live };
        let answer = deliver(&account, mode, &News::Signal(signal)).unwrap().unwrap();
        prop_assert_eq!(answer.incident, None);
        prop_assert!(account.calls.borrow().is_empty());
    }

    #[test]
    fn what_is_replayed_or_stale_starts_nothing(stale in any::<bool>(), runs in 0..3_u8) {
        let account = Account::new();
        let News::Signal(mut signal) = violated("ssh", 90) else { unreachable!() };
        signal.freshness = if stale { Freshness::Stale } else { Freshness::Replayed };
        drop(deliver(&account, Mode::Enforce, &News::Signal(signal)));
        for _ in 0..runs {
            account.pass(300);
            drop(reconcile(&account, Mode::Enforce));
        }
        prop_assert!(account.executions.borrow().is_empty());
    }
}
