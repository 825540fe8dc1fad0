"""The environment that a function's process gets: what the stack gives it, and what Lambda adds."""

from __future__ import annotations

import os
from pathlib import Path

from moto.awslambda.models import LambdaFunction

from localcloud import clock
from localcloud.binaries import binary_of
from localcloud.principals import credentials_of
from localcloud.settings import REGION, settings

INHERITED = ("PATH", "LD_LIBRARY_PATH", "RUST_BACKTRACE")


def stack_environment(function: LambdaFunction) -> dict[str, str]:
    """Return the function's variables as the stack set them, with our endpoint and the role's credentials.

    A certificate bundle that Lambda's image has and this machine lacks is left out.
    """
    variables = {name: str(value) for name, value in (function.environment_vars or {}).items()}
    if not Path(variables.get("SSL_CERT_FILE", "/")).exists():
        del variables["SSL_CERT_FILE"]
    credentials = credentials_of(function.role, session_name=function.function_name)
    return {
        **variables,
        **{name.upper(): value for name, value in credentials.items()},
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": settings.endpoint_url,
    }


def process_environment(function: LambdaFunction, runtime_api: str) -> dict[str, str]:
    """Return the whole environment of a process that serves the function."""
    return {
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **stack_environment(function),
        **clock.environment(),
        "_HANDLER": str(function.handler),
        "LAMBDA_TASK_ROOT": str(binary_of(function).parent),
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }
