//! One world, from its beginning to its rest.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mend_core::mode::{Environment, Mode};
use mend_core::switches::kill_switch_parameter;
use mend_core::time::Timestamp;
use mend_responder::Invocation;

use crate::account::{Account, Hands, Life, State, Violation};
use crate::choices::Choices;
use crate::executor::Task;
use crate::faults::Faults;
use crate::functions::Function;
use crate::happenings::{Happening, Schedule};
use crate::scene::{Scene, Stage};
use crate::story::Story;

/// What came of a world.
#[derive(Debug)]
pub struct Ending {
    /// The rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// What happened.
    pub story: Story,
    /// How many calls Mend made.
    pub calls: usize,
    /// How many executions Mend started.
    pub executions: usize,
    /// How many incidents there were, each generation for itself.
    pub incidents: usize,
    /// Whether it was told to its end: not if a search has been there before.
    pub came_to_rest: bool,
}

/// An invocation under way.
struct Flying<'a> {
    request: u32,
    tries: u8,
    function: Function,
    deadline: Timestamp,
    life: Rc<Life>,
    /// How often it has gone on.
    polls: usize,
    task: Task<'a, Result<String, String>>,
}

/// Whoever lets things happen in their order.
pub(crate) struct Scheduler<'a, 'c> {
    account: &'a Account<'c>,
    stage: &'a Stage,
    flying: Vec<Flying<'a>>,
    requests: u32,
    /// Events that Lambda has given up: they stand in the dead-letter queue.
    dead_letters: usize,
}

/// So many sandboxes of each function are warm.
const SANDBOXES: usize = 3;
/// Lambda tries an asynchronous invocation again so much later.
const RETRIES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// When every world begins.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::from_milliseconds(1_795_000_000_000)
}

impl<'a, 'c> Scheduler<'a, 'c> {
    pub(crate) fn new(account: &'a Account<'c>, stage: &'a Stage) -> Self {
        Self { account, stage, flying: Vec::new(), requests: 0, dead_letters: 0 }
    }

    fn state<T>(&self, with: impl FnOnce(&mut State<'c>) -> T) -> T {
        with(&mut self.account.state.borrow_mut())
    }

    /// Lambda invokes a function for an event.
    pub(crate) fn invoke(&mut self, function: Function) {
        self.requests += 1;
        self.attempt(self.requests, 0, function);
    }

    fn attempt(&mut self, request: u32, tries: u8, function: Function) {
        let (sandbox, deadline) = self.state(|state| {
            state.tell(|| format!("#{request}{} begins: {function}", if tries > 0 { " again" } else { "" }));
            (state.one_of(SANDBOXES), state.now.plus(function.timeout()))
        });
        let life = Rc::new(Life::default());
        life.may_crash.set(tries == 0);
        let hands = Hands { account: self.account, life: Rc::clone(&life), request, sandbox };
        let invocation = Invocation { id: format!("request-{request}"), deadline };
        let task = Task::new(function.clone().invoke(self.stage, hands, invocation));
        self.flying.push(Flying { request, tries, function, deadline, life, polls: 0, task });
    }

    /// Lets everything happen until the time is over or a rule is broken.
    pub(crate) fn run_until(&mut self, end: Timestamp) {
        while self.state(|state| state.violation.is_none()) {
            let due = self.state(|state| state.schedule.due(state.now));
            if let Some(happening) = due {
                self.happen(happening);
                continue;
            }
            let now = self.state(|state| state.now);
            let awake: Vec<usize> = (0..self.flying.len())
                .filter(|index| {
                    let flying = self.flying.get(*index);
                    flying.is_some_and(|flying| flying.life.asleep_until.get().is_none_or(|until| until <= now))
                })
                .collect();
            if awake.is_empty() {
                let asleep = self.flying.iter().filter_map(|flying| flying.life.asleep_until.get());
                let next = asleep.chain(self.state(|state| state.schedule.next_at())).min();
                let Some(next) = next.filter(|next| *next <= end) else {
                    self.state(|state| state.now = state.now.max(end));
                    return;
                };
                self.state(|state| state.now = next);
                continue;
            }
            if !self.goes_on() {
                return;
            }
            let chosen = self.state(|state| {
                state.time_passes(awake.len());
                state.choose(&vec![1; awake.len()])
            });
            if let Some(index) = awake.get(chosen) {
                self.let_go_on(*index);
            }
        }
    }

    /// Whether what follows has not been searched yet.
    fn goes_on(&self) -> bool {
        self.state(|state| {
            let lives: Vec<_> = self
                .flying
                .iter()
                .map(|flying| (flying.request, flying.tries, flying.polls, flying.life.seen.get()))
                .collect();
            state.goes_on(&lives)
        })
    }

    fn let_go_on(&mut self, index: usize) {
        let now = self.state(|state| state.now);
        let Some(flying) = self.flying.get_mut(index) else { return };
        if now >= flying.deadline {
            let flying = self.flying.swap_remove(index);
            self.failed(flying, "its time is over");
            return;
        }
        flying.life.asleep_until.set(None);
        flying.polls += 1;
        let done = flying.task.go_on();
        let has_crashed = flying.life.has_crashed.get();
        match done {
            Some(Ok(answer)) => {
                let flying = self.flying.swap_remove(index);
                self.state(|state| state.tell(|| format!("#{} answers: {answer}", flying.request)));
            }
            Some(Err(error)) => {
                let flying = self.flying.swap_remove(index);
                self.failed(flying, &error);
            }
            None if has_crashed => {
                let flying = self.flying.swap_remove(index);
                self.failed(flying, "the function has died");
            }
            None => {}
        }
    }

    /// Lambda tries again, or gives up.
    fn failed(&mut self, flying: Flying<'a>, why: &str) {
        let Flying { request, tries, function, .. } = flying;
        let retry = RETRIES.get(usize::from(tries));
        self.state(|state| {
            state.tell(|| format!("#{request} fails: {why}"));
            match retry {
                Some(later) => {
                    let at = state.now.plus(*later);
                    state.schedule.at(at, Happening::Retry(request, tries + 1, function));
                }
                None => state.tell(|| format!("#{request} goes to the dead-letter queue")),
            }
        });
        self.dead_letters += usize::from(retry.is_none());
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(function) => self.invoke(function),
            Happening::Retry(request, tries, function) => self.attempt(request, tries, function),
            Happening::Schedule => self.invoke(Function::Reconcile),
            Happening::Execution(id) => self.state(|state| state.execution_goes_on(&id)),
            Happening::Look(check) => self.state(|state| state.look(check)),
            Happening::Breaks(check) => self.state(|state| state.breaks(check)),
            Happening::Repaired(check) => self.state(|state| state.repaired_by_hand(check)),
            Happening::Operator => self.state(State::operator_acts),
            Happening::Person => self.state(State::person_acts),
            Happening::Noise => self.state(State::noise),
            Happening::Alarm => self.state(|state| state.emit(&Function::CircuitBreaker)),
            Happening::Calm => self.state(State::calm_down),
        }
    }
}

