//! A modelled AWS account, and the hands that an invocation has in it.
//!
//! Each file beside this one is one service, as far as Mend sees it. What AWS promises, they keep; what AWS does not
//! promise (events that come, lists that are up to date, calls that succeed), the choices decide.

pub(crate) mod automation;
pub(crate) mod calendars;
pub(crate) mod configuration;
pub(crate) mod ledger;
pub(crate) mod messages;
pub(crate) mod ops_center;
pub(crate) mod parameters;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::Clock;

use crate::choices::Choices;
use crate::executor::{sleep, turn};
use crate::faults::{Fate, Faults};
use crate::functions::Function;
use crate::happenings::{Happening, Schedule};
use crate::scene::Scene;
use crate::story::Story;

/// A rule of Mend that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// Everything that there is.
pub(crate) struct State<'c> {
    pub(crate) choices: &'c mut dyn Choices,
    pub(crate) scene: Scene,
    pub(crate) now: Timestamp,
    pub(crate) faults: Faults,
    pub(crate) story: Story,
    pub(crate) schedule: Schedule,
    pub(crate) ledger: ledger::Table,
    pub(crate) ops_center: ops_center::OpsItems,
    pub(crate) automation: automation::Executions,
    pub(crate) configuration: configuration::Evaluations,
    pub(crate) parameters: parameters::Parameters,
    pub(crate) calendars: calendars::Calendar,
    pub(crate) messages: messages::Messages,
    /// Calls that were refused for good: what they were to do did not happen.
    pub(crate) refusals: BTreeSet<&'static str>,
    /// The first rule that was broken.
    pub(crate) violation: Option<Violation>,
    /// How many calls there were.
    pub(crate) calls: usize,
    /// Nothing is left open any more: wherever there is a choice, the first option is taken.
    pub(crate) is_decided: bool,
    /// No call takes any time.
    pub(crate) time_stands_still: bool,
    /// What can follow was searched before, so the world was left.
    pub(crate) was_searched: bool,
}

impl State<'_> {
    /// One of the options, by its weight.
    pub(crate) fn choose(&mut self, weights: &[u32]) -> usize {
        if self.is_decided {
            return weights.iter().position(|weight| *weight > 0).unwrap_or(0);
        }
        self.choices.choose(weights)
    }

    /// A number within the bounds.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        if self.is_decided { least } else { self.choices.between(least, most) }
    }

    /// Whether what can follow from here has not been searched. `lives`: what tells the invocations apart.
    pub(crate) fn goes_on(&mut self, lives: &impl Debug) -> bool {
        if self.is_decided || !self.choices.tells_states_apart() {
            return true;
        }
        let fingerprint = self.fingerprint(lives);
        self.was_searched = !self.choices.goes_on(&mut || fingerprint);
        !self.was_searched
    }

    /// Whether something happens, of a thousand times so often.
    pub(crate) fn happens(&mut self, per_mille: u32) -> bool {
        self.choose(&[1_000 - per_mille.min(1_000), per_mille.min(1_000)]) == 1
    }

    /// One of so many, each as likely as the others.
    pub(crate) fn one_of(&mut self, count: usize) -> usize {
        match count {
            0 | 1 => 0,
            more => usize::try_from(self.between(0, more as u64 - 1)).unwrap_or(0),
        }
    }

    /// A time from now on, within the bounds.
    pub(crate) fn in_seconds(&mut self, least: u64, most: u64) -> Timestamp {
        self.now.plus(Duration::from_millis(self.between(least * 1_000, most * 1_000)))
    }

    /// Adds a line to the story.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        self.story.tell(self.now, line);
    }

    /// A rule of Mend was broken.
    pub(crate) fn violated(&mut self, what: String) {
        self.tell(|| format!("VIOLATED: {what}"));
        self.violation.get_or_insert(Violation(what));
    }

    /// An event comes as AWS's best-effort events come: mostly, mostly soon, mostly once.
    pub(crate) fn emit(&mut self, function: &Function) {
        if self.happens(self.faults.event_lost) {
            self.tell(|| format!("lost: the event for {function}"));
            return;
        }
        loop {
            let delay = match self.choose(&[20, self.faults.delays, self.faults.delays / 2]) {
                0 => (0, 3),
                1 => (3, 300),
                _ => (300, 7_200),
            };
            let at = self.in_seconds(delay.0, delay.1);
            self.schedule.at(at, Happening::Event(function.clone()));
            if !self.happens(self.faults.event_repeated) {
                return;
            }
        }
    }

    /// A number for all of it that what comes later can depend on.
    pub(crate) fn fingerprint(&self, also: impl Debug) -> u64 {
        let mut hash = Hash(DefaultHasher::new());
        // Hashing does not fail.
        let _ = write!(
            hash,
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {also:?}",
            self.now,
            self.ledger,
            self.ops_center,
            self.automation,
            self.parameters,
            self.messages,
            self.schedule.waiting(),
            self.faults.deaths,
        );
        hash.0.finish()
    }
}

