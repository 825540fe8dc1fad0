"""Admin ports, closed and restored step by step in the local cloud, judged by the group before and after."""

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from moto.ec2.exceptions import InvalidPermissionDuplicateError, InvalidPermissionNotFoundError
from moto.ec2.models.security_groups import SecurityGroupBackend

CLOSE, RESTORE = "Mend-CloseAdminPorts", "Mend-RestoreAdminPorts"

OPEN_IPV4 = {"CidrIp": "0.0.0.0/0", "Description": "{{ global:ACCOUNT_ID }}; until friday"}
OPEN_IPV6 = {"CidrIpv6": "::/0", "Description": "ipv6"}
OFFICE = {"CidrIp": "203.0.113.0/24", "Description": "office"}


@pytest.fixture
def make_group(cloud):
    """Return a function that creates a security group with these inbound permissions."""

    def make(*permissions: dict[str, Any]) -> str:
        ec2 = client("ec2")
        group_id = ec2.create_security_group(GroupName=uuid.uuid4().hex, Description="test")["GroupId"]
        if permissions:
            ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permissions)
        return group_id

    return make


def tcp(
    first: int, last: int, *ipv4: dict[str, str], ipv6: tuple[dict[str, str], ...] = ()
) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp",
        "FromPort": first,
        "ToPort": last,
        "IpRanges": [*ipv4],
        "Ipv6Ranges": [*ipv6],
    }


