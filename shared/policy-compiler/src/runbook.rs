//! What a route needs to know of a runbook: its parameters.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

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
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let file = folder.join(name).with_extension("yaml");
        let text = std::fs::read_to_string(&file).map_err(|_| format!("runbooks/ holds no {name}.yaml"))?;
        let document: Document =
            serde_saphyr::from_str(&text).map_err(|error| format!("{name}.yaml cannot be read: {error}"))?;
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