/// Runs the world that the choices make.
pub fn run(choices: &mut dyn Choices, story: Story) -> Ending {
    let scene = scene(choices);
    let stage = Stage::of(&scene);
    let faults = faults(choices);
    let account = Account { state: RefCell::new(State::new(choices, scene, faults, story)) };
    let end = account.state.borrow_mut().fill_schedule();
    let mut scheduler = Scheduler::new(&account, &stage);
    scheduler.run_until(end);
    drop(scheduler);
    account.into_ending()
}

fn scene(choices: &mut dyn Choices) -> Scene {
    let environment = if choices.choose(&[3, 2]) == 0 { Environment::Dev } else { Environment::Prod };
    let modes = [Mode::Enforce, Mode::Approve, Mode::Observe, Mode::Off];
    let mode = modes.get(choices.choose(&[20, 4, 3, 1])).copied().unwrap_or(Mode::Enforce);
    // Few resources meet each other often; many are a storm.
    let resources = match choices.choose(&[4, 8, 1]) {
        0 => 1,
        1 => choices.between(2, 5),
        _ => choices.between(10, 24),
    };
    let mut scene = Scene::new(environment, mode, usize::try_from(resources).unwrap_or(1));
    scene.tokens_tell_the_execution = choices.choose(&[1, 2]) == 1;
    scene.has_approvers = choices.choose(&[1, 9]) == 1;
    scene
}

fn faults(choices: &mut dyn Choices) -> Faults {
    let often = |choices: &mut dyn Choices, most: u64| u32::try_from(choices.between(0, most)).unwrap_or(0);
    match choices.choose(&[1, 4, 4]) {
        // Everything works: what goes wrong then is Mend's alone.
        0 => Faults { repairs_fail: 200, ..Faults::default() },
        kind => {
            let scale = if kind == 1 { 1 } else { 4 };
            Faults {
                throttled: often(choices, 20 * scale),
                answer_lost: often(choices, 15 * scale),
                twice: often(choices, 10 * scale),
                refused: if choices.choose(&[3, 1]) == 1 { often(choices, 30) } else { 0 },
                crash: often(choices, 15 * scale),
                event_lost: often(choices, 150 * scale),
                event_repeated: often(choices, 150),
                delays: often(choices, 10),
                lists_lag: often(choices, 500),
                repairs_fail: often(choices, 500),
                slow: often(choices, 2),
                deaths: None,
            }
        }
    }
}

