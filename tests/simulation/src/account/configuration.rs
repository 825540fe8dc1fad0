//! AWS Config: what its rules found when they looked last, and what is really so.

use std::collections::BTreeMap;

use mend_core::resource::Resource;
use mend_core::signal::Cause;
use mend_core::signal::{CauseState, ConfigRuleName, Freshness, Signal};
use mend_responder::CallError;
use mend_responder::world::{Complaints, Configuration, Evaluation, ToldAt};

use super::{Hands, State};
use crate::functions::Function;
use crate::scene::{Check, resource_of};

/// So many evaluations make a page.
const PAGE: usize = 3;

/// What the rules say, and the truth.
#[derive(Debug, Default)]
pub(crate) struct Evaluations {
    /// Which checks would complain if they looked.
    broken: BTreeMap<Check, bool>,
    said: BTreeMap<Check, ToldAt>,
    complains: BTreeMap<Check, bool>,
}

impl Evaluations {
    /// Whether the check would complain if it looked.
    pub(crate) fn is_broken(&self, check: Check) -> bool {
        self.broken.get(&check).copied().unwrap_or(false)
    }

    /// What has come of a resource.
    pub(crate) fn set_broken(&mut self, check: Check, broken: bool) {
        self.broken.insert(check, broken);
    }

    /// Whether Config says that the check complains, and since which look.
    pub(crate) fn complaint(&self, check: Check) -> Option<ToldAt> {
        self.complains.get(&check).copied().unwrap_or(false).then(|| self.said.get(&check).copied()).flatten()
    }
}

impl State<'_> {
    /// A rule looks at a resource. It sends an event if it sees something else than before.
    pub(crate) fn look(&mut self, check: Check) {
        let told_at = ToldAt { at: self.now, recorded_at: self.now };
        let is_broken = self.configuration.is_broken(check);
        self.configuration.said.insert(check, told_at);
        let before = self.configuration.complains.insert(check, is_broken);
        if before == Some(is_broken) || (before.is_none() && !is_broken) {
            return;
        }
        self.tell(|| format!("{check} {}", if is_broken { "complains" } else { "is content" }));
        let signal = self.signal(check, is_broken);
        self.emit(&Function::ConfigCompliance(signal));
    }

    /// What the check's event says, if it has just looked.
    pub(crate) fn signal(&self, check: Check, is_broken: bool) -> Signal {
        Signal {
            cause: Cause::ConfigRule(check.rule()),
            resource: resource_of(check.resource),
            state: if is_broken { CauseState::Violated } else { CauseState::Clear },
            at: self.now,
            recorded_at: self.now,
            freshness: Freshness::Live,
            changed_by: None,
        }
    }

    fn evaluation(&self, check: Check) -> Option<Evaluation> {
        let told_at = *self.configuration.said.get(&check)?;
        let resource = resource_of(check.resource);
        let complains = self.configuration.complains.get(&check).copied().unwrap_or(false);
        let state = if complains { CauseState::Violated } else { CauseState::Clear };
        Some(Evaluation { rule: check.rule(), kind: resource.kind, id: resource.id, state: Some(state), told_at })
    }

    fn complaining(&self) -> Vec<Evaluation> {
        let checks = self.configuration.complains.iter().filter(|(_, complains)| **complains);
        checks.filter_map(|(check, _)| self.evaluation(*check)).collect()
    }
}

impl Configuration for Hands<'_, '_> {
    async fn complaining_rules(&self) -> Result<Vec<ConfigRuleName>, CallError> {
        self.call("complaining rules", |state| {
            let mut rules: Vec<_> = state.complaining().into_iter().map(|evaluation| evaluation.rule).collect();
            rules.sort();
            rules.dedup();
            Ok(rules)
        })
        .await
    }

    async fn complaints(&self, rule: &ConfigRuleName, page: Option<String>) -> Result<Complaints, CallError> {
        self.call("complaints", |state| {
            let from: usize = page.as_ref().and_then(|page| page.parse().ok()).unwrap_or(0);
            let mut left = state.complaining().into_iter().filter(|one| one.rule == *rule).skip(from);
            let evaluations: Vec<_> = left.by_ref().take(PAGE).collect();
            let next = left.next().map(|_| (from + PAGE).to_string());
            Ok(Complaints { evaluations, next })
        })
        .await
    }

    async fn evaluations(&self, resource: &Resource) -> Result<Vec<Evaluation>, CallError> {
        self.call("evaluations", |state| {
            let checks = state.configuration.said.keys().copied();
            let of_it = checks.filter(|check| resource_of(check.resource) == *resource);
            Ok(of_it.filter_map(|check| state.evaluation(check)).collect())
        })
        .await
    }
}
