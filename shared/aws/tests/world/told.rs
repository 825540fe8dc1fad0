use mend_responder::world::Ledger;
use serde_json::json;

use crate::failures::Operation;
use crate::ledger::{REMEDY, item};
use crate::samples::now;
use crate::wire::{Answer, Wire, call};

const KEY: &str = "remark/kill-switch/unknown";

#[tokio::test]
async fn what_is_told_is_known_to_be_told_for_120_days() {
    let key = json!({"pk": "told#remark/kill-switch/unknown", "sk": "told"});
    let mut told = key.clone();
    told["told_at"] = json!(1_772_600_767_890_i64);
    told["expires_at"] = json!(1_772_600_767 + 120 * 86_400);
    let wire = Wire::answering([
        Answer::json(&json!({})),
        Answer::json(&json!({})),
        Answer::json(&json!({"Item": item(&told)})),
    ]);
    let world = wire.world();
    assert!(!world.is_told(KEY).await.unwrap());
    world.mark_told(KEY, now()).await.unwrap();
    assert!(world.is_told(KEY).await.unwrap());
    let get = call("GetItem", json!({"TableName": "mend-dev-ledger", "Key": item(&key), "ConsistentRead": true}));
    let put = call("PutItem", json!({"TableName": "mend-dev-ledger", "Item": item(&told)}));
    assert_eq!(wire.calls(), [get.clone(), put, get]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let operation = |attempted| Operation {
        attempted,
        remedy: REMEDY,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    };
    operation("look up in the ledger whether remark/kill-switch/unknown has been told")
        .fails_well(async |world| world.is_told(KEY).await)
        .await;
    operation("write to the ledger that remark/kill-switch/unknown has been told")
        .fails_well(async |world| world.mark_told(KEY, now()).await)
        .await;
}