impl Account<'_> {
    pub(crate) fn into_ending(self) -> Ending {
        let mut state = self.state.into_inner();
        if state.violation.is_none() && !state.was_searched {
            state.check_ending();
        }
        Ending {
            violation: state.violation,
            calls: state.calls,
            executions: state.automation.runs.len(),
            incidents: state.ledger.incidents().count(),
            came_to_rest: !state.was_searched,
            story: state.story,
        }
    }
}

impl State<'_> {
    /// Everything that will happen by itself. Comes back with the end of the world.
    fn fill_schedule(&mut self) -> Timestamp {
        let kill = kill_switch_parameter(self.scene.environment);
        self.set_parameter(&kill, Some("released".to_owned()), "an operator");
        let length = match self.choose(&[2, 3, 1]) {
            0 => 900,
            1 => 3_600,
            _ => 10_800,
        };
        let checks = self.scene.checks();
        for check in &checks {
            if self.choose(&[1, 3]) == 1 {
                // Most break at the beginning: that is a storm, if they are many.
                let at = self.in_seconds(0, 120);
                self.schedule.at(at, Happening::Breaks(*check));
            }
        }
        for _ in 0..self.between(0, 12) {
            let at = self.in_seconds(0, length);
            let index = self.one_of(checks.len());
            let Some(check) = checks.get(index).copied() else { continue };
            let happening = match self.choose(&[6, 2, 2, 6, 4, 1, 1]) {
                0 => Happening::Breaks(check),
                1 => Happening::Repaired(check),
                2 => Happening::Look(check),
                3 => Happening::Operator,
                4 => Happening::Person,
                5 => Happening::Noise,
                _ => Happening::Alarm,
            };
            self.schedule.at(at, happening);
        }
        let calm = self.now.plus(Duration::from_secs(length));
        let offset = Duration::from_secs(self.between(1, 299));
        let mut at = self.now.plus(offset);
        while at < calm {
            self.schedule.at(at, Happening::Schedule);
            at = at.plus(Duration::from_mins(5));
        }
        self.schedule.at(calm, Happening::Calm);
        calm.plus(Duration::from_hours(60))
    }

    /// From here on nothing goes wrong any more, nothing breaks, and nobody does anything but answer.
    pub(crate) fn calm_down(&mut self) {
        self.tell(|| "from here on nothing goes wrong any more".to_owned());
        self.faults = Faults::default();
        self.schedule.calm_down();
        if self.choose(&[1, 2]) == 1 {
            self.put_right();
        }
        // What nobody waits for in five-minute steps passes in longer ones.
        let minutes = (0..8)
            .map(|run| run * 5)
            .chain((1..6).map(|hour| hour * 60))
            .chain((2..20).map(|run| run * 180))
            .chain((0..5).map(|run| 59 * 60 + run * 5));
        for minute in minutes {
            let at = self.now.plus(Duration::from_mins(minute) + Duration::from_secs(20));
            self.schedule.at(at, Happening::Schedule);
        }
        for hours in [0, 1, 8, 26, 40, 50] {
            for check in self.scene.checks() {
                let at = self.now.plus(Duration::from_hours(hours) + Duration::from_secs(90));
                self.schedule.at(at, Happening::Look(check));
            }
        }
    }

    /// A call takes its time.
    fn time_passes(&mut self, at_once: usize) {
        if self.time_stands_still {
            return;
        }
        let slow = self.faults.slow;
        let (least, most) = match self.choose(&[20, 5, slow]) {
            0 => (5, 80),
            1 => (80, 600),
            _ => (1_000, 4_000),
        };
        let milliseconds = self.between(least, most) / u64::try_from(at_once.max(1)).unwrap_or(1);
        self.now = self.now.plus(Duration::from_millis(milliseconds));
    }
}

impl<'c> State<'c> {
    pub(crate) fn new(choices: &'c mut dyn Choices, scene: Scene, faults: Faults, story: Story) -> Self {
        Self {
            choices,
            scene,
            now: beginning(),
            faults,
            story,
            schedule: Schedule::default(),
            ledger: crate::account::ledger::Table::default(),
            ops_center: crate::account::ops_center::OpsItems::default(),
            automation: crate::account::automation::Executions::default(),
            configuration: crate::account::configuration::Evaluations::default(),
            parameters: crate::account::parameters::Parameters::default(),
            calendars: crate::account::calendars::Calendar::default(),
            messages: crate::account::messages::Messages::default(),
            refusals: std::collections::BTreeSet::new(),
            violation: None,
            calls: 0,
            is_decided: false,
            time_stands_still: false,
            was_searched: false,
        }
    }
}
