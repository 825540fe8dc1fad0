"""Templates: their text as YAML or JSON, and what they declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from botocore.exceptions import ClientError

from localcloud.clients import client
from localcloud.cloudformation.errors import InvalidTemplate

SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
}
LONGEST_BODY = 51_200
LONGEST_OBJECT = 1_048_576

Content = dict[str, Any]


@dataclass(frozen=True)
class Declaration:
    """A resource as a template declares it."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    condition: str | None
    depends_on: tuple[str, ...]
    deletion_policy: str
    update_replace_policy: str


_Fastest: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Fastest):
    """YAML as CloudFormation reads it: `!Ref` and its like, and dates that stay text."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag in ("Ref", "Condition"):
        return {tag: value}
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _short_form)


def parse(text: str) -> Content:
    """Read a template; what is wrong with its form is an InvalidTemplate."""
    content = parse_snippet(text)
    if not isinstance(content, dict):
        raise InvalidTemplate("Template format error: unsupported structure.")
    if unknown := content.keys() - SECTIONS:
        raise InvalidTemplate(f"Invalid template property or properties [{', '.join(sorted(unknown))}]")
    resources = content.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise InvalidTemplate("Template format error: At least one Resources member must be defined.")
    for name, resource in resources.items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise InvalidTemplate(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a Type"
                " member."
            )
    return content


def parse_snippet(text: str) -> Any:
    """Read YAML or JSON with CloudFormation's short forms."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        where = " ".join(str(error).split())
        raise InvalidTemplate(f"Template format error: YAML not well-formed. ({where})") from None


def body_of(request: dict[str, Any], previous: str | None = None) -> str:
    """Return the text of the template that a request brings, points at, or takes over from before."""
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if request.get("UsePreviousTemplate"):
        if body or url:
            raise InvalidTemplate(
                "You cannot specify both usePreviousTemplate and Template Body/Template URL."
            )
        if previous is None:
            raise InvalidTemplate("There is no previous template to use.")
        return previous
    if bool(body) == bool(url):
        raise InvalidTemplate("Either Template URL or Template Body must be specified.")
    if url:
        return _bounded(read_object(url), LONGEST_OBJECT)
    return _bounded(body, LONGEST_BODY)


def _bounded(text: str, limit: int) -> str:
    if len(text.encode()) > limit:
        raise InvalidTemplate(
            f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must"
            f" have length less than or equal to {limit}"
        )
    return text


def read_object(url: str) -> str:
    """Return the text of an object in S3, by its `s3://` or `http(s)://` address."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    if parts.scheme == "s3":
        bucket, key = parts.netloc, path
    elif ".s3." in host or ".s3-" in host:
        bucket, key = host.split(".s3", 1)[0], path
    else:
        bucket, _, key = path.partition("/")
    version = {"VersionId": query["versionId"]} if "versionId" in query else {}
    try:
        return client("s3").get_object(Bucket=bucket, Key=key, **version)["Body"].read().decode()
    except ClientError as error:
        raise InvalidTemplate(f"S3 error: {url}: {error.response['Error']['Message']}") from None
    except UnicodeDecodeError:
        raise InvalidTemplate(f"The object {url} is not text.") from None


def declarations(content: Content) -> dict[str, Declaration]:
    """Return the declared resources by their logical ids."""
    return {name: _declaration(name, resource) for name, resource in content["Resources"].items()}


def _declaration(name: str, resource: dict[str, Any]) -> Declaration:
    depends_on = resource.get("DependsOn", ())
    return Declaration(
        logical_id=name,
        type=resource["Type"],
        properties=resource.get("Properties") or {},
        condition=resource.get("Condition"),
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        deletion_policy=resource.get("DeletionPolicy", "Delete"),
        update_replace_policy=resource.get("UpdateReplacePolicy", "Delete"),
    )


def transforms(content: Content) -> list[str]:
    """Return the macros that the template declares."""
    declared = content.get("Transform") or []
    declared = declared if isinstance(declared, list) else [declared]
    names = [item["Name"] if isinstance(item, dict) else item for item in declared]
    return names + ["AWS::Include"] * any(True for _ in includes(content))


def includes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in which `Fn::Transform` stands."""
    if isinstance(value, dict):
        if "Fn::Transform" in value:
            yield value
        for item in value.values():
            yield from includes(item)
    elif isinstance(value, list):
        for item in value:
            yield from includes(item)
