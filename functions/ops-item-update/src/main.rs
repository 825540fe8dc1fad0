//! Wires ops-item-update; decides nothing.

use mend_runtime::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    mend_runtime::run("ops-item-update", ops_item_update::handle).await
}
