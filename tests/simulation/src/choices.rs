//! Everything that could go one way or another is asked here, and nowhere else. So a run is the same when the
//! answers are: drawn from a seed, enumerated one after another, or said again.

use std::collections::HashSet;

/// Whoever decides what is left open.
pub trait Choices {
    /// One of the options, as an index. Each has a weight; one of weight 0 is none.
    fn choose(&mut self, weights: &[u32]) -> usize;

    /// A number from `least` to `most`.
    fn between(&mut self, least: u64, most: u64) -> u64;

    /// Whether to go on from this state. Not when all that can follow from it has been searched.
    fn goes_on(&mut self, state: &mut dyn FnMut() -> u64) -> bool;

    /// Whether [`goes_on`](Self::goes_on) looks at the state: what tells states apart is only kept then.
    fn tells_states_apart(&self) -> bool;
}

/// Choices that follow from a seed.
#[derive(Debug)]
pub struct Seeded(fastrand::Rng);

impl Seeded {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
}

impl Choices for Seeded {
    fn choose(&mut self, weights: &[u32]) -> usize {
        let mut drawn = self.0.u32(..weights.iter().sum::<u32>().max(1));
        for (index, weight) in weights.iter().enumerate() {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return index,
            }
        }
        0
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.u64(least..=most.max(least))
    }

    fn goes_on(&mut self, _: &mut dyn FnMut() -> u64) -> bool {
        true
    }

    fn tells_states_apart(&self) -> bool {
        false
    }
}

/// Every choice, one run after another: a depth-first search that leaves a state alone that it has been in.
#[derive(Debug, Default)]
pub struct Enumerated {
    /// What is chosen in this run, and how many options there were.
    path: Vec<(usize, usize)>,
    /// How many choices of this run have been made.
    made: usize,
    seen: HashSet<u64>,
}

impl Enumerated {
    /// Goes on to the next run. `false`: there is none.
    pub fn next_run(&mut self) -> bool {
        self.made = 0;
        while let Some((chosen, options)) = self.path.pop() {
            if chosen + 1 < options {
                self.path.push((chosen + 1, options));
                return true;
            }
        }
        false
    }

    /// What was chosen in this run.
    #[must_use]
    pub fn path(&self) -> Vec<usize> {
        self.path.iter().map(|(chosen, _)| *chosen).collect()
    }

    /// How many states there are, as far as they have been searched.
    #[must_use]
    pub fn states(&self) -> usize {
        self.seen.len()
    }
}

/// The options that are any, as indexes.
fn options(weights: &[u32]) -> Vec<usize> {
    weights.iter().enumerate().filter(|(_, weight)| **weight > 0).map(|(index, _)| index).collect()
}

impl Choices for Enumerated {
    fn choose(&mut self, weights: &[u32]) -> usize {
        let options = options(weights);
        if options.len() < 2 {
            return options.first().copied().unwrap_or(0);
        }
        if self.made == self.path.len() {
            self.path.push((0, options.len()));
        }
        let chosen = self.path.get(self.made).map_or(0, |(chosen, _)| *chosen);
        self.made += 1;
        options.get(chosen).copied().unwrap_or(0)
    }

    fn between(&mut self, least: u64, _: u64) -> u64 {
        least
    }

    fn goes_on(&mut self, state: &mut dyn FnMut() -> u64) -> bool {
        // On the way to where this run differs from the last one, every state has been seen.
        self.made < self.path.len() || self.seen.insert(state())
    }

    fn tells_states_apart(&self) -> bool {
        true
    }
}

/// The choices of one run of a search, said again.
#[derive(Debug)]
pub struct Replayed(std::vec::IntoIter<usize>);

impl Replayed {
    /// The choices of [`Enumerated::path`].
    #[must_use]
    pub fn new(path: Vec<usize>) -> Self {
        Self(path.into_iter())
    }
}

impl Choices for Replayed {
    fn choose(&mut self, weights: &[u32]) -> usize {
        let options = options(weights);
        let chosen = if options.len() < 2 { 0 } else { self.0.next().unwrap_or(0) };
        options.get(chosen).copied().unwrap_or(0)
    }

    fn between(&mut self, least: u64, _: u64) -> u64 {
        least
    }

    fn goes_on(&mut self, _: &mut dyn FnMut() -> u64) -> bool {
        true
    }

    fn tells_states_apart(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(choices: &mut dyn Choices) -> Vec<usize> {
        let first = choices.choose(&[1, 0, 1]);
        let more = if first == 2 { vec![choices.choose(&[5]), choices.choose(&[1, 1, 1])] } else { Vec::new() };
        std::iter::once(first).chain(more).collect()
    }

    #[test]
    fn every_run_is_enumerated_once_and_can_be_said_again() {
        let mut all = Enumerated::default();
        let mut runs = Vec::new();
        loop {
            runs.push(run(&mut all));
            assert_eq!(runs.last(), Some(&run(&mut Replayed::new(all.path()))));
            if !all.next_run() {
                break;
            }
        }
        assert_eq!(runs, [vec![0], vec![2, 0, 0], vec![2, 0, 1], vec![2, 0, 2]]);
    }

    #[test]
    fn a_seed_says_the_same_each_time() {
        let ten = |seed| {
            let mut choices = Seeded::new(seed);
            (0..10).map(|_| (choices.choose(&[1, 2, 0, 3]), choices.between(3, 9))).collect::<Vec<_>>()
        };
        assert_eq!(ten(7), ten(7));
        assert_ne!(ten(7), ten(8));
        assert!(ten(7).iter().all(|(chosen, number)| *chosen != 2 && (3..=9).contains(number)));
    }

    #[test]
    fn what_has_been_searched_is_left_alone() {
        let mut all = Enumerated::default();
        let mut entered = 0;
        loop {
            // Both ways lead to the same state, from which there are three.
            let _ = all.choose(&[1, 1]);
            if all.goes_on(&mut || 42) {
                entered += 1;
                let _ = all.choose(&[1, 1, 1]);
            }
            if !all.next_run() {
                break;
            }
        }
        assert_eq!((entered, all.states()), (3, 1));
    }
}
