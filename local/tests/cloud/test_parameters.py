"""Parameter Store: what it refuses, its pages, and what the bus hears of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION

_numbers = count(1)


@pytest.fixture
def folder(cloud: LocalCloud) -> str:
    """A path of the test's own."""
    return f"/mend/test{next(_numbers)}"


def put(name: str, value: str = "x", **request: Any) -> None:
    client("ssm").put_parameter(Name=name, Value=value, **{"Type": "String", **request})


def refusal(name: str, value: str = "x", **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        put(name, value, **request)
    return refused.value.response["Error"]["Code"]


def details(watch: Any, number: int) -> list[dict[str, str]]:
    entries = watch.wait("event", number, bus="default")
    assert {entry["event"]["detail-type"] for entry in entries} == {"Parameter Store Change"}
    return [entry["event"]["detail"] for entry in entries]


def test_changes_are_events(folder: str, watch: Any):
    name = f"{folder}/kill-switch"
    put(name, "released", Description="Stops everything")
    put(name, "engaged", Overwrite=True)
    client("ssm").delete_parameter(Name=name)
    said = {"name": name, "type": "String", "description": "Stops everything"}
    assert details(watch, 3) == [
        {"operation": operation, **said} for operation in ("Create", "Update", "Delete")
    ]
    event = watch.wait("event")[0]["event"]
    assert event["source"] == "aws.ssm"
    assert event["resources"] == [f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter{name}"]


def test_several_deleted_at_once_are_an_event_each(folder: str, watch: Any):
    names = [f"{folder}/a", f"{folder}/b"]
    for name in names:
        put(name)
    answer = client("ssm").delete_parameters(Names=[*names, f"{folder}/gone"])
    assert (answer["DeletedParameters"], answer["InvalidParameters"]) == (names, [f"{folder}/gone"])
    deleted = details(watch, 4)[2:]
    assert [(each["operation"], each["name"]) for each in deleted] == [("Delete", name) for name in names]


def test_a_label_is_an_event_and_a_plain_name_has_no_slash(cloud: LocalCloud, watch: Any):
    put("plain")
    client("ssm").label_parameter_version(Name="plain", Labels=["stable"])
    assert [each["operation"] for each in details(watch, 2)] == ["Create", "LabelParameterVersion"]
    event = watch.wait("event")[0]["event"]
    assert event["resources"] == [f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/plain"]
    client("ssm").delete_parameter(Name="plain")


def test_what_is_refused_is_no_event(folder: str, watch: Any):
    put(f"{folder}/once")
    assert refusal(f"{folder}/once") == "ParameterAlreadyExists"
    assert refusal(f"{folder}/once", Overwrite=False) == "ParameterAlreadyExists"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        client("ssm").delete_parameter(Name=f"{folder}/gone")
    assert len(details(watch, 1)) == len(watch.entries("event")) == 1


def test_of_all_who_put_at_once_one_creates(folder: str):
    def create(number: int) -> str | None:
        try:
            put(f"{folder}/breaker", f"open: {number}", Overwrite=False)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(create, range(64)))
    assert sorted(answer or "" for answer in answers) == ["", *["ParameterAlreadyExists"] * 63]
    assert client("ssm").get_parameter(Name=f"{folder}/breaker")["Parameter"]["Version"] == 1


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("/mend/sg:1", "x", "ValidationException"),
        ("mend/dev/mode", "x", "ValidationException"),
        ("/mend//dev", "x", "ValidationException"),
        ("/a" * 16, "x", "HierarchyLevelLimitExceededException"),
        ("/mend/nested", "{{ other }}", "ValidationException"),
        ("/mend/long", "x" * 4_097, "ValidationException"),
    ],
)
def test_what_parameter_store_does_not_hold_is_refused(cloud: LocalCloud, name: str, value: str, code: str):
    assert refusal(name, value) == code


def test_a_parameter_keeps_its_type_and_its_pattern(folder: str):
    name = f"{folder}/mode"
    put(name, "observe", AllowedPattern="^(off|observe)$")
    assert refusal(name, "enforce", Overwrite=True) == "ParameterPatternMismatchException"
    assert refusal(name, "off", Overwrite=True, Type="StringList") == "HierarchyTypeMismatchException"
    put(name, "off", Overwrite=True)


def test_a_path_is_read_page_by_page(folder: str):
    names = [f"{folder}/exemptions/route/{number:02}" for number in range(20)]
    for name in [*names, f"{folder}/kill-switch", f"{folder}s/other"]:
        put(name)
    ssm = client("ssm")

    def pages(path: str, **request: Any) -> list[list[str]]:
        found = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, **request)
        return [[parameter["Name"] for parameter in page["Parameters"]] for page in found]

    everything = pages(f"{folder}/", Recursive=True)
    assert [len(page) for page in everything] == [10, 10, 1]
    assert sorted(name for page in everything for name in page) == [*names, f"{folder}/kill-switch"]
    assert pages(folder) == [[f"{folder}/kill-switch"]]
    assert [len(page) for page in pages(f"{folder}/exemptions/route")] == [10, 10]
    smaller = pages(f"{folder}/exemptions", Recursive=True, PaginationConfig={"PageSize": 7})
    assert [len(page) for page in smaller] == [7, 7, 6]
    assert pages(f"{folder}/nothing") == [[]]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Path": "mend"}, "ValidationException"),
        ({"Path": "/mend", "NextToken": "gone"}, "InvalidNextToken"),
    ],
)
def test_paths_and_tokens_are_checked(cloud: LocalCloud, request_: dict[str, str], code: str):
    with pytest.raises(ClientError) as refused:
        client("ssm").get_parameters_by_path(**request_)
    assert refused.value.response["Error"]["Code"] == code
