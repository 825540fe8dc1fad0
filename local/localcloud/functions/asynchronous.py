"""Asynchronous invocation: Lambda's queue, its two retries, and the destinations."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends

from localcloud import background
from localcloud.events.bus import publish
from localcloud.events.envelope import wrap
from localcloud.functions.instance import Outcome
from localcloud.functions.pool import Throttled, run
from localcloud.settings import ACCOUNT_ID, REGION, settings
from localcloud.targets import send, service_of

RETRY_WAITS = (60.0, 120.0)
LONGEST_AGE_SECONDS = 21_600


def invoke_asynchronously(function: LambdaFunction, payload: str) -> str:
    """Queue the payload for the function and return the request id, which stays the same in all attempts."""
    invocation = AsynchronousInvocation(function.function_name, payload)
    background.run(invocation.attempt)
    return invocation.request_id


@dataclass
class AsynchronousInvocation:
    """One accepted payload on its way through the attempts."""

    function_name: str
    payload: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    saved: float = 0.0
    """What `wait_scale` has shortened the waits by: the age is judged as if they had been whole."""
    accepted: float = field(default_factory=time.time)

    def attempt(self) -> None:
        """Run the function; on an error try again later, or hand the event to the on-failure destination."""
        try:
            function = lambda_backends[ACCOUNT_ID][REGION].get_function(self.function_name)
        except UnknownFunctionException:
            return
        config = function.event_invoke_config[-1].config if function.event_invoke_config else {}
        if self._age() > int(config.get("MaximumEventAgeInSeconds", LONGEST_AGE_SECONDS)):
            self._conclude(function, config, "EventAgeExceeded", None)
            return
        self.attempts += 1
        try:
            outcome = run(function, self.request_id, self.payload.encode(), attempt=self.attempts, wait=True)
        except Throttled:
            self.attempts -= 1
            self._conclude(function, config, "ZeroReservedConcurrency", None)
            return
        if not outcome.error:
            self._conclude(function, config, "Success", outcome)
        elif self.attempts > int(config.get("MaximumRetryAttempts", len(RETRY_WAITS))):
            self._conclude(function, config, "RetriesExhausted", outcome)
        else:
            pause = RETRY_WAITS[self.attempts - 1]
            self.saved += pause * (1 - settings.wait_scale)
            background.run(self.attempt, at=outcome.ended + pause * settings.wait_scale)

    def _age(self) -> float:
        return time.time() - self.accepted + self.saved

    def _conclude(
        self, function: LambdaFunction, config: dict[str, Any], condition: str, outcome: Outcome | None
    ) -> None:
        from localcloud.permissions.on_behalf import may_hand_over

        kind = "Success" if condition == "Success" else "Failure"
        destination = config.get("DestinationConfig", {}).get(f"On{kind}", {}).get("Destination")
        if not destination or not may_hand_over(function, destination):
            return
        document = self._document(function, condition, outcome)
        if service_of(destination) == "event-bus":
            detail_type = f"Lambda Function Invocation Result - {kind}"
            resources = [destination, f"{function.function_arn}:$LATEST"]
            publish(wrap(detail_type, "lambda", document, resources), destination.rsplit("/", 1)[-1])
        else:
            send(destination, json.dumps(document))

    def _document(self, function: LambdaFunction, condition: str, outcome: Outcome | None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": json.loads(self.payload),
        }
        if outcome:
            document["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
            if outcome.error:
                document["responseContext"]["functionError"] = "Unhandled"
            document["responsePayload"] = json.loads(outcome.payload or b"null")
        return document
