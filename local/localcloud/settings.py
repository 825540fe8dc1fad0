"""What the running local cloud is: its account and Region, and how it was started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ACCOUNT_ID = "123456789012"
REGION = "eu-central-1"
PARTITION = "aws"

ADMINISTRATOR = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
"""Credentials of whoever uses the local cloud from outside; the journal calls them the account's root."""


@dataclass
class Settings:
    """The options of this start. There is one running cloud per process, because moto's state is global."""

    endpoint_url: str = ""
    binaries: Path = Path("target/debug")
    wait_scale: float = 1.0
    """Factor on AWS's own waits (retries of Lambda and EventBridge): 0.01 turns a minute into 0.6 seconds."""
    concurrency: int = 10
    """How many instances of one function may run at once, unless its reserved concurrency says less."""


settings = Settings()
