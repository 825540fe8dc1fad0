//! Wires automation-outcome; decides nothing.

use mend_runtime::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    mend_runtime::run("automation-outcome", automation_outcome::handle).await
}