def state(group_id: str) -> list[str]:
    """Return everything about a group's rules, in both directions, but for the ids of the rules."""
    rules = client("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    ids = ("SecurityGroupRuleId", "SecurityGroupRuleArn")
    return sorted(
        json.dumps({key: value for key, value in rule.items() if key not in ids}, sort_keys=True)
        for rule in rules["SecurityGroupRules"]
    )


def inbound(group_id: str) -> set[tuple[Any, ...]]:
    """Return protocol, ports, source and description of the inbound rules."""
    rules = client("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    keys = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
    return {
        (
            rule["IpProtocol"],
            rule["FromPort"],
            rule["ToPort"],
            next(str(rule[key]) for key in keys if rule.get(key)),
            rule.get("Description"),
        )
        for rule in rules["SecurityGroupRules"]
        if not rule["IsEgress"]
    }


def mixed_group(make_group) -> str:
    """Return a group that breaks the rule in every way, beside rules that must survive."""
    other = make_group()
    return make_group(
        tcp(22, 22, OPEN_IPV4, OFFICE, ipv6=(OPEN_IPV6,)),
        tcp(3000, 4000, OPEN_IPV4),
        {
            "IpProtocol": "-1",
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}],
            "Ipv6Ranges": [OPEN_IPV6],
            "UserIdGroupPairs": [{"GroupId": other, "Description": "peers"}],
        },
        {
            "IpProtocol": "tcp",
            "FromPort": 3389,
            "ToPort": 3389,
            "PrefixListIds": [{"PrefixListId": "pl-0123456789"}],
        },
        tcp(443, 443, {"CidrIp": "0.0.0.0/0", "Description": "website"}),
        {"IpProtocol": "udp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [OPEN_IPV4]},
    )


def test_a_violation_is_closed_and_undone_exactly(run, undo, make_group):
    group_id = mixed_group(make_group)
    before, wanted = state(group_id), inbound(group_id)

    closed = run(CLOSE, SecurityGroupId=group_id)
    assert closed.status == "Success", closed.failure
    assert closed.conclusion["Outcome"] == "Remediated"
    expected = {
        rule
        for rule in wanted
        if rule[3] not in ("0.0.0.0/0", "::/0") or rule[:2] in {("tcp", 443), ("udp", 3389)}
    }
    expected |= {
        ("tcp", *ports, "0.0.0.0/0", OPEN_IPV4["Description"]) for ports in ((3000, 3388), (3390, 4000))
    }
    expected |= {("tcp", *ports, "::/0", "ipv6") for ports in ((0, 21), (23, 3388), (3390, 65535))}
    expected |= {("udp", 0, 65535, "::/0", "ipv6"), ("icmpv6", -1, -1, "::/0", "ipv6")}
    kept = ("2", "4", "41", "47", "50", "51", "89", "112", "132")
    expected |= {(protocol, -1, -1, "::/0", "ipv6") for protocol in kept}
    assert inbound(group_id) == expected

    restored = undo(RESTORE, closed)
    assert restored.status == "Success", restored.failure
    assert restored.conclusion["Outcome"] == "Restored"
    assert state(group_id) == before

    again = undo(RESTORE, closed)
    assert again.conclusion["Outcome"] == "AlreadyRestored"
    assert not {"AuthorizeOriginalRules", "RevokeNarrowerRules"} & set(again.steps)
    assert state(group_id) == before


def test_only_the_declared_actions_are_called_and_all_by_the_role(run, undo, make_group, calls_of_role):
    undo(RESTORE, run(CLOSE, SecurityGroupId=make_group(tcp(20, 25, OPEN_IPV4))))
    assert calls_of_role() == {
        ("ec2", "DescribeSecurityGroups"),
        ("ec2", "DescribeSecurityGroupRules"),
        ("ec2", "AuthorizeSecurityGroupIngress"),
        ("ec2", "RevokeSecurityGroupIngress"),
        ("dynamodb", "GetItem"),
        ("ssm", "PutParameter"),
    }


def test_what_was_there_is_recorded_before_anything_changes(run, make_group):
    group_id = make_group(tcp(22, 22, OPEN_IPV4))
    execution = run(CLOSE, SecurityGroupId=group_id)
    order = [step["StepName"] for step in execution.all_steps if step["StepStatus"] != "Pending"]
    assert order == [
        "LookAtGroup",
        "LookAtRules",
        "SelectRules",
        "ChooseChange",
        "RevokeOpenRules",
        "LookAgain",
        "Verify",
        "Conclude",
    ]
    [select] = [step for step in execution.all_steps if step["StepName"] == "SelectRules"]
    assert select["Outputs"]["BeforeState"][0] == execution.conclusion["BeforeState"]
    [removed] = json.loads(execution.conclusion["BeforeState"])["Removed"]
    assert (removed["CidrIpv4"], removed["Description"]) == ("0.0.0.0/0", OPEN_IPV4["Description"])


def test_a_compliant_group_is_left_alone(run, make_group):
    group_id = make_group(tcp(22, 22, OFFICE), tcp(443, 443, OPEN_IPV4))
    before = state(group_id)
    execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.conclusion == {
        "Outcome": "AlreadyCompliant",
        "Changes": f"None: tcp 22 and 3389 of {group_id} are closed to the world.",
        "BeforeState": "",
    }
    assert list(execution.steps) == ["LookAtGroup", "LookAtRules", "SelectRules", "ChooseChange", "Conclude"]
    assert state(group_id) == before


def test_a_group_that_is_gone_needs_no_repair_and_cannot_be_restored(run, undo, make_group):
    group_id = make_group(tcp(22, 22, OPEN_IPV4))
    closed = run(CLOSE, SecurityGroupId=group_id)
    client("ec2").delete_security_group(GroupId=group_id)
    assert run(CLOSE, SecurityGroupId=group_id).conclusion["Outcome"] == "AlreadyCompliant"
    restored = undo(RESTORE, closed)
    assert restored.status == "Failed"
    assert "no longer exists" in restored.failure


def test_without_room_for_the_narrower_rules_nothing_is_revoked(run, make_group):
    group_id = make_group(*(tcp(port, port, OFFICE) for port in range(1000, 1059)), tcp(20, 25, OPEN_IPV4))
    before = state(group_id)
    execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.status == "Failed"
    assert execution.steps["AuthorizeNarrowerRules"] == "Failed"
    assert "RevokeOpenRules" not in execution.steps
    assert "room for 2 more inbound rules" in execution.failure
    assert "raise the quota" in execution.failure
    assert state(group_id) == before


def fail(monkeypatch, operation: str, error: type[Exception], applied: bool = False) -> None:
    """Make an operation of EC2 answer with an error, having been applied or not."""
    original = getattr(SecurityGroupBackend, operation)

    def failing(self, *args: Any, **kwargs: Any) -> Any:
        if applied:
            original(self, *args, **kwargs)
        raise error()

    monkeypatch.setattr(SecurityGroupBackend, operation, failing)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("authorize_security_group_ingress", InvalidPermissionDuplicateError),
        ("revoke_security_group_ingress", InvalidPermissionNotFoundError),
    ],
)
def test_a_change_whose_answer_got_lost_counts(run, undo, make_group, monkeypatch, operation, error):
    group_id = make_group(tcp(20, 22, OPEN_IPV4))
    before = state(group_id)
    with monkeypatch.context() as patch:
        fail(patch, operation, error, applied=True)
        execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.status == "Success", execution.failure
    assert execution.conclusion["Outcome"] == "Remediated"
    assert inbound(group_id) == {("tcp", 20, 21, "0.0.0.0/0", OPEN_IPV4["Description"])}
    undo(RESTORE, execution)
    assert state(group_id) == before


