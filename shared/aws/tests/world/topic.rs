use mend_core::report::Notification;
use mend_responder::world::Topic;
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::wire::{Answer, Wire};

fn notification() -> Notification {
    Notification {
        subject: "[Mend dev] Resolved: SSH is open, sg-1".to_owned(),
        text: "SSH was open.\nWhat you need to do: nothing.\n".to_owned(),
        json: json!({"change": "Resolved", "attempt": 2}),
        attributes: [
            ("severity", "high".to_owned()),
            ("route", "close-admin-ports".to_owned()),
            ("account", "123456789012".to_owned()),
            ("environment", "dev".to_owned()),
            ("decision", "resolve".to_owned()),
            ("change", "Resolved".to_owned()),
        ],
    }
}

fn published() -> Answer {
    Answer::new(
        200,
        r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
             <PublishResult><MessageId>m-1</MessageId></PublishResult>
           </PublishResponse>"#,
    )
}

/// SNS speaks XML.
fn failure(status: u16, code: &str) -> Answer {
    Answer::new(
        status,
        format!(
            r#"<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
                 <Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>
               </ErrorResponse>"#
        ),
    )
}

fn publishing() -> Operation<'static> {
    Operation {
        attempted: "publish \"[Mend dev] Resolved: SSH is open, sg-1\"",
        remedy: "check that the topic exists and that the function's role may publish to it and use its key",
        success: published(),
        failure,
    }
}

#[tokio::test]
async fn publishes_text_for_people_and_json_for_machines() {
    let wire = Wire::answering([published()]);
    wire.world().publish(&notification()).await.unwrap();
    let [call] = &wire.calls()[..] else { panic!("one call") };
    let field = |name: &str| call.body[name].as_str().unwrap_or_default();
    assert_eq!(call.operation, "Publish");
    assert_eq!(field("TopicArn"), "arn:aws:sns:eu-central-1:123456789012:mend-dev");
    assert_eq!(field("Subject"), notification().subject);
    assert_eq!(field("MessageStructure"), "json");

    let message: Value = serde_json::from_str(field("Message")).unwrap();
    let (text, machines) = (notification().text, notification().json.to_string());
    let expected = json!({
        "default": text,
        "email": text,
        "http": machines,
        "https": machines,
        "sqs": machines,
        "lambda": machines,
        "firehose": machines,
    });
    assert_eq!(message, expected);

    let mut attributes: Vec<_> = (1..=6)
        .map(|index| {
            let entry = |part| field(&format!("MessageAttributes.entry.{index}.{part}"));
            (entry("Name"), entry("Value.DataType"), entry("Value.StringValue"))
        })
        .collect();
    attributes.sort_unstable();
    let expected = [
        ("account", "String", "123456789012"),
        ("change", "String", "Resolved"),
        ("decision", "String", "resolve"),
        ("environment", "String", "dev"),
        ("route", "String", "close-admin-ports"),
        ("severity", "String", "high"),
    ];
    assert_eq!(attributes, expected);
    let fields = call.body.as_object().unwrap().len();
    assert_eq!(fields, "Action Version TopicArn Subject MessageStructure Message".split(' ').count() + 6 * 3);
}

#[tokio::test]
async fn a_publication_is_judged_by_its_error() {
    for (status, code) in [(429, "Throttled"), (400, "KMSThrottling")] {
        let error = Wire::answering([failure(status, code)]).world().publish(&notification()).await.unwrap_err();
        publishing().is_worth_another_try(&error, code);
    }
    for (status, code) in [(404, "NotFound"), (403, "AuthorizationError"), (400, "KMSDisabled")] {
        let error = Wire::answering([failure(status, code)]).world().publish(&notification()).await.unwrap_err();
        publishing().stays(&error, code);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    publishing().fails_well(async |world| world.publish(&notification()).await).await;
}
