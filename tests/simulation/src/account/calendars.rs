//! Change calendars: closings that are planned, or come at once. And tags, which can exempt a resource.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::calendar::CalendarState;
use mend_core::exemption::ExemptionTags;
use mend_core::mode::Environment;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{Calendars, Tags};

use super::Hands;

/// A sandbox believes so long what it has read.
const REMEMBERED: Duration = Duration::from_secs(20);

/// A time without changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Since when it stands in the calendar.
    pub(crate) known_since: Timestamp,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// All closings, and the tags of resources with their history.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    pub(crate) closings: Vec<Closing>,
    /// By ARN.
    pub(crate) tags: BTreeMap<String, Vec<(Timestamp, ExemptionTags)>>,
    remembered: BTreeMap<usize, (Timestamp, CalendarState)>,
}

impl Calendar {
    /// What the calendar said then.
    pub(crate) fn state_at(&self, time: Timestamp) -> CalendarState {
        let known = || self.closings.iter().filter(|closing| closing.known_since <= time);
        let mut closed_until = None;
        while let Some(closing) = known().find(|closing| {
            let moment = closed_until.unwrap_or(time);
            closing.from <= moment && moment < closing.to
        }) {
            closed_until = Some(closing.to);
        }
        match closed_until {
            Some(_) => CalendarState::Closed { until: closed_until },
            None => CalendarState::Open {
                until: known().map(|closing| closing.from).filter(|from| *from > time).min(),
            },
        }
    }

    /// Every change of it, and of tags, in a stretch of time.
    pub(crate) fn changes(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
        let closings = self.closings.iter().flat_map(|closing| [closing.known_since, closing.from, closing.to]);
        let tags = self.tags.values().flatten().map(|(since, _)| *since);
        closings.chain(tags).filter(move |time| *time > from && *time <= to)
    }

    /// What the tags said then.
    pub(crate) fn tags_at(&self, arn: &str, time: Timestamp) -> ExemptionTags {
        let said = self.tags.get(arn).and_then(|history| history.iter().rev().find(|(since, _)| *since <= time));
        said.map(|(_, tags)| tags.clone()).unwrap_or_default()
    }
}

impl Calendars for Hands<'_, '_> {
    async fn calendar(&self) -> Result<Option<CalendarState>, CallError> {
        let remembered = {
            let state = self.account.state.borrow();
            let remembered = state.calendars.remembered.get(&self.sandbox);
            remembered.filter(|(at, _)| state.now.since(*at) < REMEMBERED).map(|(_, said)| *said)
        };
        if remembered.is_some() {
            return Ok(remembered);
        }
        self.call("calendar", |state| {
            if state.scene.environment == Environment::Prod && state.happens(state.faults.refused) {
                return Ok(Some(CalendarState::Unreadable));
            }
            let now = state.now;
            let said = state.calendars.state_at(now);
            state.calendars.remembered.insert(self.sandbox, (now, said));
            Ok(Some(said))
        })
        .await
    }
}

impl Tags for Hands<'_, '_> {
    async fn exemption_tags(&self, arn: &str) -> Result<ExemptionTags, CallError> {
        self.call("read tags", |state| Ok(state.calendars.tags_at(arn, state.now))).await
    }
}