/// Hashes what is written to it.
struct Hash(DefaultHasher);

impl std::fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The account, as all invocations share it.
pub(crate) struct Account<'c> {
    pub(crate) state: RefCell<State<'c>>,
}

/// An invocation's hands in the account: every call that it makes goes through here.
pub(crate) struct Hands<'a, 'c> {
    pub(crate) account: &'a Account<'c>,
    pub(crate) life: Rc<Life>,
    /// Its number.
    pub(crate) request: u32,
    /// The sandbox whose caches it finds.
    pub(crate) sandbox: usize,
}

/// What the scheduler and an invocation know of each other.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Until when it has nothing to do.
    pub(crate) asleep_until: Cell<Option<Timestamp>>,
    /// It has died in a call.
    pub(crate) has_crashed: Cell<bool>,
    /// It has died once already: in a search, a function dies once.
    pub(crate) may_crash: Cell<bool>,
    /// All that it has seen, as a number: its own state follows from that.
    pub(crate) seen: Cell<u64>,
}

impl<'c> Hands<'_, 'c> {
    /// A call. Others may go on before it; then it meets its fate.
    pub(crate) async fn call<T: Debug>(
        &self,
        name: &'static str,
        mut effect: impl FnMut(&mut State<'c>) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        turn().await;
        let answer = {
            let state = &mut *self.account.state.borrow_mut();
            state.calls += 1;
            let fate = state.fate(name, self.life.may_crash.get());
            if fate == Fate::Refused {
                state.refusals.insert(name);
            }
            state.tell(|| {
                let fault = if fate == Fate::Fine { String::new() } else { format!(": {fate}") };
                format!("#{} {name}{fault}", self.request)
            });
            let passing = || CallError::retryable(name, "the simulation lets it fail for now");
            let answer = match fate {
                Fate::Fine => Some(effect(state)),
                Fate::Throttled => Some(Err(passing())),
                Fate::AnswerLost => Some(effect(state).and(Err(passing()))),
                // The SDK has tried it again by itself.
                Fate::Twice => Some(effect(state).and_then(|_| effect(state))),
                Fate::Refused => {
                    Some(Err(CallError::lasting(name, "ask an operator", "the simulation refuses it")))
                }
                Fate::CrashBefore => None,
                Fate::CrashAfter => {
                    let _ = effect(state);
                    None
                }
            };
            if state.choices.tells_states_apart() {
                let mut hash = Hash(DefaultHasher::new());
                let _ = write!(hash, "{} {name} {answer:?}", self.life.seen.get());
                self.life.seen.set(hash.0.finish());
            }
            answer
        };
        if let Some(answer) = answer {
            return answer;
        }
        // A function that is dead asks for nothing any more.
        self.life.has_crashed.set(true);
        std::future::pending().await
    }
}

impl Clock for Hands<'_, '_> {
    fn now(&self) -> Timestamp {
        self.account.state.borrow().now
    }

    async fn wait_until(&self, time: Timestamp) {
        sleep(|| self.now(), time, &self.life.asleep_until).await;
    }
}
