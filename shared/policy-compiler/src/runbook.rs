//! What a route needs to know of a runbook: its parameters.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use mend_core::automation::RunbookName;
use serde::Deserialize;

use crate::yaml::{Mistake, parse};

/// Every Mend runbook takes these, and every start gives them.
const COMMON: [&str; 3] = ["AutomationAssumeRole", "Incident", "Attempt"];

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    default: Option<serde::de::IgnoredAny>,
}

/// A runbook's own parameters, besides the common ones.
#[derive(Debug)]
pub(crate) struct Runbook {
    /// By name: whether a start has to give it.
    pub(crate) parameters: BTreeMap<String, bool>,
}

impl Runbook {
    /// Reads `<folder>/<name>.yaml`.
    pub(crate) fn read(folder: &Path, name: &RunbookName) -> Result<Self, String> {
        let text = match std::fs::read_to_string(folder.join(format!("{name}.yaml"))) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!("runbooks/ holds no {name}.yaml"));
            }
            Err(error) => return Err(format!("runbooks/{name}.yaml cannot be read: {error}")),
        };
        let document: Document = parse(&text).map_err(|Mistake { line, problem }| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("runbooks/{name}.yaml{line}: {problem}")
        })?;
        for common in COMMON {
            if !document.parameters.contains_key(common) {
                return Err(format!(
                    "{name} does not take the parameter {common}, which every Mend runbook takes"
                ));
            }
        }
        let own = document.parameters.into_iter().filter(|(name, _)| !COMMON.contains(&name.as_str()));
        Ok(Self { parameters: own.map(|(name, parameter)| (name, parameter.default.is_none())).collect() })
    }
}
