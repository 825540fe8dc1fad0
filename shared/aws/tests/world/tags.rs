use mend_core::exemption::ExemptionTags;
use mend_responder::world::Tags;
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::wire::{Answer, Wire, call};

const ARN: &str = "arn:aws:s3:::website";

fn listed(arn: &str, tags: &[(&str, &str)]) -> Value {
    let tags: Vec<_> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    json!({"ResourceARN": arn, "Tags": tags})
}

fn answer(resources: &[Value]) -> Answer {
    Answer::json(&json!({"PaginationToken": "", "ResourceTagMappingList": resources}))
}

fn reading() -> Operation<'static> {
    Operation {
        attempted: "read the tags of arn:aws:s3:::website",
        remedy: "check that the function's role may call tag:GetResources",
        success: answer(&[]),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn reads_what_the_tags_of_one_resource_say_about_an_exemption() {
    let exempt = [
        ("Name", "website"),
        ("mend:exempt", "true"),
        ("mend:exempt-until", "2026-12-24"),
        ("mend:exempt-reason", "it is public on purpose"),
    ];
    let all = ExemptionTags {
        exempt: Some("true".to_owned()),
        until: Some("2026-12-24".to_owned()),
        reason: Some("it is public on purpose".to_owned()),
    };
    let some = ExemptionTags { exempt: Some("true".to_owned()), ..ExemptionTags::default() };
    for (resources, expected) in [
        (vec![listed(ARN, &exempt)], all),
        (vec![listed(ARN, &exempt[..2])], some),
        (vec![listed(ARN, &[("Mend:Exempt", "true")])], ExemptionTags::default()),
        (vec![listed("arn:aws:s3:::other", &exempt)], ExemptionTags::default()),
        // It has no tags.
        (vec![], ExemptionTags::default()),
    ] {
        let wire = Wire::answering([answer(&resources)]);
        assert_eq!(wire.world().exemption_tags(ARN).await.unwrap(), expected, "{resources:?}");
        assert_eq!(wire.calls(), [call("GetResources", json!({"ResourceARNList": [ARN]}))]);
    }
}

#[tokio::test]
async fn tags_are_read_anew_each_time() {
    let wire = Wire::answering([answer(&[listed(ARN, &[("mend:exempt", "true")])]), answer(&[])]);
    let world = wire.world();
    assert_eq!(world.exemption_tags(ARN).await.unwrap().exempt.as_deref(), Some("true"));
    assert_eq!(world.exemption_tags(ARN).await.unwrap().exempt, None);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    reading().fails_well(async |world| world.exemption_tags(ARN).await).await;
}
