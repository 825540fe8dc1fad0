//! The runbooks of `runbooks/`, read and held to the house rules.
//!
//! AWS checks little of a document before it runs. Here every rule that needs no running is checked, so that a
//! broken runbook stops the build, with file and line. Each rule has its module; [`document`] is the form.

mod action;
mod asking;
mod changes;
mod conclusion;
mod document;
mod flow;
mod kind;
mod literals;
mod parameters;
mod reference;
mod script;
mod steps;
mod undo;
mod value;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use mend_core::automation::RunbookName;

use crate::PolicyError;
use crate::yaml::{Mistake, parse};
use document::Document;
use flow::Flow;
use kind::Kind;

pub(crate) use kind::{restore_of, restores};
pub(crate) use parameters::accepts;

/// Parameters that every runbook takes which answers an incident, and every start gives.
const COMMON: [&str; 3] = ["AutomationAssumeRole", "Incident", "Attempt"];

/// A runbook that can be read, whatever else may be wrong with it.
#[derive(Debug)]
pub(crate) struct Runbook {
    document: Document,
}

impl Runbook {
    /// Its own parameters, besides the common ones, and whether a start has to give them.
    pub(crate) fn parameters(&self) -> BTreeMap<&str, bool> {
        let own = self.document.parameters.iter().filter(|(name, _)| !COMMON.contains(&name.value.as_str()));
        own.map(|(name, parameter)| (name.value.as_str(), parameter.default.is_none())).collect()
    }

    /// The pattern that the values of a parameter have to match.
    pub(crate) fn pattern(&self, parameter: &str) -> Option<&str> {
        let (_, parameter) = self.document.parameters.iter().find(|(name, _)| name.value == parameter)?;
        parameter.allowed_pattern.as_ref().map(|pattern| pattern.value.as_str())
    }

    /// Whether it records what was there, for the runbook that restores it.
    pub(crate) fn can_be_undone(&self) -> bool {
        undo::recorded(&self.document).next().is_some()
    }
}

/// All runbooks, by name.
#[derive(Debug, Default)]
pub(crate) struct Runbooks {
    /// `None`: the file is there and cannot be read, which has been told.
    by_name: BTreeMap<String, Option<Runbook>>,
}

impl Runbooks {
    /// Reads and checks a folder's runbooks; in errors its files are called `named`.
    pub(crate) fn read(folder: &Path, named: impl Fn(&Path) -> PathBuf, errors: &mut Vec<PolicyError>) -> Self {
        let mut runbooks = Self::default();
        let mut texts = BTreeMap::new();
        let paths = files(folder).unwrap_or_else(|error| {
            let problem = format!("the folder cannot be read: {error}");
            errors.push(PolicyError { file: named(folder), line: None, problem });
            Vec::new()
        });
        for path in paths {
            let mut report = Report { file: named(&path), errors: &mut *errors };
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let read = read(&path).map_err(|Mistake { line, problem }| report.wrong(line, problem)).ok();
            let document = read.map(|(text, document)| {
                texts.insert(name.clone(), text);
                Runbook { document }
            });
            runbooks.by_name.insert(name, document);
        }
        for (name, runbook) in &runbooks.by_name {
            let file = named(&folder.join(format!("{name}.yaml")));
            if let Some(runbook) = runbook {
                let text = texts.get(name).map(String::as_str).unwrap_or_default();
                check(name, runbook, text, &runbooks, &mut Report { file, errors: &mut *errors });
            }
        }
        runbooks
    }

    /// The runbook of this name. An error says that there is none; that it is broken has been told elsewhere.
    pub(crate) fn find(&self, name: &RunbookName) -> Result<Option<&Runbook>, String> {
        let found = self.by_name.get(name.as_str()).ok_or_else(|| format!("runbooks/ holds no {name}.yaml"))?;
        Ok(found.as_ref())
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<(String, Document), Mistake> {
    let mistake = |problem| Mistake { line: None, problem };
    if path.extension().is_some_and(|ending| ending == "yml") {
        return Err(mistake("the file's name must end in .yaml".to_owned()));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| mistake(format!("the file cannot be read: {error}")))?;
    let document = parse(&text)?;
    Ok((text, document))
}

fn check(name: &str, runbook: &Runbook, text: &str, runbooks: &Runbooks, report: &mut Report<'_>) {
    let document = &runbook.document;
    let kind = Kind::of(name);
    steps::check_head(name, document, report);
    parameters::check(document, kind, report);
    literals::check(text, report);
    undo::check_twin(name, document, runbooks, report);
    let before = report.count();
    conclusion::check(document, kind, report);
    steps::check(document, kind, report);
    if report.count() > before {
        return;
    }
    // What follows speaks of ways through the steps, and there are none before the steps hang together.
    if let Some(flow) = Flow::of(document, report) {
        reference::check(document, &flow, report);
        match kind {
            Kind::Repairs => {
                changes::check(document, &flow, report);
                undo::check_recorded(document, &flow, report);
            }
            Kind::Restores => {
                changes::check(document, &flow, report);
                undo::check_exemption(document, &flow, report);
            }
            Kind::Asks => asking::check(document, &flow, report),
        }
    }
}

/// What is wrong in one runbook.
struct Report<'a> {
    file: PathBuf,
    errors: &'a mut Vec<PolicyError>,
}

impl Report<'_> {
    fn wrong(&mut self, line: impl Into<Option<u64>>, problem: impl Into<String>) {
        self.errors.push(PolicyError { file: self.file.clone(), line: line.into(), problem: problem.into() });
    }

    fn count(&self) -> usize {
        self.errors.len()
    }
}

#[cfg(test)]
pub(crate) mod tests;
