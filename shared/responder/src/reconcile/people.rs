//! People: what they did with OpsItems without Mend's hearing of it.

use std::time::Duration;

use mend_core::incident::{PersonsWord, Shown};
use mend_core::report::OpsItemStatus;
use mend_core::signal::CauseState;
use mend_core::time::{CLOCK_DIFFERENCE, Timestamp};

use super::{Run, Share};
use crate::world::{News, OpsItemSeen, Row, World};

/// How far one run looks back beyond the one before, for clocks that differ and lists that lag.
const OVERLAP: Duration = Duration::from_mins(10);
/// The first run looks back so far.
const FIRST_LOOK: Duration = Duration::from_hours(24);

impl<W: World> Run<'_, '_, W> {
    /// What people did with OpsItems since the last run. Comes back with the time until which it has heard.
    pub(super) async fn hear_people(&mut self, last: Option<Timestamp>) -> Option<Timestamp> {
        let since = last.map_or_else(|| self.began_at.minus(FIRST_LOOK), |last| last.minus(OVERLAP));
        let mut changed = match self.responder.world.changed_since(since).await {
            Ok(changed) => changed,
            Err(error) => {
                self.failed(&error);
                return last;
            }
        };
        changed.sort_by_key(|seen| seen.changed_at);
        let mut heard_at = self.began_at;
        for seen in changed {
            if self.time_is_over(Share::TwoThirds) {
                return Some(seen.changed_at.plus(OVERLAP));
            }
            let row = match self.responder.world.read(&seen.incident.fingerprint).await {
                Ok(row) => row,
                Err(error) => {
                    self.failed(&error);
                    // It is asked for again.
                    heard_at = heard_at.min(seen.changed_at);
                    continue;
                }
            };
            let by_mend = seen.by.as_ref().is_some_and(|by| self.responder.stack.place.is_own_function(by));
            if let Some(word) = row.and_then(|row| word(seen, by_mend, &row)) {
                self.done.people += 1;
                self.touched.insert(word.incident.fingerprint.clone());
                let answer = self.responder.person(word).await;
                self.carried(answer.map(Some));
            }
        }
        Some(heard_at)
    }
}

/// What a person has said, if the OpsItem shows something else than what Mend believes of it.
///
/// Mend edits an OpsItem without touching its status. So where Mend was the last to edit it, a person has set the
/// status at some time since Mend last knew it. Lists lag behind: what is older than that says nothing.
fn word(seen: OpsItemSeen, by_mend: bool, row: &Row) -> Option<PersonsWord> {
    let incident = row.incident.as_ref().filter(|_| row.settled())?;
    let Shown { status, at: known_at } = incident.ops_item_shows?;
    if incident.id != seen.incident || incident.ops_item.as_ref() != Some(&seen.id) {
        return None;
    }
    if seen.is_resolved == (status == OpsItemStatus::Resolved)
        || seen.changed_at <= known_at.plus(CLOCK_DIFFERENCE)
    {
        return None;
    }
    let (state, at) = match (seen.is_resolved, by_mend) {
        // As early as possible, so that nothing is settled that was seen after it.
        (true, true) => (CauseState::Clear, known_at.plus(Duration::from_millis(1))),
        (true, false) => (CauseState::Clear, seen.changed_at),
        (false, true | false) => (CauseState::Violated, seen.changed_at),
    };
    let by = seen.by.filter(|_| !by_mend);
    let word = PersonsWord { incident: seen.incident, ops_item: seen.id, state, by, at };
    (!row.knows(&News::Person(word.clone()))).then_some(word)
}
