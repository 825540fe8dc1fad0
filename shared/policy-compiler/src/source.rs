//! Routes as Rust source, for `include!`.

use mend_core::automation::{AlarmName, RunbookName};
use mend_core::policy::{Budget, Ceiling, ParameterSource, Route, Takes};

/// An expression of type `Vec<Route>`.
#[must_use]
pub fn source(routes: &[Route]) -> String {
    format!("{{\n{IMPORTS}\nvec![\n{}\n]}}", joined(routes.iter().map(one)))
}

const IMPORTS: &str = "use std::time::Duration;

use mend_core::automation::{ParameterName, RoleFamily, RunbookName};
use mend_core::mode::Mode;
use mend_core::policy::{Budget, Category, Ceiling, Glob, ParameterSource, Problem, Route, RouteName, Severity, Takes, Title};
use mend_core::resource::ResourceType;
";

fn one(route: &Route) -> String {
    let undo = optional("RunbookName", route.undo.as_ref().map(RunbookName::as_str));
    // Not imported: perhaps no route has any.
    let alarm = optional("mend_core::automation::AlarmName", route.alarm.as_ref().map(AlarmName::as_str));
    let parameters = route
        .parameters
        .iter()
        .map(|(name, source)| format!("({}, {})", text("ParameterName", name.as_str()), parameter_source(source)));
    let Takes { config_rules, resource_types } = &route.takes;
    let Ceiling { dev, staging, prod } = route.ceiling;
    let Budget { starts_per_hour, running } = route.budget;
    format!(
        "Route {{
    name: {},
    problem: {},
    title: {},
    takes: Takes {{ config_rules: vec![{}], resource_types: vec![{}] }},
    rank: {},
    severity: Severity::{:?},
    category: Category::{:?},
    runbook: {},
    undo: {undo},
    role: {},
    parameters: vec![{}],
    attempts: {},
    ceiling: Ceiling {{ dev: Mode::{dev:?}, staging: Mode::{staging:?}, prod: Mode::{prod:?} }},
    budget: Budget {{ starts_per_hour: {starts_per_hour}, running: {running} }},
    expected_duration: Duration::new({}, 0),
    is_emergency: {},
    is_exempt_by_tag: {},
    alarm: {alarm},
}}",
        text("RouteName", route.name.as_str()),
        text("Problem", route.problem.as_str()),
        text("Title", route.title.as_str()),
        joined(config_rules.iter().map(|glob| text("Glob", glob.as_str()))),
        joined(resource_types.iter().map(|kind| text("ResourceType", kind.as_str()))),
        route.rank,
        route.severity,
        route.category,
        text("RunbookName", route.runbook.as_str()),
        text("RoleFamily", route.role.as_str()),
        joined(parameters),
        route.attempts,
        route.expected_duration.as_secs(),
        route.is_emergency,
        route.is_exempt_by_tag,
    )
}

/// The rule of each type is checked once more, when this is compiled.
fn text(type_name: &str, text: &str) -> String {
    format!("{type_name}::from_static({text:?})")
}

fn optional(type_name: &str, optional: Option<&str>) -> String {
    optional.map_or_else(|| "None".to_owned(), |optional| format!("Some({})", text(type_name, optional)))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn parameter_source(source: &ParameterSource) -> String {
    match source {
        ParameterSource::ResourceId => "ParameterSource::ResourceId".to_owned(),
        ParameterSource::Account => "ParameterSource::Account".to_owned(),
        ParameterSource::Region => "ParameterSource::Region".to_owned(),
        ParameterSource::Constant(text) => format!("ParameterSource::Constant({text:?}.to_owned())"),
    }
}

#[cfg(test)]
mod tests;
