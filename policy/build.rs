//! Checks `policy/*.yaml` against `runbooks/` and compiles the routes in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this is how cargo speaks to a build script")]
    let directory = |name: &str| std::env::var(name).map(PathBuf::from).unwrap_or_default();
    let policy = directory("CARGO_MANIFEST_DIR");
    let runbooks = policy.join("../runbooks");
    println!("cargo::rerun-if-changed={}", policy.display());
    println!("cargo::rerun-if-changed={}", runbooks.display());
    match compile(&policy, &runbooks, &directory("OUT_DIR").join("routes.rs")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                println!("cargo::error={error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn compile(policy: &Path, runbooks: &Path, target: &Path) -> Result<(), Vec<String>> {
    let routes = mend_policy_compiler::read(policy, runbooks)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    std::fs::write(target, mend_policy_compiler::source(&routes))
        .map_err(|error| vec![format!("{}: {error}", target.display())])
}
