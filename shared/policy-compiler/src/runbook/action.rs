//! What the actions of steps do: which APIs they call, what they change, and where they go on.

use mend_core::automation::APPROVE_AND_RUN;
use serde_saphyr::Spanned;

use super::document::{Step, Type};
use super::kind::Kind;
use super::script::Script;
use super::value::{Placed, as_text, line};

/// The actions that the house's runbooks use. A new one is added here, with what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Api,
    Assert,
    Wait,
    Branch,
    Script,
    Automation,
    Approve,
    Sleep,
}

const ACTIONS: [(&str, Action); 8] = [
    ("aws:executeAwsApi", Action::Api),
    ("aws:assertAwsResourceProperty", Action::Assert),
    ("aws:waitForAwsResourceProperty", Action::Wait),
    ("aws:branch", Action::Branch),
    ("aws:executeScript", Action::Script),
    ("aws:executeAutomation", Action::Automation),
    ("aws:approve", Action::Approve),
    ("aws:sleep", Action::Sleep),
];

/// The runbooks that may be child executions, and the service that each of them changes: their bodies are AWS's.
const CHILDREN: [(&str, &str); 1] = [("AWSConfigRemediation-EnableKeyRotation", "kms")];

/// Operations with these verbs change nothing.
const READING: [&str; 6] = ["Describe", "Get", "Head", "List", "Query", "Scan"];

impl Action {
    pub(super) fn of(step: &Step) -> Option<Self> {
        ACTIONS.iter().find(|(name, _)| *name == step.action.value).map(|(_, action)| *action)
    }

    pub(super) fn names() -> String {
        ACTIONS.map(|(name, _)| name).join(", ")
    }

    pub(super) fn name(self) -> &'static str {
        ACTIONS.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }

    /// The longest that it may take, in seconds: Automation's limit for a script, a day for people, an hour for
    /// what they have approved.
    pub(super) const fn longest_seconds(self, kind: Kind) -> u32 {
        match (self, kind) {
            (Self::Approve, _) => 86_400,
            (Self::Automation, Kind::Asks) => 3_600,
            (
                Self::Api
                | Self::Assert
                | Self::Wait
                | Self::Branch
                | Self::Script
                | Self::Automation
                | Self::Sleep,
                _,
            ) => 600,
        }
    }

    /// Inputs that it cannot do without and that no value from outside may choose.
    pub(super) const fn fixed_inputs(self, kind: Kind) -> &'static [&'static str] {
        match self {
            Self::Api => &["Service", "Api"],
            Self::Assert | Self::Wait => &["Service", "Api", "PropertySelector"],
            Self::Script => &["Runtime", "Handler", "Script"],
            // The one that asks says itself what it runs, see `asking`.
            Self::Automation if matches!(kind, Kind::Asks) => &[],
            Self::Automation => &["DocumentName"],
            Self::Branch | Self::Approve | Self::Sleep => &[],
        }
    }

    /// Outputs that it has without declaring them.
    pub(super) const fn own_outputs(self) -> &'static [(&'static str, Type)] {
        match self {
            Self::Automation => {
                &[("ExecutionId", Type::String), ("Output", Type::StringList), ("Status", Type::String)]
            }
            Self::Approve => &[("ApprovalStatus", Type::String), ("ApproverDecisions", Type::MapList)],
            Self::Api | Self::Assert | Self::Wait | Self::Branch | Self::Script | Self::Sleep => &[],
        }
    }

    /// Whether a step of this kind says itself what it puts out.
    pub(super) const fn declares_outputs(self) -> bool {
        matches!(self, Self::Api | Self::Script)
    }
}

/// A call of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) service: String,
    /// By its name in the API or boto3's.
    pub(super) operation: String,
    pub(super) changes: bool,
}

/// The calls that a step makes. What is wrong with a script or a child is told by [`problems`].
pub(super) fn calls(step: &Step) -> Vec<Call> {
    match Action::of(step) {
        Some(Action::Api | Action::Assert | Action::Wait) => {
            let texts = step.input().text("Service").zip(step.input().text("Api"));
            texts.map(|(service, api)| call(service.value, api.value)).into_iter().collect()
        }
        Some(Action::Automation) => {
            let child = step.input().text("DocumentName").and_then(|name| changed_by_child(name.value));
            child.map(|service| call(service, "StartAutomationExecution")).into_iter().collect()
        }
        Some(Action::Script) => Script::of(step).map(|script| script.calls()).unwrap_or_default(),
        Some(Action::Branch | Action::Approve | Action::Sleep) | None => Vec::new(),
    }
}

/// A call by the operation's name in the API, `PutBucketPolicy`, or boto3's for it, `put_bucket_policy`.
pub(super) fn call(service: &str, operation: &str) -> Call {
    let reads = |verb: &str| {
        let rest = operation.strip_prefix(verb).or_else(|| operation.strip_prefix(&verb.to_ascii_lowercase()));
        rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
    };
    Call {
        service: service.to_owned(),
        operation: operation.to_owned(),
        changes: !READING.iter().copied().any(reads),
    }
}

