//! From YAML to routes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mend_core::automation::{AlarmName, ParameterName, RoleFamily, RunbookName};
use mend_core::policy::{
    Budget, Ceiling, Glob, ParameterSource, Problem, Route, RouteName, Severity, Takes, Title,
};
use mend_core::resource::ResourceType;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::PolicyError;
use crate::runbook::{Runbook, Runbooks, accepts, restore_of, restores};
use crate::yaml::{Mistake, parse};

/// A route as it is written. An unknown field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// What operators call it.
    name: Spanned<String>,
    /// What is wrong, as a key that outlives the route's name.
    problem: Spanned<String>,
    /// What is wrong, in words.
    title: Spanned<String>,
    takes: WrittenTakes,
    /// Where two routes take the same signal, the higher rank has it. Default 0.
    #[serde(default)]
    rank: u8,
    severity: Spanned<String>,
    category: Spanned<String>,
    runbook: Spanned<String>,
    /// The runbook that undoes the answer, if there is one.
    undo: Option<Spanned<String>>,
    /// The family whose automation role the runbook gets.
    role: Spanned<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Spanned<String>>,
    /// How often the runbook is started before a person is asked, 1 to 5.
    attempts: Spanned<String>,
    modes: WrittenModes,
    budget: WrittenBudget,
    /// How long a repair takes, at the longest, 1 to 720.
    expected_minutes: Spanned<String>,
    /// Whether a critical incident is answered while a change calendar is closed. Default false.
    #[serde(default)]
    emergency: bool,
    /// Whether a resource's tags may exempt it. Default false.
    #[serde(default)]
    exempt_by_tag: bool,
    /// The `CloudWatch` alarm that stops the route's executions, and the route.
    alarm: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenTakes {
    config_rules: Spanned<Vec<Spanned<String>>>,
    resource_types: Spanned<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModes {
    dev: Spanned<String>,
    staging: Spanned<String>,
    prod: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenBudget {
    /// 1 to 1000.
    starts_per_hour: Spanned<String>,
    /// 1 to 100: as many executions AWS lets run in an account and Region.
    running: Spanned<String>,
}

/// A route, and where it is written.
struct Placed {
    file: PathBuf,
    line: u64,
    route: Route,
}

pub(crate) fn read(policy: &Path, runbooks: &Path) -> Result<Vec<Route>, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let mut placed: Vec<Placed> = Vec::new();
    let named = |path: &Path| named(path, policy);
    let runbooks = Runbooks::read(runbooks, |path| self::named(path, runbooks), &mut errors);
    let files = files(policy).unwrap_or_else(|error| {
        Checker { file: &named(policy), errors: &mut errors }
            .wrong(None, format!("the folder cannot be read: {error}"));
        Vec::new()
    });
    for path in files {
        let file = named(&path);
        let mut checker = Checker { file: &file, errors: &mut errors };
        match written(&path) {
            Err(Mistake { line, problem }) => checker.wrong(line, problem),
            Ok(routes) => {
                for written in routes {
                    if let Some(route) = checker.route(&written, &runbooks) {
                        checker.against_others(&written, &route, &placed);
                        placed.push(Placed { file: file.clone(), line: line(&written.name), route });
                    }
                }
            }
        }
    }
    if placed.is_empty() && errors.is_empty() {
        let problem = "the folder holds no route, and an empty policy would answer nothing";
        Checker { file: &named(policy), errors: &mut errors }.wrong(None, problem);
    }
    if errors.is_empty() { Ok(placed.into_iter().map(|placed| placed.route).collect()) } else { Err(errors) }
}

/// A path as a person names it: from the folder above, in most cases the repository.
fn named(path: &Path, folder: &Path) -> PathBuf {
    folder.parent().and_then(|above| path.strip_prefix(above).ok()).unwrap_or(path).to_owned()
}

/// The policy's files, in the order of their names.
fn files(policy: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(policy)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    paths.sort();
    Ok(paths)
}

/// A file's routes, as they are written.
fn written(path: &Path) -> Result<Vec<Written>, Mistake> {
    if path.extension().is_some_and(|ending| ending == "yml") {
        return Err(Mistake { line: None, problem: "the file's name must end in .yaml".to_owned() });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistake { line: None, problem: format!("the file cannot be read: {error}") })?;
    parse(&text)
}

fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

struct Checker<'a> {
    file: &'a Path,
    errors: &'a mut Vec<PolicyError>,
}

