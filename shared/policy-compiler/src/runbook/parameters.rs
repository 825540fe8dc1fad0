//! Parameters: described, and with patterns that let nothing hostile in.

use regex_lite::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde_saphyr::Spanned;

use super::document::{Document, Parameter, Type};
use super::kind::Kind;
use super::value::line;
use super::{COMMON, Report};

/// Parameters with an agreed meaning have an agreed pattern.
const AGREED: [(&str, &str); 6] = [
    ("AutomationAssumeRole", "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/-]{1,512}$"),
    ("Incident", "^[0-9a-f]{32}-[1-9][0-9]{0,8}$"),
    ("Attempt", "^[1-9][0-9]?$"),
    ("ExecutionId", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    ("LedgerTableName", "^[a-zA-Z0-9_.-]{3,255}$"),
    ("ExemptDays", "^([1-9]|[1-8][0-9]|90)$"),
];

/// What the runbook that asks takes besides. Texts for people let in all that can be printed but braces, because
/// nothing reads them but people; the parameters of what is run are JSON.
const AGREED_WHEN_ASKING: [(&str, &str); 9] = [
    ("What", "^[ -z|~…]{1,512}$"),
    ("Where", "^[ -z|~…]{1,512}$"),
    ("Why", "^[ -z|~…]{1,512}$"),
    ("Undo", "^[ -z|~…]{1,256}$"),
    ("RunbookName", "^Mend-[A-Za-z0-9]+$"),
    ("RunbookVersion", "^[1-9][0-9]{0,9}$"),
    ("RunbookRole", "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/-]{1,512}$"),
    (
        "RunbookParameters",
        r#"^[{]("[a-zA-Z0-9_.-]{1,50}":"[ !#-Z^-z|~]+"(,"[a-zA-Z0-9_.-]{1,50}":"[ !#-Z^-z|~]+")*)?[}]$"#,
    ),
    ("PlanHash", "^[0-9a-f]{64}$"),
];

/// Parameters that every runbook of a kind takes. One that restores finds incident and attempt in the ledger.
pub(super) fn common(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Repairs => COMMON.to_vec(),
        Kind::Restores => vec!["AutomationAssumeRole", "ExecutionId", "LedgerTableName", "ExemptDays"],
        Kind::Asks => COMMON.into_iter().chain(AGREED_WHEN_ASKING.iter().map(|(name, _)| *name)).collect(),
    }
}

pub(super) fn check(document: &Document, kind: Kind, report: &mut Report<'_>) {
    for common in common(kind) {
        if !document.parameters.iter().any(|(name, _)| name.value == common) {
            let pattern = expected_pattern(common, kind);
            let problem = format!("a runbook of this kind takes the parameter {common}: {pattern}");
            report.wrong(line(&document.assume_role), problem);
        }
    }
    for (name, parameter) in &document.parameters {
        match parameter.kind.value.parse::<Type>() {
            Err(problem) => report.wrong(line(&parameter.kind), format!("the type of {} {problem}", name.value)),
            Ok(Type::Boolean | Type::Integer) => {}
            Ok(Type::String | Type::StringList | Type::StringMap | Type::MapList) => {
                check_pattern(name, parameter, kind, report);
            }
        }
        if parameter.description.value.trim().is_empty() {
            report.wrong(line(&parameter.description), format!("the description of {} is empty", name.value));
        }
    }
}

/// The pattern that a parameter of this name has.
pub(super) fn expected_pattern(name: &str, kind: Kind) -> &'static str {
    let when_asking = AGREED_WHEN_ASKING.iter().filter(|_| kind == Kind::Asks);
    AGREED.iter().chain(when_asking).find(|(agreed, _)| *agreed == name).map_or("", |(_, pattern)| pattern)
}

/// Whether a parameter's pattern lets a value in.
pub(crate) fn accepts(pattern: &str, value: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value))
}

fn check_pattern(name: &Spanned<String>, parameter: &Parameter, kind: Kind, report: &mut Report<'_>) {
    let agreed = expected_pattern(&name.value, kind);
    let name = (name.value.as_str(), line(name));
    let Some(pattern) = &parameter.allowed_pattern else {
        return report.wrong(name.1, format!("{} needs an allowedPattern: its value comes from outside", name.0));
    };
    if !agreed.is_empty() {
        if pattern.value != agreed {
            report.wrong(line(pattern), format!("the allowedPattern of {} must be {agreed}", name.0));
        }
    } else if let Err(problem) = harmless(&pattern.value) {
        report.wrong(line(pattern), format!("the allowedPattern of {} {problem}", name.0));
    }
}

/// Whether what a pattern lets in can neither begin a reference nor leave the text that it is put into.
fn harmless(pattern: &str) -> Result<(), String> {
    // AWS reads patterns as Java does, the local cloud as Python does; all agree on patterns without these.
    if ["(?", "&&", "\\"].iter().any(|one| pattern.contains(one)) {
        return Err("must do without (?, && and \\, which Java, Python and Rust read differently".to_owned());
    }
    let pattern = regex_syntax::parse(pattern).map_err(|_| "is no regular expression".to_owned())?;
    let properties = pattern.properties();
    if !properties.look_set_prefix().contains(Look::Start) || !properties.look_set_suffix().contains(Look::End) {
        return Err("must begin with ^ and end with $".to_owned());
    }
    if properties.minimum_len() == Some(0) {
        return Err("lets an empty value in".to_owned());
    }
    match hostile(&pattern) {
        Some(character) => Err(format!("lets {character:?} in")),
        None => Ok(()),
    }
}

/// A character that a pattern lets in and that means something to a template, a script or a page.
fn hostile(pattern: &Hir) -> Option<char> {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).chars().find(|one| is_hostile(*one)),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().find_map(|range| (range.start()..=range.end()).find(|one| is_hostile(*one)))
        }
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .find_map(|range| (range.start()..=range.end()).map(char::from).find(|one| is_hostile(*one))),
        HirKind::Repetition(repetition) => hostile(&repetition.sub),
        HirKind::Capture(capture) => hostile(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().find_map(hostile),
    }
}

const fn is_hostile(character: char) -> bool {
    !character.is_ascii_graphic() || matches!(character, '{' | '}' | '"' | '\'' | '`' | '$' | '<' | '>' | '\\')
}
