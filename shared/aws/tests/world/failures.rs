//! What every operation does with failures: the SDK tries again what passes; what stays is told apart by
//! whether it is worth another try, and says what was attempted and what a person can do.

use std::fmt::Debug;

use mend_aws::Aws;
use mend_responder::{CallError, chain};

use crate::wire::{Answer, HandClock, TRIES, Wire};

/// One operation, and how its service fails.
pub(crate) struct Operation<'a> {
    /// Goes on from "could not".
    pub(crate) attempted: &'a str,
    pub(crate) remedy: &'a str,
    pub(crate) success: Answer,
    pub(crate) failure: fn(u16, &str) -> Answer,
}

impl Operation<'_> {
    /// Puts the operation through all of it.
    pub(crate) async fn fails_well<T: Debug>(
        &self,
        operation: impl AsyncFn(&Aws<HandClock>) -> Result<T, CallError>,
    ) {
        self.outlives_what_passes(&operation).await;
        self.hands_on_what_stays(&operation).await;
    }

    async fn outlives_what_passes<T: Debug>(
        &self,
        operation: impl AsyncFn(&Aws<HandClock>) -> Result<T, CallError>,
    ) {
        for failure in [(400, "ThrottlingException"), (500, "InternalServerError"), (503, "ServiceUnavailable")] {
            let wire = Wire::answering([(self.failure)(failure.0, failure.1), self.success.clone()]);
            let result = operation(&wire.world()).await;
            assert!(result.is_ok(), "{failure:?}, then success: {result:?}");
            let calls = wire.calls();
            assert_eq!(calls.len(), 2, "{failure:?}");
            assert_eq!(calls[0], calls[1], "the same request again");
        }
    }

    async fn hands_on_what_stays<T: Debug>(
        &self,
        operation: impl AsyncFn(&Aws<HandClock>) -> Result<T, CallError>,
    ) {
        for (status, code) in [(400, "ThrottlingException"), (502, "SomethingNew")] {
            let wire = Wire::answering(vec![(self.failure)(status, code); TRIES as usize]);
            let error = operation(&wire.world()).await.unwrap_err();
            assert_eq!(wire.calls().len(), TRIES as usize, "{code}");
            self.is_worth_another_try(&error, code);
        }
        let unanswered = Wire::answering([]);
        let error = operation(&unanswered.world()).await.unwrap_err();
        self.is_worth_another_try(&error, "dispatch failure");

        let wire = Wire::answering([(self.failure)(400, "AccessDeniedException")]);
        let error = operation(&wire.world()).await.unwrap_err();
        assert_eq!(wire.calls().len(), 1, "a denial is not tried again");
        self.stays(&error, "AccessDeniedException");
    }

    pub(crate) fn is_worth_another_try(&self, error: &CallError, cause: &str) {
        assert!(matches!(error, CallError::Retryable(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("could not {}", self.attempted));
        assert!(chain(error).contains(cause), "{}", chain(error));
    }

    pub(crate) fn stays(&self, error: &CallError, cause: &str) {
        assert!(matches!(error, CallError::Final(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("could not {}; {}", self.attempted, self.remedy));
        assert!(chain(error).contains(cause), "{}", chain(error));
    }
}