impl Checker<'_> {
    fn wrong(&mut self, line: impl Into<Option<u64>>, problem: impl Into<String>) {
        self.errors.push(PolicyError { file: self.file.to_owned(), line: line.into(), problem: problem.into() });
    }

    /// The field's value; or a note of what is wrong with it.
    fn field<T, E: Display>(
        &mut self,
        name: &str,
        written: &Spanned<String>,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        check(&written.value).map_err(|error| self.wrong(line(written), format!("{name}: {error}"))).ok()
    }

    fn fields<T, E: Display>(
        &mut self,
        name: &str,
        written: &Spanned<Vec<Spanned<String>>>,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        if written.value.is_empty() {
            self.wrong(line(written), format!("{name}: must not be empty"));
        }
        written.value.iter().filter_map(|text| self.field(name, text, &check)).collect()
    }

    fn route(&mut self, written: &Written, runbooks: &Runbooks) -> Option<Route> {
        let before = self.errors.len();
        let takes = Takes {
            config_rules: self.fields("config-rules", &written.takes.config_rules, |text| Glob::new(text)),
            resource_types: self
                .fields("resource-types", &written.takes.resource_types, |text| ResourceType::new(text)),
        };
        let name = self.field("name", &written.name, |text| RouteName::new(text));
        let problem = self.field("problem", &written.problem, |text| Problem::new(text));
        let title = self.field("title", &written.title, |text| Title::new(text));
        let severity = self.field("severity", &written.severity, str::parse);
        let category = self.field("category", &written.category, str::parse);
        let role = self.field("role", &written.role, |text| RoleFamily::new(text));
        let runbook = self.runbook("runbook", &written.runbook, runbooks);
        let undo = written.undo.as_ref().and_then(|undo| self.runbook("undo", undo, runbooks));
        if undo.is_some() || written.undo.is_none() {
            self.undo(written, runbook.as_ref());
        }
        let attempts = self.field("attempts", &written.attempts, number(1..=5));
        let dev = self.field("modes.dev", &written.modes.dev, str::parse);
        let staging = self.field("modes.staging", &written.modes.staging, str::parse);
        let prod = self.field("modes.prod", &written.modes.prod, str::parse);
        let starts_per_hour =
            self.field("budget.starts-per-hour", &written.budget.starts_per_hour, number(1..=1_000));
        let running = self.field("budget.running", &written.budget.running, number(1..=100));
        let expected_minutes = self.field("expected-minutes", &written.expected_minutes, number(1..=720));
        let alarm =
            written.alarm.as_ref().and_then(|alarm| self.field("alarm", alarm, |text| AlarmName::new(text)));
        let parameters = runbook.as_ref().map(|(_, runbook)| {
            // That a runbook is broken has been told; then nothing is known of its parameters.
            runbook.map(|runbook| self.parameters(written, runbook)).unwrap_or_default()
        });
        if written.emergency && severity.is_some_and(|severity| severity != Severity::Critical) {
            let problem = "emergency: only what is critical is one, so severity must be critical";
            self.wrong(line(&written.severity), problem.to_owned());
        }
        if self.errors.len() > before {
            return None;
        }
        Some(Route {
            name: name?,
            problem: problem?,
            title: title?,
            takes,
            rank: written.rank,
            severity: severity?,
            category: category?,
            runbook: runbook?.0,
            undo: undo.map(|(name, _)| name),
            role: role?,
            parameters: parameters?,
            attempts: attempts?,
            ceiling: Ceiling { dev: dev?, staging: staging?, prod: prod? },
            budget: Budget { starts_per_hour: starts_per_hour?, running: running? },
            expected_duration: Duration::from_mins(expected_minutes?),
            is_emergency: written.emergency,
            is_exempt_by_tag: written.exempt_by_tag,
            alarm,
        })
    }

    fn runbook<'r>(
        &mut self,
        field: &str,
        written: &Spanned<String>,
        runbooks: &'r Runbooks,
    ) -> Option<(RunbookName, Option<&'r Runbook>)> {
        let name = self.field(field, written, |text| RunbookName::new(text))?;
        let runbook = self.field(field, written, |_| runbooks.find(&name))?;
        Some((name, runbook))
    }

    /// A route answers with a runbook that repairs, and names the one that undoes it if it can be undone.
    fn undo(&mut self, written: &Written, runbook: Option<&(RunbookName, Option<&Runbook>)>) {
        let Some((name, Some(runbook))) = runbook else { return };
        if restores(name.as_str()) {
            self.wrong(line(&written.runbook), format!("runbook: {name} restores, and a route repairs"));
        }
        let expected = runbook.can_be_undone().then(|| restore_of(name.as_str()));
        match (&expected, &written.undo) {
            (Some(expected), None) => {
                self.wrong(line(&written.runbook), format!("{name} can be undone: write undo: {expected}"));
            }
            (Some(expected), Some(undo)) if undo.value != *expected => {
                self.wrong(line(undo), format!("undo: {expected} is what undoes {name}"));
            }
            (None, Some(undo)) => {
                self.wrong(
                    line(undo),
                    format!("undo: {name} puts out no BeforeState by which it could be undone"),
                );
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// What the route sends, against what the runbook declares.
    fn parameters(&mut self, written: &Written, runbook: &Runbook) -> Vec<(ParameterName, ParameterSource)> {
        let declared = runbook.parameters();
        for (parameter, required) in &declared {
            if *required && !written.parameters.contains_key(*parameter) {
                self.wrong(
                    line(&written.runbook),
                    format!(
                        "{} needs the parameter {parameter}, which the route does not send",
                        written.runbook.value
                    ),
                );
            }
        }
        let mut sent = Vec::new();
        for (parameter, value) in &written.parameters {
            if !declared.contains_key(parameter.as_str()) {
                let runbook = &written.runbook.value;
                self.wrong(line(value), format!("{runbook} declares no parameter {parameter}"));
            }
            let name = self.field("parameters", value, |_| ParameterName::new(parameter.as_str()));
            let source = self.field("parameters", value, parameter_source);
            if let (Some(ParameterSource::Constant(text)), Some(pattern)) = (&source, runbook.pattern(parameter))
                && !accepts(pattern, text)
            {
                self.wrong(line(value), format!("parameters: {parameter} takes {pattern}"));
            }
            sent.extend(name.zip(source));
        }
        sent
    }

    fn against_others(&mut self, written: &Written, route: &Route, others: &[Placed]) {
        for Placed { file, line: place, route: other } in others {
            let there = format!("{}:{place}", file.display());
            if route.name == other.name {
                self.wrong(line(&written.name), format!("another route is called {} too: {there}", route.name));
            }
            if route.rank == other.rank && overlap(&route.takes, &other.takes) {
                self.wrong(
                    line(&written.name),
                    format!("{} and {} take the same signals with the same rank: {there}", route.name, other.name),
                );
            }
        }
    }
}

fn overlap(one: &Takes, other: &Takes) -> bool {
    one.resource_types.iter().any(|kind| other.resource_types.contains(kind))
        && one.config_rules.iter().any(|glob| other.config_rules.iter().any(|rule| glob.overlaps(rule)))
}

/// A whole number within limits.
fn number<N: FromStr + PartialOrd + Display>(allowed: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| format!("must be a number from {} to {}", allowed.start(), allowed.end()))
    }
}

/// Automation's limit for one value of a parameter.
const LONGEST_VALUE: usize = 512;

fn parameter_source(text: &str) -> Result<ParameterSource, &'static str> {
    match text {
        "${resource.id}" => Ok(ParameterSource::ResourceId),
        "${resource.account}" => Ok(ParameterSource::Account),
        "${resource.region}" => Ok(ParameterSource::Region),
        text if text.is_empty() || text.contains("${") || text.contains("{{") => Err(
            "a value must be ${resource.id}, ${resource.account}, ${resource.region}, or text without ${ and {{",
        ),
        text if text.chars().count() > LONGEST_VALUE => Err("a value must have at most 512 characters"),
        text => Ok(ParameterSource::Constant(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
