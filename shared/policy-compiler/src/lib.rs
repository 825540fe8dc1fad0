//! Reads `policy/*.yaml` and `runbooks/*.yaml`, checks both, and writes the policy as Rust.
//!
//! It runs when Mend is built. Whatever is wrong stops the build, all of it at once, each with file and line.

mod read;
mod runbook;
mod source;
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};

use mend_core::policy::Route;

pub use source::source;

/// Something that is wrong in a policy file or a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// As a person names it, in most cases from the repository on.
    file: PathBuf,
    line: Option<u64>,
    problem: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for PolicyError {}

/// Reads and checks all routes and all runbooks.
pub fn read(policy: &Path, runbooks: &Path) -> Result<Vec<Route>, Vec<PolicyError>> {
    read::read(policy, runbooks)
}
