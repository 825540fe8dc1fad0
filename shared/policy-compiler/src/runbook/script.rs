//! Scripts: short, in a runtime that lives, without references, and with calls that can be seen from outside.
//!
//! A script calls AWS in one way only, so that a reader, human or not, sees what it calls:
//! `s3 = boto3.client("s3")` and then `s3.get_bucket_acl`.

use regex_lite::{Captures, Regex, escape};
use serde_saphyr::Spanned;

use super::action::{Call, call};
use super::document::Step;
use super::value::line;

/// Python 3.10 and what is older is at its end.
const RUNTIMES: [&str; 2] = ["python3.11", "python3.12"];
/// Whole lines, so that nothing comes in beside them or under another name.
const IMPORTS: [&str; 8] = [
    "import boto3",
    "import hashlib",
    "import json",
    "import re",
    "from botocore.exceptions import ClientError",
    "from botocore.exceptions import BotoCoreError, ClientError",
    "from datetime import UTC, datetime",
    "from datetime import UTC, datetime, timedelta",
];
const LONGEST: usize = 120;
/// Attributes of a client that are no operations.
const NO_OPERATIONS: [&str; 2] = ["exceptions", "meta"];

pub(super) struct Script<'a> {
    text: Spanned<&'a str>,
    handler: Spanned<&'a str>,
    runtime: Spanned<&'a str>,
}

impl<'a> Script<'a> {
    pub(super) fn of(step: &'a Step) -> Option<Self> {
        let input = step.input();
        Some(Self {
            text: input.text("Script")?,
            handler: input.text("Handler")?,
            runtime: input.text("Runtime")?,
        })
    }

    /// Whether it does nothing but end the execution: its handler raises first of all.
    pub(super) fn only_raises(&self) -> bool {
        found(
            &format!(r"(?m)^def {}\(events, context\):\n    raise ", escape(self.handler.value)),
            self.text.value,
        )
        .next()
        .is_some()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        let operations = self.clients().into_iter().flat_map(|(variable, service)| {
            self.operations(variable).into_iter().map(move |(operation, _)| call(service, operation))
        });
        operations.collect()
    }

    pub(super) fn problems(&self) -> Vec<(u64, String)> {
        let mut problems = Vec::new();
        if !RUNTIMES.contains(&self.runtime.value) {
            problems.push((line(&self.runtime), format!("Runtime must be one of {}", RUNTIMES.join(", "))));
        }
        let handler = format!(r"(?m)^def {}\(events, context\):", escape(self.handler.value));
        if found(&handler, self.text.value).next().is_none() {
            let handler = self.handler.value;
            problems.push((line(&self.handler), format!("the script has no def {handler}(events, context):")));
        }
        if self.text.value.lines().count() > LONGEST {
            problems.push((line(&self.text), format!("a script has at most {LONGEST} lines")));
        }
        for braces in found(r"\{\{|\}\}", self.text.value) {
            let problem = "a script holds no {{ and no }}: hand values in through InputPayload";
            problems.push((self.line_of(&braces), problem.to_owned()));
        }
        for import in found(r"(?m)^[ \t]*((?:import|from)\b.*)$", self.text.value) {
            if !IMPORTS.contains(&group(&import, 1).trim()) {
                problems.push((self.line_of(&import), format!("a script says only {}", IMPORTS.join(", "))));
            }
        }
        problems.extend(self.hidden_calls());
        problems.dedup();
        problems
    }

    /// Uses of boto3 that do not show what is called.
    fn hidden_calls(&self) -> Vec<(u64, String)> {
        let mut problems = Vec::new();
        let form =
            "AWS is called as in s3 = boto3.client(\"s3\") and then s3.get_bucket_acl, so that it can be seen";
        let clients: Vec<_> = found(CLIENT, self.text.value).map(|client| self.line_of(&client)).collect();
        for boto3 in found(
            r"\bboto3\.|\b(?:getattr|Session|resource|__import__|eval|exec)\(|\bfrom\s+boto3\b",
            self.text.value,
        ) {
            if !clients.contains(&self.line_of(&boto3)) {
                problems.push((self.line_of(&boto3), form.to_owned()));
            }
        }
        for (variable, _) in self.clients() {
            for other in found(&format!(r"\b{}\b(\.?)", escape(variable)), self.text.value) {
                if group(&other, 1).is_empty() && !clients.contains(&self.line_of(&other)) {
                    problems.push((self.line_of(&other), form.to_owned()));
                }
            }
        }
        problems
    }

    /// Variables with clients, and of which services.
    fn clients(&self) -> Vec<(&'a str, &'a str)> {
        found(CLIENT, self.text.value).map(|client| (group(&client, 1), group(&client, 2))).collect()
    }

    /// What is called of a client, by boto3's names, and where.
    fn operations(&self, variable: &str) -> Vec<(&'a str, u64)> {
        let attributes = format!(r"\b{}\.(\w+)", escape(variable));
        let all = found(&attributes, self.text.value).map(|used| (group(&used, 1), self.line_of(&used)));
        all.filter(|(name, _)| !NO_OPERATIONS.contains(name)).collect::<Vec<_>>()
    }

    fn line_of(&self, found: &Captures<'_>) -> u64 {
        let before = found.get(0).and_then(|whole| self.text.value.get(..whole.start())).unwrap_or_default();
        let inside = before.matches('\n').count()
            + found.get(0).map_or(0, |whole| whole.as_str().len() - whole.as_str().trim_start_matches('\n').len());
        line(&self.text) + u64::try_from(inside).unwrap_or_default()
    }
}

const CLIENT: &str = r#"(?m)^\s*(\w+) = boto3\.client\("([\w-]+)"\)$"#;

fn found<'a>(pattern: &str, text: &'a str) -> impl Iterator<Item = Captures<'a>> + use<'a> {
    let all = Regex::new(pattern).map(|regex| regex.captures_iter(text).collect::<Vec<_>>());
    all.unwrap_or_default().into_iter()
}

fn group<'a>(captures: &Captures<'a>, number: usize) -> &'a str {
    captures.get(number).map_or("", |group| group.as_str())
}
