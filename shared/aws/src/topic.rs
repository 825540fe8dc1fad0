//! Notifications through SNS.

use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::MessageAttributeValue;
use mend_core::report::Notification;
use mend_responder::CallError;
use mend_responder::world::Topic;
use serde_json::json;

use crate::Aws;
use crate::failure::failure;

impl<C> Topic for Aws<C> {
    async fn publish(&self, notification: &Notification) -> Result<(), CallError> {
        let attempted = || format!("publish \"{}\"", notification.subject);
        let machines = notification.json.to_string();
        // People get text, machines the same as JSON; `default` serves the protocols that are not named.
        let message = json!({
            "default": notification.text,
            "email": notification.text,
            "http": machines,
            "https": machines,
            "sqs": machines,
            "lambda": machines,
            "firehose": machines,
        });
        let mut request = self
            .clients
            .sns
            .publish()
            .topic_arn(&self.names.topic_arn)
            .subject(&notification.subject)
            .message_structure("json")
            .message(message.to_string());
        for (name, value) in &notification.attributes {
            let value = attribute(value).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
            request = request.message_attributes(*name, value);
        }
        request.send().await.map_err(|error| failure(attempted(), REMEDY, error))?;
        Ok(())
    }
}

fn attribute(value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type("String").string_value(value).build()
}

const REMEDY: &str = "check that the topic exists and that the function's role may publish to it and use its key";
