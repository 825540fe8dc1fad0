//! A runbook as it is written: schema 0.3, as far as the house's runbooks use it. An unknown field is refused.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::value::{Named, Placed, Value, deserialize_named};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) schema_version: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) assume_role: Spanned<String>,
    #[serde(deserialize_with = "deserialize_named")]
    pub(super) parameters: Named<Parameter>,
    pub(super) main_steps: Spanned<Vec<Step>>,
    /// `Step.Output`
    pub(super) outputs: Spanned<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Parameter {
    #[serde(rename = "type")]
    pub(super) kind: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) allowed_pattern: Option<Spanned<String>>,
    pub(super) default: Option<Placed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) name: Spanned<String>,
    pub(super) action: Spanned<String>,
    #[expect(dead_code, reason = "for people")]
    description: Option<String>,
    pub(super) inputs: Placed,
    #[serde(default)]
    pub(super) outputs: Vec<Output>,
    #[expect(dead_code, reason = "any number will do")]
    max_attempts: Option<u32>,
    pub(super) timeout_seconds: Option<Spanned<u32>>,
    pub(super) on_failure: Option<Spanned<String>>,
    pub(super) on_cancel: Option<Spanned<String>>,
    pub(super) is_end: Option<Spanned<bool>>,
    #[serde(rename = "nextStep")]
    pub(super) next: Option<Spanned<String>>,
    pub(super) is_critical: Option<Spanned<bool>>,
}

impl Step {
    pub(super) fn name(&self) -> &str {
        &self.name.value
    }

    pub(super) const fn input(&self) -> &Value {
        &self.inputs.value
    }

    pub(super) fn ends(&self) -> bool {
        self.is_end.as_ref().is_some_and(|is_end| is_end.value)
    }
}

/// An output that a step declares. AWS takes String where there is no type; here it is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Output {
    pub(super) name: Spanned<String>,
    pub(super) selector: Spanned<String>,
    #[serde(rename = "Type")]
    pub(super) kind: Spanned<String>,
}

/// The types of parameters and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    String,
    StringList,
    Boolean,
    Integer,
    StringMap,
    MapList,
}

impl FromStr for Type {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "String" => Ok(Self::String),
            "StringList" => Ok(Self::StringList),
            "Boolean" => Ok(Self::Boolean),
            "Integer" => Ok(Self::Integer),
            "StringMap" => Ok(Self::StringMap),
            "MapList" => Ok(Self::MapList),
            _ => Err("must be String, StringList, Boolean, Integer, StringMap or MapList"),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