fn changed_by_child(document: &str) -> Option<&'static str> {
    CHILDREN.iter().find(|(name, _)| *name == document).map(|(_, service)| *service)
}

/// What is wrong with a step's inputs, by line.
pub(super) fn problems(step: &Step, kind: Kind) -> Vec<(u64, String)> {
    let Some(action) = Action::of(step) else {
        let names = Action::names();
        let problem =
            format!("the action must be one of {names}; what another does has to be added to the checker");
        return vec![(line(&step.action), problem)];
    };
    let mut problems = Vec::new();
    for input in action.fixed_inputs(kind) {
        match step.input().text(input) {
            None => problems.push((line(&step.inputs), format!("{} needs {input}, a text", step.action.value))),
            Some(text) if *input != "Script" && text.value.contains("{{") => {
                problems.push((
                    line(&text),
                    format!("{input} must be a fixed text: nothing from outside may choose it"),
                ));
            }
            Some(_) => {}
        }
    }
    if !action.declares_outputs()
        && let Some(output) = step.outputs.first()
    {
        problems.push((line(&output.name), format!("{} declares no outputs", step.action.value)));
    }
    match action {
        Action::Assert | Action::Wait if calls(step).iter().any(|call| call.changes) => {
            problems.push((line(&step.inputs), format!("{} must call what only reads", step.action.value)));
        }
        Action::Approve if kind != Kind::Asks => {
            problems.push((line(&step.action), format!("only {APPROVE_AND_RUN} asks people")));
        }
        Action::Automation if kind != Kind::Asks => {
            if let Some(name) =
                step.input().text("DocumentName").filter(|name| changed_by_child(name.value).is_none())
            {
                let problem = "what this child execution changes has to be added to the checker".to_owned();
                problems.push((line(&name), problem));
            }
        }
        Action::Script => problems.extend(Script::of(step).map(|script| script.problems()).unwrap_or_default()),
        Action::Branch => {
            let choices = step.input().get("Choices").filter(|choices| !choices.value.items().is_empty());
            if choices.is_none() {
                problems.push((line(&step.inputs), "aws:branch needs Choices, a list".to_owned()));
            }
            if step.input().text("Default").is_none() {
                let problem = "aws:branch needs a Default, so that it says where every way goes on";
                problems.push((line(&step.inputs), problem.to_owned()));
            }
        }
        Action::Api | Action::Assert | Action::Wait | Action::Automation | Action::Approve | Action::Sleep => {}
    }
    problems
}

/// The steps that a branch names.
pub(super) fn branch_targets(step: &Step) -> Vec<Spanned<&str>> {
    let choices = step.input().get("Choices").map(|choices| choices.value.items()).unwrap_or_default();
    let named = choices.iter().filter_map(|choice| choice.value.text("NextStep"));
    named.chain(step.input().text("Default")).collect()
}

/// A comparison of a branch: what is compared, by which operation, with what.
pub(super) struct Comparison<'a> {
    pub(super) variable: &'a Placed,
    pub(super) operation: &'a Spanned<String>,
    pub(super) value: &'a Placed,
}

/// The comparisons of a branch; an error for a condition that is none.
pub(super) fn comparisons(step: &Step) -> Vec<Result<Comparison<'_>, (u64, String)>> {
    let mut found = Vec::new();
    for choice in step.input().get("Choices").map(|choices| choices.value.items()).unwrap_or_default() {
        if choice.value.text("NextStep").is_none() {
            found.push(Err((line(choice), "a choice needs NextStep".to_owned())));
        }
        collect(choice, &mut found);
    }
    found
}

fn collect<'a>(condition: &'a Placed, found: &mut Vec<Result<Comparison<'a>, (u64, String)>>) {
    let others =
        || condition.value.entries().filter(|(name, _)| !matches!(name.value.as_str(), "NextStep" | "Variable"));
    let variable = condition.value.get("Variable");
    match (variable, others().next(), others().nth(1)) {
        (None, Some((name, parts)), None) if matches!(name.value.as_str(), "And" | "Or") => {
            parts.value.items().iter().for_each(|part| collect(part, found));
        }
        (None, Some((name, part)), None) if name.value == "Not" => collect(part, found),
        (Some(variable), Some((operation, value)), None) => {
            found.push(Ok(Comparison { variable, operation, value }));
        }
        _ => {
            let problem = "a condition has Variable and one operation, or And, Or or Not";
            found.push(Err((line(condition), problem.to_owned())));
        }
    }
}

/// The type of what an operation of a branch compares.
pub(super) fn compared_type(operation: &str) -> Option<Type> {
    match operation {
        "StringEquals" | "EqualsIgnoreCase" | "StartsWith" | "EndsWith" | "Contains" => Some(Type::String),
        "NumericEquals"
        | "NumericGreater"
        | "NumericLesser"
        | "NumericGreaterOrEquals"
        | "NumericLesserOrEquals" => Some(Type::Integer),
        "BooleanEquals" => Some(Type::Boolean),
        _ => None,
    }
}

/// The text of a comparison's variable.
pub(super) fn variable_text<'a>(comparison: &Comparison<'a>) -> Option<Spanned<&'a str>> {
    as_text(comparison.variable)
}
