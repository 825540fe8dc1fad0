//! Parameter Store, and what the sandboxes of the functions remember of it for 20 seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::SwitchBoard;

use super::{Hands, State};
use crate::functions::Function;

/// A sandbox believes so long what it has read.
const REMEMBERED: Duration = Duration::from_secs(20);

/// What a sandbox has read, and when.
#[derive(Clone, Debug, Default)]
struct Memory {
    by_name: BTreeMap<String, (Timestamp, Option<String>)>,
    /// Everything below the path was read.
    all_at: Option<Timestamp>,
}

/// Every parameter with its whole history.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    history: BTreeMap<String, Vec<(Timestamp, Option<String>)>>,
    memories: BTreeMap<usize, Memory>,
}

impl Parameters {
    /// What it says now.
    pub(crate) fn value(&self, name: &str) -> Option<&String> {
        self.history.get(name)?.last()?.1.as_ref()
    }

    /// What it said then.
    pub(crate) fn value_at(&self, name: &str, time: Timestamp) -> Option<&String> {
        self.history.get(name)?.iter().rev().find(|(since, _)| *since <= time)?.1.as_ref()
    }

    /// Whether it was ever there.
    pub(crate) fn was_ever_set(&self, name: &str) -> bool {
        self.history.get(name).is_some_and(|history| history.iter().any(|(_, value)| value.is_some()))
    }

    /// Every change of any, in a stretch of time.
    pub(crate) fn changes(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
        let all = self.history.values().flatten().map(|(since, _)| *since);
        all.filter(move |since| *since > from && *since <= to)
    }

    /// The names of those that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        self.history.keys().filter(|name| self.value(name).is_some()).cloned().collect()
    }

    fn remember(&mut self, sandbox: usize, name: &str, now: Timestamp) -> Option<String> {
        let value = self.value(name).cloned();
        let memory = self.memories.entry(sandbox).or_default();
        memory.by_name.insert(name.to_owned(), (now, value.clone()));
        value
    }

    fn known(&self, sandbox: usize, names: &[&str], now: Timestamp) -> Option<BTreeMap<String, String>> {
        let memory = self.memories.get(&sandbox)?;
        let is_fresh = |at: Timestamp| now.since(at) < REMEMBERED;
        let mut known = BTreeMap::new();
        for name in names {
            match memory.by_name.get(*name) {
                Some((at, value)) if is_fresh(*at) => {
                    known.extend(value.clone().map(|value| ((*name).to_owned(), value)));
                }
                // Whatever was not there when all were read is known not to be there.
                Some(_) | None if memory.all_at.is_some_and(is_fresh) => {}
                Some(_) | None => return None,
            }
        }
        Some(known)
    }
}

impl State<'_> {
    /// Sets or deletes a parameter; Parameter Store's event makes `reconcile` run at once.
    pub(crate) fn set_parameter(&mut self, name: &str, value: Option<String>, who: &str) {
        self.tell(|| match &value {
            Some(value) => format!("{who} sets {name} to {value:?}"),
            None => format!("{who} deletes {name}"),
        });
        let now = self.now;
        self.parameters.history.entry(name.to_owned()).or_default().push((now, value));
        self.emit(&Function::Reconcile);
    }
}

impl SwitchBoard for Hands<'_, '_> {
    async fn parameters(&self, names: &[&str]) -> Result<BTreeMap<String, String>, CallError> {
        if let Some(known) = self.known_parameters(names) {
            return Ok(known);
        }
        self.call("read switches", |state| {
            let now = state.now;
            let mut read = BTreeMap::new();
            for name in names {
                if let Some(value) = state.parameters.remember(self.sandbox, name, now) {
                    read.insert((*name).to_owned(), value);
                }
            }
            Ok(read)
        })
        .await
    }

    fn known_parameters(&self, names: &[&str]) -> Option<BTreeMap<String, String>> {
        let state = self.account.state.borrow();
        state.parameters.known(self.sandbox, names, state.now)
    }

    async fn parameters_below(&self, path: &str) -> Result<BTreeMap<String, String>, CallError> {
        self.call("read all switches", |state| {
            let now = state.now;
            let mut below = BTreeMap::new();
            let names: Vec<_> =
                state.parameters.history.keys().filter(|name| name.starts_with(path)).cloned().collect();
            for name in names {
                if let Some(value) = state.parameters.remember(self.sandbox, &name, now) {
                    below.insert(name, value);
                }
            }
            state.parameters.memories.entry(self.sandbox).or_default().all_at = Some(now);
            Ok(below)
        })
        .await
    }

    async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, CallError> {
        self.call("create parameter", |state| {
            if state.parameters.value(name).is_some() {
                return Ok(false);
            }
            state.set_parameter(name, Some(value.to_owned()), "Mend");
            Ok(true)
        })
        .await
    }
}
