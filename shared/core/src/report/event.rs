//! The event on Mend's own bus, for aggregators, tickets and chat.

use serde_json::Value;

use super::{Place, notification::details};
use crate::incident::{Change, Incident, Occasion};
use crate::policy::Route;

/// An event on Mend's bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendEvent {
    /// What it tells of.
    pub change: Change,
    /// `Mend Incident <Change>`.
    pub detail_type: String,
    /// The ARN of the resource, where it is known.
    pub resources: Vec<String>,
    /// What changed.
    pub detail: Value,
}

impl MendEvent {
    /// The source of all of Mend's events.
    pub const SOURCE: &'static str = "mend";

    /// Tells of a change of the incident. A repetition carries the same `detail.id`.
    #[must_use]
    pub fn of(incident: &Incident, occasion: Occasion, route: &Route, place: &Place) -> Self {
        Self {
            change: occasion.change,
            detail_type: format!("Mend Incident {}", occasion.change),
            resources: place.arn(&incident.resource).into_iter().collect(),
            detail: details(incident, occasion, route, place),
        }
    }
}