def test_a_failed_revocation_fails_the_execution_and_the_next_attempt_heals(run, make_group, monkeypatch):
    group_id = make_group(tcp(20, 22, OPEN_IPV4))
    wanted = inbound(group_id)
    with monkeypatch.context() as patch:
        fail(patch, "revoke_security_group_ingress", InvalidPermissionNotFoundError)
        execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.status == "Failed"
    assert "RevokeOpenRules" in execution.failure
    assert "Conclude" not in execution.steps
    assert inbound(group_id) > wanted  # what was let in still is, and no more

    second = run(CLOSE, SecurityGroupId=group_id, Attempt="2")
    assert second.conclusion["Outcome"] == "Remediated"
    assert inbound(group_id) == {("tcp", 20, 21, "0.0.0.0/0", OPEN_IPV4["Description"])}


def test_an_execution_that_fails_after_its_change_can_be_undone(run, undo, make_group, monkeypatch):
    group_id = make_group(tcp(20, 22, OPEN_IPV4), tcp(443, 443, OFFICE))
    before = state(group_id)
    original = SecurityGroupBackend.revoke_security_group_ingress

    def revoke_and_open_anew(self, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        client("ec2").authorize_security_group_ingress(
            GroupId=group_id, IpPermissions=[tcp(3389, 3389, OPEN_IPV4)]
        )
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(SecurityGroupBackend, "revoke_security_group_ingress", revoke_and_open_anew)
        execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.status == "Failed"
    assert execution.steps["RevokeOpenRules"] == "Success"
    assert "Conclude" not in execution.steps
    [kept] = execution.outputs["SelectRules.BeforeState"]
    assert [rule["ToPort"] for rule in json.loads(kept)["Removed"]] == [22]

    client("ec2").revoke_security_group_ingress(GroupId=group_id, IpPermissions=[tcp(3389, 3389, OPEN_IPV4)])
    restored = undo(RESTORE, execution)
    assert restored.status == "Success", restored.failure
    assert state(group_id) == before


def test_a_revocation_without_effect_is_noticed(run, make_group, monkeypatch):
    group_id = make_group(tcp(22, 22, OPEN_IPV4))
    with monkeypatch.context() as patch:
        # EC2 answers so in a default VPC when the rule was changed at this moment.
        patch.setattr(SecurityGroupBackend, "revoke_security_group_ingress", lambda *_, **__: None)
        execution = run(CLOSE, SecurityGroupId=group_id)
    assert execution.status == "Failed"
    assert execution.steps["Verify"] == "Failed"
    assert "still let the world in" in execution.failure


@pytest.mark.parametrize("operation", ["authorize_security_group_ingress", "revoke_security_group_ingress"])
def test_a_restore_that_failed_half_way_goes_on(run, undo, make_group, monkeypatch, operation):
    group_id = make_group(tcp(20, 22, OPEN_IPV4), tcp(443, 443, OFFICE))
    before = state(group_id)
    closed = run(CLOSE, SecurityGroupId=group_id)
    with monkeypatch.context() as patch:
        fail(patch, operation, InvalidPermissionNotFoundError)
        failed = undo(RESTORE, closed)
    assert failed.status == "Failed"
    assert "Then run this again" in failed.failure
    assert undo(RESTORE, closed).conclusion["Outcome"] == "Restored"
    assert state(group_id) == before


@pytest.mark.parametrize(
    ("document", "parameters"),
    [
        (CLOSE, {}),
        (CLOSE, {"SecurityGroupId": "{{ global:ACCOUNT_ID }}"}),
        (CLOSE, {"SecurityGroupId": "sg-0123"}),
        (CLOSE, {"SecurityGroupId": "sg-0123456789abcdef0\n"}),
        (CLOSE, {"SecurityGroupId": "sg-0123456789abcdef0", "Attempt": "0"}),
        (CLOSE, {"SecurityGroupId": "sg-0123456789abcdef0", "Incident": "x"}),
        (CLOSE, {"SecurityGroupId": "sg-0123456789abcdef0", "Else": "x"}),
        (CLOSE, {"SecurityGroupId": "sg-0123456789abcdef0", "AutomationAssumeRole": "x"}),
        (
            CLOSE,
            {
                "SecurityGroupId": "sg-0123456789abcdef0",
                "AutomationAssumeRole": "arn:aws:iam::123456789012:role/x",
            },
        ),
    ],
)
def test_bad_parameters_start_nothing(run, document, parameters):
    with pytest.raises(ClientError) as refusal:
        run(document, **parameters)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
