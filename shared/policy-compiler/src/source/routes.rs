{
use std::time::Duration;

use mend_core::automation::{ParameterName, RoleFamily, RunbookName};
use mend_core::mode::Mode;
use mend_core::policy::{Budget, Category, Ceiling, Glob, ParameterSource, Problem, Route, RouteName, Severity, Takes, Title};
use mend_core::resource::ResourceType;

vec![
Route {
    name: RouteName::from_static("one"),
    problem: Problem::from_static("two"),
    title: Title::from_static("Three \"quoted\" \\ {braced}"),
    takes: Takes { config_rules: vec![Glob::from_static("*four*"), Glob::from_static("five")], resource_types: vec![ResourceType::from_static("AWS::Six::Seven"), ResourceType::from_static("AWS::Eight::Nine")] },
    rank: 10,
    severity: Severity::Low,
    category: Category::Recovery,
    runbook: RunbookName::from_static("Mend-Eleven"),
    undo: Some(RunbookName::from_static("Mend-Twelve")),
    role: RoleFamily::from_static("thirteen"),
    parameters: vec![(ParameterName::from_static("Id"), ParameterSource::ResourceId), (ParameterName::from_static("Account"), ParameterSource::Account), (ParameterName::from_static("Region"), ParameterSource::Region), (ParameterName::from_static("Text"), ParameterSource::Constant("14 \"\\\n$".to_owned()))],
    attempts: 5,
    ceiling: Ceiling { dev: Mode::Enforce, staging: Mode::Approve, prod: Mode::Off },
    budget: Budget { starts_per_hour: 20, running: 21 },
    expected_duration: Duration::new(1320, 0),
    is_emergency: true,
    is_exempt_by_tag: false,
    alarm: Some(mend_core::automation::AlarmName::from_static("Twenty \"three\"")),
}, Route {
    name: RouteName::from_static("fifteen"),
    problem: Problem::from_static("sixteen"),
    title: Title::from_static("Seventeen"),
    takes: Takes { config_rules: vec![Glob::from_static("*")], resource_types: vec![ResourceType::from_static("AWS::::Account")] },
    rank: 0,
    severity: Severity::Critical,
    category: Category::Security,
    runbook: RunbookName::from_static("Mend-Eighteen"),
    undo: None,
    role: RoleFamily::from_static("nineteen"),
    parameters: vec![],
    attempts: 1,
    ceiling: Ceiling { dev: Mode::Observe, staging: Mode::Observe, prod: Mode::Observe },
    budget: Budget { starts_per_hour: 24, running: 25 },
    expected_duration: Duration::new(60, 0),
    is_emergency: false,
    is_exempt_by_tag: true,
    alarm: None,
}
]}
