//! Which signals are answered, by which runbook, how far.
//!
//! Routes are written in `policy/*.yaml`. They are read and checked when Mend is built, and compiled in:
//! at run time there is nothing to parse and nothing to get wrong.

mod glob;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

pub use glob::Glob;

use crate::account::{AccountId, Region};
use crate::automation::{AlarmName, ParameterName, RoleFamily, RunbookName};
use crate::mode::{Environment, Mode, NotOneOf};
use crate::resource::{Resource, ResourceType};
use crate::signal::{Cause, ConfigRuleName, Signal};
use crate::text::{is_kebab_case, is_printable, text_type};

text_type! {
    /// The name of a route: `close-admin-ports`. Operators write it in switches.
    RouteName, "a route's name", "at most 64 lower-case letters and digits, joined by hyphens, and not all", is_route_name
}

text_type! {
    /// What is wrong, as a stable key: `open-admin-ports`. It is part of every fingerprint, so it outlives the route's name.
    Problem, "a problem", "at most 64 lower-case letters and digits, joined by hyphens", is_problem
}

/// `all` stands for every route where a name of one may stand.
const fn is_route_name(text: &[u8]) -> bool {
    is_kebab_case(text, 64) && !matches!(text, b"all")
}

const fn is_problem(text: &[u8]) -> bool {
    is_kebab_case(text, 64)
}

text_type! {
    /// What is wrong, in words: the title of OpsItems and notifications.
    Title, "a title", "1 to 60 printable ASCII characters", is_title
}

const fn is_title(text: &[u8]) -> bool {
    is_printable(text, 60)
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Look when there is time.
    Low,
    /// Look today.
    Medium,
    /// Look now.
    High,
    /// Drop everything.
    Critical,
}

impl Severity {
    /// One step worse.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// OpsCenter's number for it: `1` is critical.
    #[must_use]
    pub const fn ops_center(self) -> &'static str {
        match self {
            Self::Critical => "1",
            Self::High => "2",
            Self::Medium => "3",
            Self::Low => "4",
        }
    }
}

impl FromStr for Severity {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            "critical" => Ok(Self::Critical),
            _ => Err(NotOneOf::new("low, medium, high, critical")),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// OpsCenter's category of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// `Availability`
    Availability,
    /// `Cost`
    Cost,
    /// `Performance`
    Performance,
    /// `Recovery`
    Recovery,
    /// `Security`
    Security,
}

impl FromStr for Category {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "Availability" => Ok(Self::Availability),
            "Cost" => Ok(Self::Cost),
            "Performance" => Ok(Self::Performance),
            "Recovery" => Ok(Self::Recovery),
            "Security" => Ok(Self::Security),
            _ => Err(NotOneOf::new("Availability, Cost, Performance, Recovery, Security")),
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a runbook's parameter gets. Event text can fill a value; it can never choose the document or the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSource {
    /// `${resource.id}`
    ResourceId,
    /// `${resource.account}`
    Account,
    /// `${resource.region}`
    Region,
    /// The same text each time.
    Constant(String),
}

impl ParameterSource {
    /// The value for a resource.
    #[must_use]
    pub fn value(&self, resource: &Resource) -> String {
        let (account, region): (&AccountId, &Region) = (&resource.account, &resource.region);
        match self {
            Self::ResourceId => resource.id.as_str().to_owned(),
            Self::Account => account.as_str().to_owned(),
            Self::Region => region.as_str().to_owned(),
            Self::Constant(text) => text.clone(),
        }
    }
}

/// The signals that a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takes {
    /// From Config rules with a name like one of these.
    pub config_rules: Vec<Glob>,
    /// About resources of one of these types.
    pub resource_types: Vec<ResourceType>,
}

/// The highest mode that the policy allows, by environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// In development.
    pub dev: Mode,
    /// In staging.
    pub staging: Mode,
    /// In production.
    pub prod: Mode,
}

impl Ceiling {
    /// The highest mode in one environment.
    #[must_use]
    pub const fn of(self, environment: Environment) -> Mode {
        match environment {
            Environment::Dev => self.dev,
            Environment::Staging => self.staging,
            Environment::Prod => self.prod,
        }
    }
}

