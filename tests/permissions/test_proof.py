"""What the proof makes of a template and of what was seen, and what the page makes of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from localcloud.permissions.grants import Template, grants
from localcloud.permissions.page import page
from localcloud.permissions.proof import Proof, UnusedGrant, Use, prove
from localcloud.permissions.seen import Seen


def role(service: str, *statements: dict[str, Any]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policies = [{"PolicyName": "run", "PolicyDocument": {"Statement": list(statements)}}]
    properties = {
        "Description": f"What {service} may do.",
        "AssumeRolePolicyDocument": {"Statement": [trust]},
        "Policies": policies if statements else [],
    }
    return {"Type": "AWS::IAM::Role", "Properties": properties}


READ = {
    "Sid": "ReadLedger",
    "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:Query"],
    "Resource": [{"Fn::GetAtt": ["Ledger", "Arn"]}, {"Fn::Sub": "${Ledger.Arn}/index/*"}],
    "Condition": {"StringEquals": {"aws:RequestedRegion": {"Ref": "AWS::Region"}}},
}
START = {
    "Sid": "StartRunbooks",
    "Effect": "Allow",
    "Action": "ssm:StartAutomationExecution",
    "Resource": [
        {"Fn::Sub": f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:document/{name}"}
        for name in ("Mend-Close", "Mend-Block")
    ],
}
TEMPLATE: Template = {
    "Resources": {
        "RunbookRole": role("ssm.amazonaws.com", READ),
        "FirstRole": role("lambda.amazonaws.com"),
        "SecondRole": role("lambda.amazonaws.com"),
        "Shared": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "shared",
                "Roles": [{"Ref": "FirstRole"}, {"Ref": "SecondRole"}],
                "PolicyDocument": {"Statement": [START]},
            },
        },
        "Runbook": {"Type": "AWS::SSM::Document", "Properties": {"Name": "Mend-Close"}},
    }
}

LOOK = Seen(
    stack="mend-dev",
    role="RunbookRole",
    action="dynamodb:GetItem",
    operation="dynamodb:GetItem",
    by="Mend-Close",
    step="Look",
    allowed_by=(("run", "ReadLedger", 0),),
)


def start(role: str, position: int) -> Seen:
    action = "ssm:StartAutomationExecution"
    return Seen("mend-dev", role, action, action, role, "", (("shared", "StartRunbooks", position),))


def unused(proof: Proof, role: str) -> list[tuple[str, str]]:
    return [(grant.action, grant.resource) for grant in proof.unused() if grant.role == role]


def test_grants_are_told_as_a_reader_understands_them():
    first = grants(TEMPLATE)[0]
    assert (first.role, first.policy, first.sid, first.action) == (
        "RunbookRole",
        "run",
        "ReadLedger",
        "dynamodb:GetItem",
    )
    assert [grant.resource for grant in grants(TEMPLATE)] == [
        *["Ledger", "Ledger/index/*"] * 2,
        *["ssm: document/Mend-Close", "ssm: document/Mend-Block"] * 2,
    ]
    assert first.condition == "aws:RequestedRegion StringEquals <region>"


def test_what_was_not_seen_is_unused_action_by_action_and_resource_by_resource():
    assert unused(prove(TEMPLATE, [LOOK]), "RunbookRole") == [
        ("dynamodb:GetItem", "Ledger/index/*"),
        ("dynamodb:Query", "Ledger"),
        ("dynamodb:Query", "Ledger/index/*"),
    ]


def test_a_policy_of_several_roles_is_written_for_what_they_do_together():
    nobody = ["ssm: document/Mend-Close", "ssm: document/Mend-Block"]
    action = "ssm:StartAutomationExecution"
    one = prove(TEMPLATE, [start("FirstRole", 0)])
    assert unused(one, "FirstRole") == [(action, "ssm: document/Mend-Block")]
    assert unused(one, "SecondRole") == [(action, resource) for resource in nobody]
    both = prove(TEMPLATE, [start("FirstRole", 0), start("SecondRole", 1)])
    assert unused(both, "FirstRole") == unused(both, "SecondRole") == []


@pytest.mark.parametrize("by", ["Mend-Test1", "Mend-CloseAll"])
def test_what_a_runbook_of_a_test_does_is_no_reason_for_a_grant(by):
    proof = prove(TEMPLATE, [replace(LOOK, by=by)])
    assert ("dynamodb:GetItem", "Ledger") in unused(proof, "RunbookRole")


def test_what_a_child_of_aws_does_is_one():
    proof = prove(TEMPLATE, [replace(LOOK, by="AWSConfigRemediation-EnableKeyRotation")])
    assert ("dynamodb:GetItem", "Ledger") not in unused(proof, "RunbookRole")


def test_what_was_refused_is_a_problem_whoever_did_it():
    refused = replace(LOOK, by="Mend-Test1", allowed_by=(), problem="User: x is not authorized")
    assert prove(TEMPLATE, [refused]).problems == [
        "RunbookRole (Mend-Test1, step Look): dynamodb:GetItem: User: x is not authorized"
    ]


def test_stacks_of_other_templates_prove_nothing():
    assert not prove(TEMPLATE, [replace(LOOK, role="Role", problem="not authorized")]).problems


def test_an_exception_covers_what_it_names():
    entry = UnusedGrant("RunbookRole", "ReadLedger", "because", actions=("dynamodb:Query",))
    covered = [(grant.action, grant.resource) for grant in grants(TEMPLATE) if entry.covers(grant)]
    assert covered == [("dynamodb:Query", "Ledger"), ("dynamodb:Query", "Ledger/index/*")]
    entry = replace(entry, resources=("Ledger",))
    assert [grant.resource for grant in grants(TEMPLATE) if entry.covers(grant)] == ["Ledger"]


def test_the_page_says_who_may_what_on_what_and_why():
    exception = UnusedGrant("RunbookRole", "ReadLedger", "people ask for it", ("dynamodb:Query",))
    seen = [LOOK, replace(LOOK, step="LookAgain"), start("FirstRole", 0), start("SecondRole", 1)]
    text = page(TEMPLATE, prove(TEMPLATE, seen), [exception])
    condition = "`aws:RequestedRegion StringEquals <region>`"
    rows = [line for line in text.splitlines() if "dynamodb" in line]
    assert rows == [
        f"| read ledger | `dynamodb:GetItem` | `Ledger` | {condition} | Mend-Close: Look, LookAgain |",
        f"|  | `dynamodb:GetItem` | `Ledger/index/*` | {condition} | *not seen:* nobody knows why |",
        f"|  | `dynamodb:Query` | `Ledger`, `Ledger/index/*` | {condition} | *not seen:* people ask for it |",
    ]
    assert text.index("## Functions") < text.index("### FirstRole") < text.index("## Runbooks")
    assert "| `ssm: document/Mend-Close`, `ssm: document/Mend-Block` |" in text


def test_the_page_does_not_depend_on_what_is_seen_by_chance():
    chance = UnusedGrant(
        "RunbookRole", "ReadLedger", "who loses reads", actions=("dynamodb:GetItem",), sometimes=True
    )
    decrypts = replace(LOOK, action="dynamodb:Query")
    pages = {page(TEMPLATE, prove(TEMPLATE, seen), [chance]) for seen in ([], [LOOK], [LOOK, decrypts])}
    assert len(pages) == 1
    assert "*not always seen:* who loses reads" in pages.pop()


def test_what_is_seen_by_chance_of_some_resources_hides_nothing_of_the_others():
    chance = UnusedGrant(
        "RunbookRole", "ReadLedger", "who lists", ("dynamodb:GetItem",), ("Ledger/index/*",), sometimes=True
    )
    text = page(TEMPLATE, prove(TEMPLATE, [LOOK]), [chance])
    needed = [line.split("|")[-2].strip() for line in text.splitlines() if "dynamodb:GetItem" in line]
    assert needed == ["Mend-Close: Look", "*not always seen:* who lists"]


def test_the_page_does_not_depend_on_the_order_in_which_things_were_seen():
    seen = [LOOK, replace(LOOK, step="LookAgain"), replace(LOOK, by="AWS-Child"), start("FirstRole", 0)]
    pages = {page(TEMPLATE, prove(TEMPLATE, order), []) for order in (seen, seen[::-1], seen * 2)}
    assert len(pages) == 1


def test_uses_of_a_grant_name_who_and_where():
    proof = prove(TEMPLATE, [LOOK])
    assert proof.uses_of(proof.grants[0]) == {Use("Mend-Close", "Look", "dynamodb:GetItem")}
