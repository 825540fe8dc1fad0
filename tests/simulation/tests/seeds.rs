//! Worlds by their seeds: many quickly, or one with its story.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mend_simulation::Story;
use mend_simulation::choices::Seeded;
use mend_simulation::simulation::{Ending, run};

/// So many worlds without being asked for more.
const QUICK: u64 = 10_000;
/// They are shared out among so many tests, which run side by side.
const PARTS: u64 = 4;

#[expect(
    clippy::disallowed_methods,
    reason = "a test is steered by its environment; Mend's settings are not concerned"
)]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number, and is {text:?}")))
}

/// The world of a seed. A panic in Mend is a broken rule, too.
fn world(seed: u64, story: Story) -> Result<Ending, String> {
    catch_unwind(AssertUnwindSafe(|| run(&mut Seeded::new(seed), story))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

fn broken(ending: &Result<Ending, String>) -> Option<String> {
    match ending {
        Ok(ending) => ending.violation.as_ref().map(|violation| violation.0.clone()),
        Err(panic) => Some(format!("it panics: {panic}")),
    }
}

/// Tells the whole story of a seed, and fails if a rule is broken in it.
#[expect(clippy::print_stdout, reason = "it is for the reader")]
fn tell(seed: u64) {
    let ending = world(seed, Story::new(true));
    if let Ok(ending) = &ending {
        println!("{}", ending.story);
    }
    if let Some(broken) = broken(&ending) {
        panic!(
            "seed {seed}: {broken}\n\nThe same again: MEND_SIMULATION_SEED={seed} cargo nextest run -p mend-simulation --no-capture"
        );
    }
}

#[expect(clippy::print_stdout, reason = "it is for the reader")]
fn part(part: u64) {
    if let Some(seed) = number("MEND_SIMULATION_SEED") {
        if seed % PARTS == part {
            tell(seed);
        }
        return;
    }
    let seeds = number("MEND_SIMULATION_SEEDS").unwrap_or(QUICK);
    let (mut worlds, mut calls, mut executions, mut incidents) = (0, 0, 0, 0);
    for seed in (0..seeds).filter(|seed| seed % PARTS == part) {
        let ending = world(seed, Story::new(false));
        if broken(&ending).is_some() {
            println!("after {worlds} worlds:");
            tell(seed);
            panic!(
                "seed {seed} breaks a rule, and not when its story is told: the run depends on more than the seed"
            );
        }
        if let Ok(ending) = ending {
            worlds += 1;
            calls += ending.calls;
            executions += ending.executions;
            incidents += ending.incidents;
        }
    }
    println!("{worlds} worlds, {incidents} incidents, {executions} executions, {calls} calls");
    // A simulation in which nothing happens proves nothing.
    assert!(worlds < 100 || (incidents > worlds && executions > worlds / 2));
}

#[test]
fn worlds_hold_first_part() {
    part(0);
}

#[test]
fn worlds_hold_second_part() {
    part(1);
}

#[test]
fn worlds_hold_third_part() {
    part(2);
}

#[test]
fn worlds_hold_fourth_part() {
    part(3);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let story = || world(seed, Story::new(true)).map(|ending| ending.story.to_string());
        assert_eq!(story(), story());
    }
}

#[test]
#[ignore = "lists every seed that breaks a rule, for whoever has many to look at"]
#[expect(clippy::print_stdout, reason = "it is for the reader")]
fn every_broken_rule_is_listed() {
    for seed in 0..number("MEND_SIMULATION_SEEDS").unwrap_or(QUICK) {
        if let Some(broken) = broken(&world(seed, Story::new(false))) {
            println!("seed {seed}: {broken}");
        }
    }
}
