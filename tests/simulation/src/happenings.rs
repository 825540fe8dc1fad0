//! What happens in the world besides Mend's own doing, and when: things break, people act, schedules run.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::automation::ExecutionId;
use mend_core::exemption::ExemptionTags;
use mend_core::report::OpsItemStatus;
use mend_core::signal::Freshness;
use mend_core::switches::{
    Scope, breaker_parameter, budget_parameter, exemption_parameter, kill_switch_parameter, mode_parameter,
};
use mend_core::time::Timestamp;

use crate::account::State;
use crate::account::calendars::Closing;
use crate::functions::Function;
use crate::scene::{Check, checks_of, resource_of};

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// An event arrives, and Lambda invokes the function.
    Event(Function),
    /// Lambda tries an invocation again: which, and the how-manieth try.
    Retry(u32, u8, Function),
    /// The schedule of `reconcile`.
    Schedule,
    /// An execution comes to its next point.
    Execution(ExecutionId),
    /// A rule of Config looks at a resource.
    Look(Check),
    /// Something breaks.
    Breaks(Check),
    /// Somebody repairs it by hand.
    Repaired(Check),
    /// An operator does something with the switches.
    Operator,
    /// A person does something with an OpsItem or an execution.
    Person,
    /// An event that must not do anything arrives.
    Noise,
    /// The alarm of a route rings.
    Alarm,
    /// From here on nothing goes wrong any more, and nothing breaks.
    Calm,
}

/// What is to happen, in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    waiting: BTreeMap<(Timestamp, u64), Happening>,
    number: u64,
}

impl Schedule {
    pub(crate) fn at(&mut self, time: Timestamp, happening: Happening) {
        self.number += 1;
        self.waiting.insert((time, self.number), happening);
    }

    /// What waits, in its order.
    pub(crate) fn waiting(&self) -> Vec<(Timestamp, &Happening)> {
        self.waiting.iter().map(|((time, _), happening)| (*time, happening)).collect()
    }

    /// When the next happens.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.keys().next().map(|(time, _)| *time)
    }

    /// The next, if its time has come.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Happening> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Takes out events that are on their way.
    pub(crate) fn forget_events(&mut self) {
        self.waiting.retain(|_, happening| !matches!(happening, Happening::Event(_)));
    }

    /// Takes out what nobody is to do any more.
    pub(crate) fn calm_down(&mut self) {
        self.waiting.retain(|_, happening| match happening {
            Happening::Breaks(_)
            | Happening::Repaired(_)
            | Happening::Operator
            | Happening::Person
            | Happening::Noise
            | Happening::Alarm => false,
            Happening::Event(_)
            | Happening::Retry(..)
            | Happening::Schedule
            | Happening::Execution(_)
            | Happening::Look(_)
            | Happening::Calm => true,
        });
    }
}

