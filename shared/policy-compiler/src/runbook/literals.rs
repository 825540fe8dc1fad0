//! Nothing in a runbook belongs to one account, Region or resource.

use regex_lite::Regex;

use super::Report;

const LITERALS: [(&str, &str); 5] = [
    (r"\b[0-9]{12}\b", "an account id"),
    (r"\b[a-z]{2}(-[a-z]+){1,2}-[0-9][a-f]?\b", "a Region"),
    (r"\barn:aws(-[a-z]+)*:", "an ARN of one partition; write arn:{{ global:AWS_PARTITION }}:"),
    (
        r"\b(acl|ami|eipalloc|eni|i|igw|lt|nat|pl|rtb|sg|sgr|snap|subnet|vol|vpc|vpce)-[0-9a-f]{8,17}\b",
        "a resource's id",
    ),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "a UUID, the id of some resource"),
];

pub(super) fn check(text: &str, report: &mut Report<'_>) {
    let patterns = LITERALS.map(|(pattern, what)| (Regex::new(pattern), what));
    for (number, written) in (1..).zip(text.lines()) {
        for (pattern, what) in &patterns {
            if let Some(found) = pattern.as_ref().ok().and_then(|pattern| pattern.find(written)) {
                report.wrong(number, format!("{} is {what}", found.as_str()));
            }
        }
    }
}
