//! What was deferred: it goes on, the oldest first, as far as the budgets allow.

use std::collections::BTreeMap;

use mend_core::budget::Spent;
use mend_core::decision::Reason;
use mend_core::guard::Refusal;
use mend_core::identity::Fingerprint;
use mend_core::incident::{Incident, State};
use mend_core::policy::RouteName;

use super::{Open, Run, Share};
use crate::respond::route_of;
use crate::world::World;

/// The budgets that were found spent in this run: nobody has to ask the ledger again.
#[derive(Default)]
struct SpentBudgets {
    of_routes: BTreeMap<RouteName, Spent>,
    of_all: Option<Spent>,
}

impl SpentBudgets {
    fn of(&self, route: &RouteName) -> Option<Refusal> {
        self.of_all.or_else(|| self.of_routes.get(route).copied()).map(Refusal::Spent)
    }

    fn learn(&mut self, route: &RouteName, reasons: &[Reason]) {
        for reason in reasons {
            if let Reason::BudgetSpent(spent) = reason {
                match spent {
                    Spent::StartsThisHour(_) | Spent::Running(_) => {
                        self.of_routes.insert(route.clone(), *spent);
                    }
                    Spent::RunningInAll(_) | Spent::Pace(_) => self.of_all = Some(*spent),
                }
            }
        }
    }
}

impl<W: World> Run<'_, '_, W> {
    /// Decides again about all that was deferred.
    pub(super) async fn release_deferred(&mut self, open: &Open) {
        let mut deferred: Vec<(&Fingerprint, &Incident)> = open
            .rows
            .iter()
            .filter(|(_, row)| row.settled())
            .filter_map(|(fingerprint, row)| Some((fingerprint, row.incident.as_ref()?)))
            .filter(|(_, incident)| matches!(incident.state, State::Deferred { .. }))
            .collect();
        deferred.sort_by_key(|(_, incident)| incident.opened_at);
        let mut spent = SpentBudgets::default();
        for (fingerprint, incident) in deferred {
            if self.time_is_over(Share::Half) {
                self.done.complete = false;
                return;
            }
            let Some(route) = route_of(incident, self.responder.policy) else { continue };
            let now = self.responder.world.now();
            // Which of the budgets it is does not matter to whoever waits, until it is due.
            let waits_on = matches!(incident.state, State::Deferred { by_budget: true, until } if until > now);
            if self.touched.contains(fingerprint) || waits_on && spent.of(&route.name).is_some() {
                continue;
            }
            let answer = match self.would_change(incident, spent.of(&route.name)).await {
                Ok(false) => continue,
                Ok(true) => self.resume(fingerprint).await,
                Err(error) => Err(error),
            };
            if let Ok(Some(answer)) = &answer {
                spent.learn(&route.name, &answer.reasons);
            }
            self.carried(answer);
        }
    }
}
