"""Deploys the project's own template into the local cloud: SAM transform, runbooks, stack."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from localcloud.clients import client
from localcloud.settings import REGION, settings

CODE_BUCKET = "local-cloud-code"


class DeployError(Exception):
    """The template cannot be deployed; the text says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """What a deployment made."""

    name: str
    outputs: dict[str, str]
    functions: dict[str, str]
    """Function names by the names of their cargo packages."""


def deploy(template_path: Path, stack_name: str, parameters: dict[str, str]) -> Stack:
    """Create the stack. Parameters that the template does not declare are an error, as on AWS."""
    template = _read(template_path)
    if unknown := parameters.keys() - template.get("Parameters", {}).keys():
        raise DeployError(f"{template_path} declares no parameter {', '.join(sorted(unknown))}.")
    _include(template, template_path.parent)
    packages = _place_code(template, template_path)
    stack = _create(_transformed(template, template_path), template_path, stack_name, parameters, packages)
    _release(stack)
    return stack


def _release(stack: Stack) -> None:
    """Do what an operator does once, after the first deployment: release the kill switch."""
    if name := stack.outputs.get("KillSwitchParameterName"):
        client("ssm").put_parameter(Name=name, Type="String", Value="released")


def _read(path: Path) -> dict[str, Any]:
    try:
        template = yaml_parse(path.read_text())
    except OSError as error:
        raise DeployError(f"The template {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DeployError(f"The template {path} is not YAML: {error}") from None
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise DeployError(f"The template {path} has no Resources.")
    return template


def _include(template: dict[str, Any], root: Path) -> None:
    """Put runbooks in place of `AWS::Include`, which moto does not know, as JSON text, which it keeps."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties") or {}
        content = properties.get("Content")
        if resource.get("Type") != "AWS::SSM::Document" or not isinstance(content, dict):
            continue
        include = content.get("Fn::Transform")
        if include:
            path = root / include["Parameters"]["Location"]
            try:
                content = yaml.safe_load(path.read_text())
            except (OSError, yaml.YAMLError) as error:
                raise DeployError(f"The document of {name}, {path}, cannot be read: {error}") from None
        properties |= {"Content": json.dumps(content, default=str), "DocumentFormat": "JSON"}


def _place_code(template: dict[str, Any], template_path: Path) -> dict[str, str]:
    """Point each function's code at an object named like its cargo package, and look for its binary."""
    packages = {}
    for name, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::Serverless::Function":
            continue
        code = resource["Properties"].get("CodeUri")
        if not isinstance(code, str):
            raise DeployError(f"{template_path}: {name} needs a CodeUri, the folder of its cargo package.")
        package = packages[name] = Path(code).name
        resource["Properties"]["CodeUri"] = {"Bucket": CODE_BUCKET, "Key": package}
    missing = [p for p in packages.values() if not os.access(settings.binaries / p, os.X_OK)]
    if missing:
        raise DeployError(
            f"There is no {' and no '.join(missing)} in {settings.binaries}. Build the functions with"
            " `cargo build`, or name the folder of their binaries with --binaries."
        )
    return packages


def _transformed(template: dict[str, Any], path: Path) -> dict[str, Any]:
    class NoManagedPolicies:
        @staticmethod
        def load() -> dict[str, str]:
            return {}

    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        return transform(template, {}, NoManagedPolicies())
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise DeployError(f"The SAM template {path} is not valid: {causes}") from None


def _create(
    template: dict[str, Any],
    path: Path,
    stack_name: str,
    parameters: dict[str, str],
    packages: dict[str, str],
) -> Stack:
    s3 = client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for package in packages.values():
        s3.put_object(Bucket=CODE_BUCKET, Key=package, Body=b"The local cloud runs the built binary.")
    cloudformation = client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=stack_name,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        reason = error.response["Error"]["Message"]
        raise DeployError(f"CloudFormation refused {path}: {reason}") from None

    def physical_name(logical_name: str) -> str:
        resource = cloudformation.describe_stack_resource(
            StackName=stack_name, LogicalResourceId=logical_name
        )
        return resource["StackResourceDetail"]["PhysicalResourceId"]

    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    return Stack(
        name=stack_name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        functions={package: physical_name(logical) for logical, package in packages.items()},
    )
