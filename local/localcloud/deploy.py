"""Deploys the project's own template into the local cloud as `sam deploy` does: package, plan, execute."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localcloud import journal
from localcloud.binaries import pack
from localcloud.clients import client
from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.template import includes, parse
from localcloud.settings import REGION, settings

CODE_BUCKET = "local-cloud-code"
CHANGE_SET = "local-cloud"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class DeployError(Exception):
    """The template cannot be deployed; the text says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """What a deployment made."""

    name: str
    outputs: dict[str, str]
    functions: dict[str, str]
    """Function names by the names of their cargo packages."""


def runs(function: str) -> int:
    """Return how often a function has run."""
    return sum(entry["function"] == function for entry in journal.entries(0, "invocation"))


def wait_for_first_run(function: str, times: int = 1, seconds: float = 30.0) -> None:
    """Wait until a function has run so often that its schedule and the switches invoke by themselves."""
    seen = 0
    while runs(function) < times:
        entries = journal.wait(seen, seconds)
        if not entries:
            raise DeployError(f"{function} has not run {times} times within {seconds:.0f} seconds")
        seen = entries[-1]["seq"]


def deploy(template_path: Path, stack_name: str, parameters: dict[str, str]) -> Stack:
    """Create or update the stack. A parameter that the template does not declare is an error, as on AWS."""
    template = _read(template_path)
    s3 = client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    _package_snippets(template, template_path.parent)
    packages = _package_code(template, template_path)
    _bring_about(template, template_path, stack_name, parameters)
    stack = _described(stack_name, packages)
    _release(stack)
    return stack


def _release(stack: Stack) -> None:
    """Do what an operator does once, after the first deployment: release the kill switch."""
    if name := stack.outputs.get("KillSwitchParameterName"):
        ssm = client("ssm")
        with contextlib.suppress(ssm.exceptions.ParameterAlreadyExists):
            ssm.put_parameter(Name=name, Type="String", Value="released")


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse(path.read_text())
    except OSError as error:
        raise DeployError(f"The template {path} cannot be read: {error.strerror}.") from None
    except InvalidTemplate as error:
        raise DeployError(f"The template {path} is not valid: {error.message}") from None


def _package_snippets(template: dict[str, Any], root: Path) -> None:
    """Upload what `AWS::Include` names, and name it by its place in S3."""
    for place in includes(template):
        parameters = place["Fn::Transform"].get("Parameters") or {}
        location = parameters.get("Location")
        if not isinstance(location, str) or "://" in location:
            continue
        try:
            text = (root / location).read_bytes()
        except OSError as error:
            raise DeployError(f"The snippet {root / location} cannot be read: {error.strerror}.") from None
        parameters["Location"] = _upload(location, text)


def _package_code(template: dict[str, Any], template_path: Path) -> dict[str, str]:
    """Upload code that runs the built binary of each function's cargo package."""
    packages = {}
    for name, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::Serverless::Function":
            continue
        code = resource["Properties"].get("CodeUri")
        if not isinstance(code, str):
            raise DeployError(f"{template_path}: {name} needs a CodeUri, the folder of its cargo package.")
        packages[name] = Path(code).name
    missing = [p for p in packages.values() if not os.access(settings.binaries / p, os.X_OK)]
    if missing:
        raise DeployError(
            f"There is no {' and no '.join(missing)} in {settings.binaries}. Build the functions with"
            " `cargo build`, or name the folder of their binaries with --binaries."
        )
    for name, package in packages.items():
        location = _upload(f"{package}.zip", pack(settings.binaries / package))
        template["Resources"][name]["Properties"]["CodeUri"] = location
    return packages


def _upload(key: str, body: bytes) -> str:
    client("s3").put_object(Bucket=CODE_BUCKET, Key=key, Body=body)
    return f"s3://{CODE_BUCKET}/{key}"


def _bring_about(template: dict[str, Any], path: Path, stack_name: str, parameters: dict[str, str]) -> None:
    cloudformation = client("cloudformation")
    _upload(path.name, json.dumps(template).encode())
    try:
        change_set = cloudformation.create_change_set(
            StackName=stack_name,
            ChangeSetName=CHANGE_SET,
            ChangeSetType="CREATE" if _status(stack_name) in (None, "REVIEW_IN_PROGRESS") else "UPDATE",
            TemplateURL=f"{settings.endpoint_url}/{CODE_BUCKET}/{path.name}",
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=CAPABILITIES,
        )["Id"]
        described = cloudformation.describe_change_set(ChangeSetName=change_set)
        if described["Status"] == "FAILED":
            cloudformation.delete_change_set(ChangeSetName=change_set)
            if "didn't contain changes" in described["StatusReason"]:
                return
            raise DeployError(f"CloudFormation refused {path}: {described['StatusReason']}")
        cloudformation.execute_change_set(ChangeSetName=change_set)
    except ClientError as error:
        reason = error.response["Error"]["Message"]
        raise DeployError(f"CloudFormation refused {path}: {reason}") from None
    if _status(stack_name) not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"CloudFormation could not deploy {path}: {_first_failure(stack_name)}")


def _status(stack_name: str) -> str | None:
    """Return the status of the stack, if it exists."""
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    found = (stack for page in pages for stack in page["Stacks"] if stack["StackName"] == stack_name)
    return next((stack["StackStatus"] for stack in found), None)


def _first_failure(stack_name: str) -> str:
    """Return what the stack's last operation stumbled over first."""
    pages = client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack_name)
    failures = [e for page in pages for e in page["StackEvents"] if e["ResourceStatus"].endswith("_FAILED")]
    latest = failures[0]
    return f"{latest['LogicalResourceId']} ({latest['ResourceType']}): {latest.get('ResourceStatusReason')}"


def _described(stack_name: str, packages: dict[str, str]) -> Stack:
    cloudformation = client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
    return Stack(
        name=stack_name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        functions={package: names[logical] for logical, package in packages.items() if logical in names},
    )
