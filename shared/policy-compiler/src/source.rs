//! Routes as Rust source, for `include!`.

use std::fmt::Write;

use mend_core::policy::{ParameterSource, Route};

/// An expression of type `Vec<Route>`.
#[must_use]
pub fn source(routes: &[Route]) -> String {
    let mut source = String::from("vec![\n");
    for route in routes {
        // Writing to a string does not fail.
        let _ = writeln!(source, "{},", one(route));
    }
    source.push(']');
    source
}

fn one(route: &Route) -> String {
    let list = |type_name: &str, texts: &mut dyn Iterator<Item = &str>| -> String {
        texts.map(|text| format!("{type_name}::from_static({text:?}), ")).collect()
    };
    let undo =
        route.undo.as_ref().map(|undo| format!("mend_core::automation::RunbookName::from_static({undo:?})"));
    let parameters: String = route
        .parameters
        .iter()
        .map(|(name, source)| {
            format!(
                "(mend_core::automation::ParameterName::from_static({name:?}), {}), ",
                parameter_source(source)
            )
        })
        .collect();
    format!(
        "mend_core::policy::Route {{
    name: mend_core::policy::RouteName::from_static({:?}),
    problem: mend_core::policy::Problem::from_static({:?}),
    title: mend_core::policy::Title::from_static({:?}),
    takes: mend_core::policy::Takes {{ config_rules: vec![{}], resource_types: vec![{}] }},
    rank: {},
    severity: mend_core::policy::Severity::{:?},
    category: mend_core::policy::Category::{:?},
    runbook: mend_core::automation::RunbookName::from_static({:?}),
    undo: {},
    role: mend_core::automation::RoleFamily::from_static({:?}),
    parameters: vec![{parameters}],
    attempts: {},
    ceiling: mend_core::policy::Ceiling {{
        dev: mend_core::mode::Mode::{:?},
        staging: mend_core::mode::Mode::{:?},
        prod: mend_core::mode::Mode::{:?},
    }},
}}",
        route.name,
        route.problem,
        route.title,
        list("mend_core::policy::Glob", &mut route.takes.config_rules.iter().map(|glob| glob.as_str())),
        list(
            "mend_core::resource::ResourceType",
            &mut route.takes.resource_types.iter().map(|kind| kind.as_str())
        ),
        route.rank,
        route.severity,
        route.category,
        route.runbook,
        undo.map_or_else(|| "None".to_owned(), |undo| format!("Some({undo})")),
        route.role,
        route.attempts,
        route.ceiling.dev,
        route.ceiling.staging,
        route.ceiling.prod,
    )
}

fn parameter_source(source: &ParameterSource) -> String {
    match source {
        ParameterSource::ResourceId => "mend_core::policy::ParameterSource::ResourceId".to_owned(),
        ParameterSource::Account => "mend_core::policy::ParameterSource::Account".to_owned(),
        ParameterSource::Region => "mend_core::policy::ParameterSource::Region".to_owned(),
        ParameterSource::Constant(text) => {
            format!("mend_core::policy::ParameterSource::Constant({text:?}.to_owned())")
        }
    }
}