impl State<'_> {
    /// A resource breaks; some time later, a rule notices.
    pub(crate) fn breaks(&mut self, check: Check) {
        self.tell(|| format!("broken: {check}"));
        self.configuration.set_broken(check, true);
        let at = self.in_seconds(1, 600);
        self.schedule.at(at, Happening::Look(check));
    }

    /// Somebody repairs a resource by hand.
    pub(crate) fn repaired_by_hand(&mut self, check: Check) {
        self.tell(|| format!("repaired by hand: {check}"));
        self.configuration.set_broken(check, false);
        let at = self.in_seconds(1, 600);
        self.schedule.at(at, Happening::Look(check));
    }

    /// An operator flips one of the switches.
    pub(crate) fn operator_acts(&mut self) {
        let environment = self.scene.environment;
        let index = self.one_of(self.scene.routes.len());
        let Some(route) = self.scene.routes.get(index).map(|route| route.name.clone()) else { return };
        let (name, value) = match self.choose(&[6, 4, 2, 3, 3, 3, 2]) {
            0 => {
                let says = ["released", "engaged: lee, a storm", "engaged and stop: lee", "nonsense"];
                let value = match self.choose(&[5, 3, 2, 1, 1]) {
                    4 => None,
                    says_which => says.get(says_which).map(|text| (*text).to_owned()),
                };
                (kill_switch_parameter(environment), value)
            }
            1 => {
                let says = ["off", "observe", "approve", "enforce", "ENFORCE"];
                let value = match self.choose(&[1, 2, 2, 4, 1, 2]) {
                    5 => None,
                    says_which => says.get(says_which).map(|text| (*text).to_owned()),
                };
                (mode_parameter(environment, &route), value)
            }
            2 => {
                let value = match self.choose(&[1, 2, 1, 2]) {
                    3 => None,
                    2 => Some("few".to_owned()),
                    number => Some(number.to_string()),
                };
                (budget_parameter(environment, &route), value)
            }
            3 => {
                let scope = if self.choose(&[2, 1]) == 0 { Scope::Route(route) } else { Scope::All };
                let opens = self.choose(&[2, 1]) == 1;
                (breaker_parameter(environment, &scope), opens.then(|| "open: lee".to_owned()))
            }
            4 => {
                let resource = self.one_of(self.scene.resources);
                let name = exemption_parameter(environment, &route, &resource_of(resource));
                let until = match self.choose(&[4, 2, 1]) {
                    0 => self.in_seconds(60, 7_200),
                    1 => self.in_seconds(7_200, 90 * 3_600),
                    _ => self.now.plus(Duration::from_hours(100 * 24)),
                };
                let stays = self.choose(&[1, 3]) == 1;
                (name, stays.then(|| format!("until {until}: a bastion")))
            }
            5 => return self.plan_closing(),
            _ => return self.tag_resource(),
        };
        self.set_parameter(&name, value, "an operator");
    }

    /// A closing comes into the calendar, at once or ahead of time; or the ones that are known are taken out.
    fn plan_closing(&mut self) {
        if self.choose(&[3, 1]) == 1 {
            let now = self.now;
            self.tell(|| "an operator opens the calendar".to_owned());
            // What was said before stays said: only what is to come is changed.
            for closing in &mut self.calendars.closings {
                if closing.to > now {
                    closing.to = now.max(closing.from.min(now));
                    closing.from = closing.from.min(closing.to);
                }
            }
            self.emit(&Function::Reconcile);
            return;
        }
        let from = if self.choose(&[1, 1]) == 0 { self.now } else { self.in_seconds(60, 3_600) };
        let to = from.plus(Duration::from_secs(self.between(300, 7_200)));
        self.tell(|| format!("an operator closes the calendar from {from} to {to}"));
        self.calendars.closings.push(Closing { known_since: self.now, from, to });
        self.emit(&Function::Reconcile);
    }

    fn tag_resource(&mut self) {
        let resource = self.one_of(self.scene.resources);
        let until = self.in_seconds(60, 7_200);
        let exempts = self.choose(&[1, 3]) == 1;
        let said = |text: &str| exempts.then(|| text.to_owned());
        let tags = ExemptionTags {
            exempt: said("true"),
            until: said(&until.to_string()),
            reason: said("a bastion, too"),
        };
        let Some(arn) = self.scene.place().arn(&resource_of(resource)) else { return };
        self.tell(|| format!("a person tags {arn}: {tags:?}"));
        let now = self.now;
        self.calendars.tags.entry(arn).or_default().push((now, tags));
    }

    /// A person resolves or reopens an OpsItem, or stops an execution.
    pub(crate) fn person_acts(&mut self) {
        match self.choose(&[4, 3, 1]) {
            0 | 1 if self.ops_center.items.is_empty() => {}
            which @ (0 | 1) => {
                let index = self.one_of(self.ops_center.items.len());
                let Some(id) = self.ops_center.items.keys().nth(index).cloned() else { return };
                let status = if which == 0 { OpsItemStatus::Resolved } else { OpsItemStatus::Open };
                self.person_sets(&id, status);
            }
            _ => {
                let running: Vec<_> =
                    self.automation.runs.iter().filter(|(_, run)| run.ended_at.is_none()).collect();
                let running: Vec<_> = running.into_iter().map(|(id, _)| id.clone()).collect();
                let index = self.one_of(running.len());
                if let Some(id) = running.get(index) {
                    self.tell(|| format!("a person stops {id}"));
                    self.stop(id);
                }
            }
        }
    }

    /// An event that must do nothing: of a resource that is fine, replayed or a week old; or of a rule that no route
    /// knows.
    pub(crate) fn noise(&mut self) {
        let resource = self.scene.resources + 1 + self.one_of(3);
        let Some(check) = checks_of(resource).first().copied() else { return };
        let mut signal = self.signal(check, true);
        if self.choose(&[1, 1]) == 0 {
            signal.freshness = Freshness::Replayed;
        } else {
            signal.freshness = Freshness::Stale;
            signal.at = signal.at.minus(Duration::from_hours(7 * 24));
            signal.recorded_at = signal.at;
        }
        self.emit(&Function::ConfigCompliance(signal));
    }

    /// Operators put everything right.
    pub(crate) fn put_right(&mut self) {
        self.tell(|| "operators put everything right".to_owned());
        let kill = kill_switch_parameter(self.scene.environment);
        for name in self.parameters.names() {
            if name != kill {
                self.set_parameter(&name, None, "an operator");
            }
        }
        self.set_parameter(&kill, Some("released".to_owned()), "an operator");
        let now = self.now;
        for closing in &mut self.calendars.closings {
            closing.to = closing.to.min(now);
            closing.from = closing.from.min(closing.to);
        }
    }
}
