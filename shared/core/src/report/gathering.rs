//! The OpsItem of a gathering, and its digest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::ops_item::cut;
use super::{Notification, OperationalValue, OpsItemContent, OpsItemStatus, Place};
use crate::automation::OpsItemId;
use crate::gathering::{GatheringId, GatheringKind, Member, RESTING};
use crate::policy::Route;
use crate::time::Timestamp;

/// A gathering, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Which.
    pub id: GatheringId,
    /// When its first incident came.
    pub opened_at: Timestamp,
    /// Its OpsItem.
    pub ops_item: Option<OpsItemId>,
    /// When people were told about it last.
    pub told_at: Option<Timestamp>,
    /// How its OpsItem says that it stands.
    pub stands: String,
    /// Whether it is over: its day is, and all of its incidents are.
    pub is_over: bool,
}

/// So many resources are listed in the OpsItem.
const LISTED: usize = 100;

/// Who is in a gathering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// How many of its incidents stand where, by the word for it.
    pub states: BTreeMap<String, usize>,
    /// The first of those that are not over; what a person has to look at comes first.
    pub listed: Vec<Member>,
}

impl Roll {
    /// Takes in one incident.
    pub fn add(&mut self, member: Member) {
        *self.states.entry(member.state.clone()).or_default() += 1;
        if member.rests() {
            return;
        }
        let escalated = self.listed.iter().filter(|listed| listed.state == ESCALATED).count();
        if member.state == ESCALATED {
            self.listed.insert(escalated, member);
            self.listed.truncate(LISTED);
        } else if self.listed.len() < LISTED {
            self.listed.push(member);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> usize {
        self.states.values().sum()
    }

    /// How many may need anything.
    #[must_use]
    pub fn open(&self) -> usize {
        self.all() - RESTING.iter().filter_map(|state| self.states.get(*state)).sum::<usize>()
    }

    /// `12 open: 10 observed, 2 escalated, 3 resolved`
    #[must_use]
    pub fn sentence(&self) -> String {
        let states: Vec<_> = self.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("{} open: {}", self.open(), states.join(", "))
    }
}

const ESCALATED: &str = "escalated";

impl Gathering {
    /// OpsCenter makes one OpsItem for it, while that is not resolved.
    #[must_use]
    pub fn dedup_string(&self) -> String {
        format!("mend/gathering/{}/{}", self.id, self.opened_at.milliseconds())
    }

    /// Its OpsItem.
    #[must_use]
    pub fn content(&self, roll: &Roll, route: &Route, place: &Place, table: &str) -> OpsItemContent {
        let mut list = String::new();
        for member in &roll.listed {
            // Writing to a string does not fail.
            let _ = writeln!(
                list,
                "{} {}: {}, incident {}",
                member.resource.kind, member.resource.id, member.state, member.incident
            );
        }
        if list.is_empty() {
            // OpsCenter refuses an empty value.
            list.push_str("None is open.\n");
        }
        let query = self.query(table);
        let description = format!(
            "{}\n\n{}.\n\nThe first {LISTED} that are open are in the operational data under `mend/resources`. All of them:\n\n\
             `{query}`\n\n**What Mend does:** {}\n\n**What you need to do:** {}",
            self.what(route, place),
            roll.sentence(),
            self.what_mend_does(),
            self.what_you_need_to_do(roll),
        );
        let searchable = OperationalValue::Searchable;
        if list.is_empty() {
            // OpsCenter takes no empty value.
            list.push_str("none");
        }
        OpsItemContent {
            title: format!("{}: {}", route.title, self.title()),
            description: cut(description, 2_048),
            severity: route.severity,
            category: route.category,
            status: if self.is_over { OpsItemStatus::Resolved } else { OpsItemStatus::Open },
            operational_data: BTreeMap::from([
                ("/aws/dedup".to_owned(), searchable(json!({"dedupString": self.dedup_string()}).to_string())),
                ("mend/gathering".to_owned(), searchable(self.id.to_string())),
                ("mend/route".to_owned(), searchable(route.name.to_string())),
                ("mend/problem".to_owned(), searchable(route.problem.to_string())),
                ("mend/count".to_owned(), searchable(roll.sentence())),
                ("mend/query".to_owned(), OperationalValue::Plain(query)),
                ("mend/resources".to_owned(), OperationalValue::Plain(cut(list, 20_000))),
            ]),
        }
    }

    /// The message that it has begun, or how it stands.
    #[must_use]
    pub fn notification(&self, roll: Option<&Roll>, route: &Route, place: &Place, now: Timestamp) -> Notification {
        let (what, stands, to_do) = match roll {
            None => ("began", String::new(), self.what_you_need_to_do(&Roll::default())),
            Some(roll) => {
                ("today", format!("How it stands: {}.\n", roll.sentence()), self.what_you_need_to_do(roll))
            }
        };
        let link = self
            .ops_item
            .as_ref()
            .map_or_else(String::new, |id| format!("\nOpsItem:   {}\n", place.ops_item_link(id)));
        let text = format!(
            "{}\n\n{stands}What Mend does: {}\nWhat you need to do: {to_do}\n{link}Gathering: {}\n",
            self.what(route, place),
            self.what_mend_does(),
            self.id,
        );
        let subject = match roll {
            None => format!("{}: {}", self.title(), route.title),
            Some(roll) => format!("{}, {} open: {}", self.title(), roll.open(), route.title),
        };
        let json = json!({
            "id": format!("gathering/{}/{what}/{}", self.id, crate::gathering::Day::of(now)),
            "gathering": self.id.to_string(),
            "route": route.name,
            "states": roll.map(|roll| &roll.states),
            "opsItem": self.ops_item,
        });
        let severity = route.severity.to_string();
        Notification::about_mend(place, &subject, text, json, &severity, route.name.as_str(), "Gathering")
    }

    /// The command that lists all of its incidents.
    fn query(&self, table: &str) -> String {
        format!(
            "aws dynamodb query --table-name {table} --key-condition-expression 'pk = :g' \
             --expression-attribute-values '{{\":g\":{{\"S\":\"gathering#{}\"}}}}'",
            self.id
        )
    }

    const fn title(&self) -> &'static str {
        match self.id.kind {
            GatheringKind::Observed => "Many observed",
            GatheringKind::Storm => "A storm",
        }
    }

    fn what(&self, route: &Route, place: &Place) -> String {
        let (title, account, region, environment) =
            (&route.title, &place.account, &place.region, place.environment);
        let why = match self.id.kind {
            GatheringKind::Observed => "many resources, which are only observed",
            GatheringKind::Storm => "more resources in an hour than get an OpsItem each",
        };
        format!("{title}: {why}, in {region}, account {account} ({environment}), since {}.", self.opened_at)
    }

    const fn what_mend_does(&self) -> &'static str {
        match self.id.kind {
            GatheringKind::Observed => {
                "It records each of them with the plan, and changes nothing. This OpsItem stands for all; a digest follows daily."
            }
            GatheringKind::Storm => {
                "It answers each of them by itself, within the route's budget. This OpsItem stands for all; a digest follows daily."
            }
        }
    }

    fn what_you_need_to_do(&self, roll: &Roll) -> String {
        match (self.id.kind, roll.states.get(ESCALATED)) {
            (_, Some(count)) => format!("Look at the {count} that Mend could not repair. They are listed first."),
            (GatheringKind::Observed, None) => {
                "Repair them by hand, or let Mend do it: set the route's mode switch to enforce.".to_owned()
            }
            (GatheringKind::Storm, None) => "Find out what breaks so many at once.".to_owned(),
        }
    }
}
