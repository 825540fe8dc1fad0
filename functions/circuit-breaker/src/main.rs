//! Wires circuit-breaker; decides nothing.

use mend_runtime::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    mend_runtime::run("circuit-breaker", circuit_breaker::handle).await
}