/// How much of a route's work may happen at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many executions are started in an hour of the clock, at most.
    pub starts_per_hour: u16,
    /// So many attempts are under way at once, at most.
    pub running: u16,
}

/// One entry of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What operators call it.
    pub name: RouteName,
    /// What is wrong, as a key.
    pub problem: Problem,
    /// What is wrong, in words.
    pub title: Title,
    /// Which signals it takes.
    pub takes: Takes,
    /// Where two routes take the same signal, the higher rank has it.
    pub rank: u8,
    /// How bad the problem is.
    pub severity: Severity,
    /// What kind of problem it is.
    pub category: Category,
    /// The runbook that answers.
    pub runbook: RunbookName,
    /// The runbook that undoes the answer.
    pub undo: Option<RunbookName>,
    /// Whose role the runbook gets.
    pub role: RoleFamily,
    /// The runbook's own parameters.
    pub parameters: Vec<(ParameterName, ParameterSource)>,
    /// How often the runbook is started before a person is asked.
    pub attempts: u8,
    /// How far the route may go.
    pub ceiling: Ceiling,
    /// How much of it may happen at a time.
    pub budget: Budget,
    /// How long a repair takes, at the longest: a change calendar has to stay open for so long.
    pub expected_duration: Duration,
    /// Whether a critical incident is answered while the change calendar is closed.
    pub is_emergency: bool,
    /// Whether the tags of a resource may exempt it: whoever may tag could switch Mend off for it.
    pub is_exempt_by_tag: bool,
    /// The alarm that stops the route's executions and opens its circuit breaker.
    pub alarm: Option<AlarmName>,
}

impl Route {
    /// Whether a problem so bad is answered while the change calendar is closed.
    #[must_use]
    pub fn answers_emergency(&self, severity: Severity) -> bool {
        self.is_emergency && severity == Severity::Critical
    }

    fn takes_rule(&self, rule: &ConfigRuleName) -> bool {
        self.takes.config_rules.iter().any(|glob| glob.matches(rule.as_str()))
    }
}

/// All routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// By falling rank.
    routes: Vec<Route>,
}

/// Where a signal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing<'policy> {
    /// This route takes it.
    To(&'policy Route),
    /// A route knows the cause, but takes no resources of this type.
    OtherResourceType(&'policy Route),
    /// No route knows the cause.
    Nowhere,
}

impl Policy {
    /// A policy of these routes. That no two of equal rank take the same signal is checked where routes are read.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.rank));
        Self { routes }
    }

    /// The route of an incident: of those for its problem the one with that name, or, when it has been renamed
    /// since, the first.
    #[must_use]
    pub fn route(&self, name: &RouteName, problem: &Problem) -> Option<&Route> {
        let mut answers = self.routes.iter().filter(|route| route.problem == *problem);
        answers.clone().find(|route| route.name == *name).or_else(|| answers.next())
    }

    /// All routes, by falling rank.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The routes whose alarm this is.
    pub fn watched_by<'p>(&'p self, alarm: &AlarmName) -> impl Iterator<Item = &'p Route> {
        self.routes.iter().filter(move |route| route.alarm.as_ref() == Some(alarm))
    }

    /// Whether any route takes what the rule says.
    #[must_use]
    pub fn knows(&self, rule: &ConfigRuleName) -> bool {
        self.routes.iter().any(|route| route.takes_rule(rule))
    }

    /// Where a signal goes.
    #[must_use]
    pub fn routing(&self, signal: &Signal) -> Routing<'_> {
        let rule = match &signal.cause {
            Cause::ConfigRule(rule) => rule,
            // A person speaks of an incident that is there.
            Cause::Person => return Routing::Nowhere,
        };
        let mut knows_cause = None;
        for route in &self.routes {
            if !route.takes_rule(rule) {
                continue;
            }
            if route.takes.resource_types.contains(&signal.resource.kind) {
                return Routing::To(route);
            }
            knows_cause.get_or_insert(route);
        }
        knows_cause.map_or(Routing::Nowhere, Routing::OtherResourceType)
    }
}
