//! Wires reconcile; decides nothing.

use mend_runtime::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    mend_runtime::run("reconcile", reconcile::handle).await
}
