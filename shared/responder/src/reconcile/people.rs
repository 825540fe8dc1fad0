//! People: what they did with OpsItems without Mend's hearing of it.

use std::time::Duration;

use mend_core::incident::State;
use mend_core::time::Timestamp;

use super::{Run, Stop};
use crate::world::{News, OpsItemSeen, Position, Row, World};

/// How far one run looks back beyond the one before, for clocks that differ and lists that lag.
const OVERLAP: Duration = Duration::from_mins(10);
/// The first run looks back so far.
const FIRST_LOOK: Duration = Duration::from_hours(24);

impl<W: World> Run<'_, '_, W> {
    /// What people did with OpsItems since the last run.
    pub(super) async fn hear_people(&mut self, last: Option<Timestamp>) -> Result<(), Stop> {
        let now = self.responder.world.now();
        let since = last.map_or_else(|| now.minus(FIRST_LOOK), |last| last.minus(OVERLAP));
        for seen in self.responder.world.changed_since(since).await? {
            if self.time_is_over() {
                return Err(Stop::OutOfTime(Position::People));
            }
            let fingerprint = seen.incident.fingerprint.clone();
            let Some(row) = self.responder.world.read(&fingerprint).await? else { continue };
            let by_mend = seen.by.as_ref().is_some_and(|by| self.responder.stack.place.is_own_function(by));
            if contradicts(&seen, by_mend, &row) {
                self.done.people += 1;
                let answer = self.responder.person(seen.word()).await;
                self.carried(answer.map(Some));
            }
        }
        Ok(())
    }
}

/// Whether the OpsItem's status says something else than the incident at rest, and a person made it so. Lists lag
/// behind: what is older than the incident's own last step says nothing.
fn contradicts(seen: &OpsItemSeen, by_mend: bool, row: &Row) -> bool {
    let Some(incident) = row.incident.as_ref().filter(|_| row.settled()) else { return false };
    if incident.id != seen.incident || incident.ops_item.as_ref() != Some(&seen.id) {
        return false;
    }
    if row.knows(&News::Person(seen.clone().word())) {
        return false;
    }
    match incident.state {
        State::Resolved { at, .. } => !seen.is_resolved && !by_mend && seen.changed_at > at,
        // Mend resolves the OpsItem of no incident that is open, so whoever touched it since, a person did.
        State::Open
        | State::Observed(_)
        | State::Suppressed
        | State::Deferred
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated
        | State::Reopened => seen.is_resolved,
    }
}
