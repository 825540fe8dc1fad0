//! The clients: one HTTP client and one configuration for all of them.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use mend_aws::{Clients, Rare};

/// One try of a call. The SDK sets no such limit by itself.
const ONE_TRY: Duration = Duration::from_secs(5);
/// A call with all its retries. Several slow ones can outlast the function; then its retry carries on.
const ALL_TRIES: Duration = Duration::from_secs(12);

/// Makes the clients.
pub(crate) async fn clients() -> Clients {
    let config = configuration().await;
    Clients {
        config: rare(&config, aws_sdk_config::Client::new),
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        eventbridge: aws_sdk_eventbridge::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        ssm: aws_sdk_ssm::Client::new(&config),
        tagging: rare(&config, aws_sdk_resourcegroupstagging::Client::new),
    }
}

fn rare<C: 'static>(config: &SdkConfig, make: fn(&SdkConfig) -> C) -> Rare<C> {
    let config = config.clone();
    Rare::new(Box::new(move || make(&config)))
}

async fn configuration() -> SdkConfig {
    // Without a shared client each service would load the root certificates for itself.
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(4).with_max_backoff(Duration::from_secs(2)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(ONE_TRY)
                .operation_timeout(ALL_TRIES)
                .build(),
        )
        .load()
        .await
}
