"""The transforms that AWS hosts: `AWS::Include` and SAM's."""

from __future__ import annotations

import copy
import logging
import os
from typing import Any

from moto.iam.models import iam_backends
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

from localcloud.cloudformation.errors import InvalidTemplate
from localcloud.cloudformation.template import Content, includes, parse_snippet, read_object
from localcloud.settings import ACCOUNT_ID, PARTITION, REGION

# It measures itself, publishes nothing, and warns of that each time.
logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)

INCLUDE = "AWS::Include"
SERVERLESS = "AWS::Serverless-2016-10-31"


def expanded(content: Content, parameters: dict[str, Any]) -> Content:
    """Return the template as it is after its transforms."""
    result = copy.deepcopy(content)
    for place in list(includes(result)):
        _include(place, parameters)
    declared = result.pop("Transform", None) or []
    for macro in declared if isinstance(declared, list) else [declared]:
        if macro == SERVERLESS:
            result = _serverless(result, parameters)
        else:
            name = macro.get("Name") if isinstance(macro, dict) else macro
            raise InvalidTemplate(f"No transform named {name} found: the local cloud has {SERVERLESS}.")
    return result


def _include(place: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Put the named snippet in the place of `Fn::Transform`, beside what stands there already."""
    macro = place.pop("Fn::Transform")
    if macro.get("Name") != INCLUDE:
        raise InvalidTemplate(f"No transform named {macro.get('Name')} found: the local cloud has {INCLUDE}.")
    location = (macro.get("Parameters") or {}).get("Location")
    if isinstance(location, dict) and location.keys() == {"Ref"}:
        location = parameters.get(location["Ref"])
    if not isinstance(location, str) or "://" not in location:
        raise InvalidTemplate(
            f"Transform {INCLUDE} failed with: The location parameter is not a valid S3 uri: {location}"
        )
    try:
        snippet = parse_snippet(read_object(location))
    except InvalidTemplate as error:
        raise InvalidTemplate(f"Transform {INCLUDE} failed with: {error.message}") from None
    if not isinstance(snippet, dict):
        raise InvalidTemplate(
            f"Transform {INCLUDE} failed with: {location} is no object of names and values."
        )
    place |= snippet


def _serverless(content: Content, parameters: dict[str, Any]) -> Content:
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        result = transform({**content, "Transform": SERVERLESS}, dict(parameters), _ManagedPolicies())
    except InvalidDocumentException as error:
        causes = " ".join(cause.message for cause in error.causes)
        raise InvalidTemplate(f"Transform {SERVERLESS} failed with: {error.message} {causes}") from None
    result.pop("Transform", None)
    return result


class _ManagedPolicies:
    """The ARNs of AWS's managed policies, by their names."""

    @staticmethod
    def load() -> dict[str, str]:
        policies = iam_backends[ACCOUNT_ID][PARTITION].managed_policies.values()
        return {policy.name: policy.arn for policy in policies if ":aws:policy/" in policy.arn}
