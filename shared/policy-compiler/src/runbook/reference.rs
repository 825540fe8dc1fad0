//! References, `{{ Parameter }}` and `{{ Step.Output }}`: each names something that has a value by then.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_saphyr::Spanned;

use super::Report;
use super::action::{Action, Comparison, compared_type, comparisons, variable_text};
use super::document::{Document, Step, Type};
use super::flow::Flow;
use super::value::{Value, line, texts_and_keys};

const GLOBALS: [&str; 6] = [
    "global:ACCOUNT_ID",
    "global:AWS_PARTITION",
    "global:DATE",
    "global:DATE_TIME",
    "global:REGION",
    "automation:EXECUTION_ID",
];

/// The types of all that can be referred to.
struct Scope<'a> {
    parameters: BTreeMap<&'a str, Option<Type>>,
    outputs: BTreeMap<&'a str, BTreeMap<&'a str, Option<Type>>>,
}

/// The type of what is referred to, if that can be known.
type Referred = Option<Type>;

pub(super) fn check(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let scope = Scope::of(document);
    let before = flow.succeeded_before();
    for step in &flow.order {
        let nothing = BTreeSet::new();
        let before = before.get(step.name()).unwrap_or(&nothing);
        check_inputs(step, &scope, before, report);
        for comparison in comparisons(step) {
            match comparison {
                Ok(comparison) => check_comparison(&comparison, &scope, before, report),
                Err((line, problem)) => report.wrong(line, problem),
            }
        }
    }
    for output in &document.outputs.value {
        let declared = output.value.split_once('.').is_some_and(|(step, name)| scope.declares(step, name));
        if !declared {
            report.wrong(line(output), format!("no step declares the output {}", output.value));
        }
    }
}

/// The references in a text.
pub(super) fn references(text: &str) -> Vec<&str> {
    let pattern = Regex::new(r"\{\{\s*([^{}]*?)\s*\}\}");
    let all = pattern.iter().flat_map(|pattern| pattern.captures_iter(text).collect::<Vec<_>>());
    all.filter_map(|found| found.get(1)).map(|name| name.as_str()).collect()
}

/// The reference that a text is, and nothing else.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    (!name.contains(['{', '}'])).then_some(name)
}

fn check_inputs(step: &Step, scope: &Scope<'_>, before: &BTreeSet<&str>, report: &mut Report<'_>) {
    let (mut texts, mut keys) = (Vec::new(), Vec::new());
    for (name, input) in step.input().entries() {
        keys.push(name);
        // A script's braces are for the script's own rules.
        if !(name.value == "Script" && Action::of(step) == Some(Action::Script)) {
            texts_and_keys(input, &mut texts, &mut keys);
        }
    }
    for key in keys.iter().filter(|key| key.value.contains("{{")) {
        report.wrong(line(key), "a key cannot hold a reference");
    }
    for text in texts {
        let found = references(text.value);
        if text.value.matches("{{").count() != found.len() || text.value.matches("}}").count() != found.len() {
            report.wrong(line(&text), format!("an unfinished or nested reference: {}", text.value));
            continue;
        }
        for name in found {
            match scope.referred(name, before) {
                Err(problem) => report.wrong(line(&text), format!("{{{{ {name} }}}}: {problem}")),
                Ok(Some(kind @ (Type::StringList | Type::StringMap | Type::MapList)))
                    if whole(text.value).is_none() =>
                {
                    report.wrong(
                        line(&text),
                        format!("{{{{ {name} }}}} is a {kind}, which cannot stand inside a text"),
                    );
                }
                Ok(_) => {}
            }
        }
    }
}

fn check_comparison(
    comparison: &Comparison<'_>,
    scope: &Scope<'_>,
    before: &BTreeSet<&str>,
    report: &mut Report<'_>,
) {
    let operation = comparison.operation.value.as_str();
    let Some(compared) = compared_type(operation) else {
        return report.wrong(line(comparison.operation), format!("aws:branch has no operation {operation}"));
    };
    let fits = match &comparison.value.value {
        // Numbers and booleans that a reference gives are known only when it runs.
        Value::Text(text) => compared == Type::String || whole(text).is_some(),
        Value::Boolean => compared == Type::Boolean,
        Value::Number => compared == Type::Integer,
        Value::Nothing | Value::List(_) | Value::Map(_) => false,
    };
    if !fits {
        let kind = comparison.value.value.kind();
        report.wrong(line(comparison.value), format!("{operation} compares a {compared}, and this is {kind}"));
    }
    let variable = variable_text(comparison);
    let Some((text, name)) = variable.and_then(|text| whole(text.value).map(|name| (text, name))) else {
        return report.wrong(line(comparison.variable), "Variable must be one reference");
    };
    // That it refers to nothing is told with the other inputs.
    if let Ok(Some(kind)) = scope.referred(name, before)
        && kind != compared
    {
        report.wrong(line(&text), format!("{operation} compares a {compared}, and {{{{ {name} }}}} is a {kind}"));
    }
}

impl<'a> Scope<'a> {
    fn of(document: &'a Document) -> Self {
        let kind = |written: &Spanned<String>| written.value.parse().ok();
        let parameters = document.parameters.iter();
        let parameters =
            parameters.map(|(name, parameter)| (name.value.as_str(), kind(&parameter.kind))).collect();
        let outputs = document.main_steps.value.iter().map(|step| {
            let declared = step.outputs.iter().map(|output| (output.name.value.as_str(), kind(&output.kind)));
            let own = Action::of(step).map(Action::own_outputs).unwrap_or_default();
            (step.name(), declared.chain(own.iter().map(|(name, kind)| (*name, Some(*kind)))).collect())
        });
        Self { parameters, outputs: outputs.collect() }
    }

    fn declares(&self, step: &str, output: &str) -> bool {
        self.outputs.get(step).is_some_and(|outputs| outputs.contains_key(output))
    }

    fn referred(&self, name: &str, before: &BTreeSet<&str>) -> Result<Referred, String> {
        if GLOBALS.contains(&name) {
            return Ok(Some(Type::String));
        }
        let Some((step, output)) = name.split_once('.') else {
            return self
                .parameters
                .get(name)
                .copied()
                .ok_or_else(|| "there is no such parameter or value".to_owned());
        };
        let outputs = self.outputs.get(step).ok_or_else(|| format!("there is no step {step}"))?;
        let kind = outputs.get(output).ok_or_else(|| format!("{step} declares no output {output}"))?;
        if before.contains(step) {
            Ok(*kind)
        } else {
            Err(format!("{step} has not succeeded on every way to here"))
        }
    }
}
