//! What the approvers are told: everything that they need to decide.

use std::collections::BTreeMap;

use super::{Place, ops_item::cut, what_and_where};
use crate::incident::{Attempt, Incident};
use crate::policy::Route;
use crate::switches::{exemption_parameter, path};

/// Automation's limit for one value of a parameter, in characters.
const LONGEST: usize = 512;

/// A start of `Mend-ApproveAndRun`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// The attempt that is to be approved.
    pub attempt: Attempt,
    /// The key: Automation starts one request for it.
    pub client_token: String,
    /// Whether a closed change calendar is in the way of what is approved.
    pub minds_calendar: bool,
    /// Its texts, by the name of the parameter.
    pub texts: BTreeMap<&'static str, String>,
}

impl ApprovalRequest {
    /// The request for the attempt that waits for approval.
    #[must_use]
    pub fn of(incident: &Incident, attempt: &Attempt, route: &Route, place: &Place) -> Self {
        let causes: Vec<_> =
            incident.reporters().map(|(cause, record)| format!("{cause}, as of {}", record.at)).collect();
        let undo = route.undo.as_ref().map_or_else(
            || "Nothing undoes it.".to_owned(),
            |undo| format!("{undo}, with the id of the execution."),
        );
        let link = incident.ops_item.as_ref().map_or_else(|| "none".to_owned(), |id| place.ops_item_link(id));
        let resource = &incident.resource;
        let texts = [
            ("Incident", incident.id.to_string()),
            ("Attempt", attempt.number.to_string()),
            ("What", what_and_where(incident, route, place)),
            (
                "Where",
                format!("{} {} in {}, account {}", resource.kind, resource.id, resource.region, resource.account),
            ),
            ("Why", format!("Reported by {}", causes.join("; "))),
            ("Undo", undo),
            ("Link", link),
            ("PlanHash", attempt.plan.hash()),
            ("SwitchPath", path(place.environment)),
            ("Route", route.name.to_string()),
            ("ExemptionParameter", exemption_parameter(place.environment, &route.name, resource)),
        ];
        Self {
            attempt: attempt.clone(),
            client_token: incident.request_token(attempt.number),
            minds_calendar: !route.answers_emergency(incident.severity),
            texts: texts.into_iter().map(|(name, text)| (name, cut(text, LONGEST))).collect(),
        }
    }
}
