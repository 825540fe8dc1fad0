"""What the scripts of CloseAdminPorts and RestoreAdminPorts select, judged by the traffic that rules let in.

The judge knows nothing of the scripts: it works out which packets a set of rules lets in.
"""

import json
from itertools import product

import pytest

GROUP = "sg-0123456789abcdef0"
WORLD = {"CidrIpv4": "0.0.0.0/0"}, {"CidrIpv6": "::/0"}
ADMIN_PORTS = {22, 3389}
KEPT_PROTOCOLS = {"2", "4", "41", "47", "50", "51", "89", "112", "132"}
RANGES = [
    (22, 22),
    (3389, 3389),
    (1, 22),
    (20, 25),
    (22, 65535),
    (22, 3389),
    (23, 3389),
    (3389, 3390),
    (21, 3390),
    (0, 65535),
    (-1, -1),
]
SAFE_RANGES = [(21, 21), (23, 3388), (3390, 65535), (0, 21), (443, 443)]


def rule(protocol, first, last, source, **more):
    return {
        "SecurityGroupRuleId": "sgr-0123456789abcdef0",
        "IsEgress": False,
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last,
        **source,
        **more,
    }


def all_traffic(source, **more):
    return rule("-1", -1, -1, source, **more)


def as_rules(permissions):
    """Turn the permissions of an Authorize or Revoke call into rules."""
    for permission in permissions:
        sources = [
            {"CidrIpv4": entry["CidrIp"], **entry}
            if "CidrIp" in entry
            else {"CidrIpv6": entry["CidrIpv6"], **entry}
            for entry in permission.get("IpRanges", []) + permission.get("Ipv6Ranges", [])
        ]
        for source in sources:
            ports = permission.get("FromPort", -1), permission.get("ToPort", -1)
            yield rule(permission["IpProtocol"], *ports, source)


def admitted(rules):
    """Return all (protocol, port, source) that inbound rules let in; ports of tcp only."""
    names = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
    packets = set()
    for each in rules:
        if each["IsEgress"]:
            continue
        source = each.get("CidrIpv4") or each.get("CidrIpv6") or json.dumps(each.get("ReferencedGroupInfo"))
        protocol = names.get(each["IpProtocol"], each["IpProtocol"])
        protocols = {"tcp", "udp", "icmp", "icmpv6", *KEPT_PROTOCOLS} if protocol == "-1" else {protocol}
        for name in protocols:
            if name == "tcp":
                every = protocol == "-1" or each["FromPort"] == -1
                ports = range(65536) if every else range(each["FromPort"], each["ToPort"] + 1)
                packets.update((name, port, source) for port in ports)
            else:
                packets.add((name, None, source))
    return packets


@pytest.fixture
def select(script):
    def select(rules, groups=({"GroupId": GROUP},)):
        handler = script("Mend-CloseAdminPorts", "SelectRules")
        return handler({"SecurityGroupId": GROUP, "SecurityGroups": list(groups), "Rules": rules})

    return select


@pytest.fixture
def restore(script):
    def restore(before_state, rules, groups=({"GroupId": GROUP},)):
        row = {"incident": {"S": "i"}, "attempt": {"N": "1"}, "before_state": {"S": before_state}}
        before = script("Mend-RestoreAdminPorts", "ParseBeforeState")({"Row": row})
        handler = script("Mend-RestoreAdminPorts", "SelectRules")
        return handler({**before, "SecurityGroups": list(groups), "Rules": rules})

    return restore


def applied(rules, plan):
    """Return the rules after the plan's calls, matched by content as EC2 does."""
    revoked = [content(each) for each in as_rules(plan["Revoke"])]
    assert all(revoked.count(each) == 1 for each in revoked)
    present = [content(each) for each in rules]
    assert set(revoked) <= set(present), "a rule is revoked that is not there"
    authorized = list(as_rules(plan["Authorize"]))
    contents = [content(each) for each in authorized]
    assert len(set(contents)) == len(contents), "a rule is authorized twice"
    assert not set(contents) & set(present), "a rule is authorized that is there already"
    return [each for each in rules if content(each) not in revoked] + authorized


def content(each):
    return each["IpProtocol"], each["FromPort"], each["ToPort"], each.get("CidrIpv4"), each.get("CidrIpv6")


def must_remain(rules):
    """Return what a repair has to leave: everything but tcp 22 and 3389 from the world."""
    irrelevant = {("icmp", None, "::/0"), ("icmpv6", None, "0.0.0.0/0")}  # no such packets exist
    return {
        packet
        for packet in admitted(rules) - irrelevant
        if not (packet[0] == "tcp" and packet[1] in ADMIN_PORTS and packet[2] in ("0.0.0.0/0", "::/0"))
    }


@pytest.mark.parametrize("protocol", ["tcp", "6"])
@pytest.mark.parametrize("ports", RANGES, ids=str)
@pytest.mark.parametrize("sources", [WORLD[:1], WORLD[1:], WORLD], ids=["IPv4", "IPv6", "both"])
def test_exactly_the_admin_ports_are_closed_to_the_world(select, protocol, ports, sources):
    rules = [rule(protocol, *ports, source, Description=f"from {source}") for source in sources]
    plan = select(rules)
    assert plan["Outcome"] == "Remediated"
    after = applied(rules, plan)
    assert admitted(after) == must_remain(rules)
    assert {each["Description"] for each in as_rules(plan["Authorize"])} <= {
        each["Description"] for each in rules
    }
    assert all("Description" in each for each in as_rules(plan["Authorize"]))
    assert select(after)["Outcome"] == "AlreadyCompliant"


@pytest.mark.parametrize("sources", [WORLD[:1], WORLD[1:], WORLD], ids=["IPv4", "IPv6", "both"])
def test_all_traffic_keeps_everything_that_networks_run_on(select, sources):
    rules = [all_traffic(source) for source in sources]
    plan = select(rules)
    after = applied(rules, plan)
    assert admitted(after) == must_remain(rules)
    assert len(after) == 14 * len(sources)
    assert not any({"FromPort", "ToPort"} & set(permission) for permission in plan["Revoke"])
    assert "Of all traffic" in plan["Changes"]


@pytest.mark.parametrize(
    "untouched",
    [
        *(rule("tcp", *ports, source) for ports, source in product(SAFE_RANGES, WORLD)),
        *(rule(protocol, -1, -1, source) for protocol, source in product(["icmp", "icmpv6", "47"], WORLD)),
        rule("udp", 3389, 3389, WORLD[0]),
        rule("17", 0, 65535, WORLD[1]),
        rule("tcp", 22, 22, {"CidrIpv4": "10.0.0.0/8"}),
        rule("tcp", 3389, 3389, {"CidrIpv6": "2001:db8::/32"}),
        rule("tcp", 22, 22, {"PrefixListId": "pl-0123456789abcdef0"}),
        rule("tcp", 22, 22, {"ReferencedGroupInfo": {"GroupId": GROUP}}),
        all_traffic({"ReferencedGroupInfo": {"GroupId": GROUP}}),
        all_traffic({"CidrIpv4": "192.0.2.0/24"}),
        all_traffic(WORLD[0], IsEgress=True),
        rule("tcp", 22, 22, WORLD[1], IsEgress=True),
    ],
    ids=lambda each: f"{each['IpProtocol']} {each['FromPort']}-{each['ToPort']} {list(each.values())[-1]}",
)
def test_other_rules_are_left_alone(select, untouched):
    plan = select([untouched])
    assert (plan["Outcome"], plan["Authorize"], plan["Revoke"], plan["BeforeState"]) == (
        "AlreadyCompliant",
        [],
        [],
        "",
    )
    # Beside a violation as well.
    ssh = rule("tcp", 22, 22, WORLD[0], Description="ssh")
    plan = select([untouched, ssh])
    assert [content(each) for each in as_rules(plan["Revoke"])] == [content(ssh)]
    assert plan["Authorize"] == []
    assert plan["Narrows"] is False


def test_replacements_that_are_there_already_are_not_authorized_again(select):
    wide = rule("tcp", 20, 25, WORLD[0])
    assert select([wide, rule("tcp", 20, 21, WORLD[0]), rule("6", 23, 25, WORLD[0])])["Authorize"] == []
    plan = select([wide, rule("tcp", 20, 21, WORLD[0])])
    assert [content(each)[:3] for each in as_rules(plan["Authorize"])] == [("tcp", 23, 25)]
    # EC2 gives other protocols no ports that mean anything.
    plan = select([all_traffic(WORLD[0]), rule("47", 0, 65535, WORLD[0]), rule("50", 0, 0, WORLD[0])])
    assert not {"47", "50"} & {each["IpProtocol"] for each in as_rules(plan["Authorize"])}


def test_two_open_rules_share_their_replacements(select):
    rules = [
        all_traffic(WORLD[0], Description="first"),
        rule("tcp", 0, 65535, WORLD[0], Description="second"),
    ]
    plan = select(rules)
    assert admitted(applied(rules, plan)) == must_remain(rules)
    assert {each["Description"] for each in as_rules(plan["Authorize"])} == {"first"}


def test_a_group_that_is_gone_is_compliant(select):
    plan = select([], groups=[])
    assert plan["Outcome"] == "AlreadyCompliant"
    assert plan["Changes"] == f"None: security group {GROUP} no longer exists."


@pytest.mark.parametrize(
    "description",
    [
        "{{ global:ACCOUNT_ID }}",
        "{{ssm:/mend/dev/kill-switch}}",
        "'; drop table",
        '"}], "x": [',
        "a=b;{}!$*",
        "ü\n",
    ],
)
def test_hostile_descriptions_are_data(select, restore, description):
    rules = [rule("tcp", 21, 22, WORLD[0], Description=description)]
    plan = select(rules)
    assert [each["Description"] for each in as_rules(plan["Authorize"])] == [description]
    assert description not in plan["Changes"]
    back = restore(plan["BeforeState"], applied(rules, plan))
    assert [each["Description"] for each in as_rules(back["Authorize"])] == [description]


def test_the_change_is_told_in_one_readable_line(select):
    plan = select(
        [
            rule("tcp", 22, 22, WORLD[0], Tags=[{"Key": "team", "Value": "blue"}]),
            rule("tcp", 3000, 4000, WORLD[1]),
        ]
    )
    assert plan["Changes"] == (
        f"Closed tcp 22, 3389 of {GROUP} to 0.0.0.0/0, ::/0. Inbound rules revoked: 2; narrower ones"
        " authorized in their place: 2. Revoked rules whose tags are recorded, not carried over: 1."
    )


@pytest.mark.parametrize("ports", [*RANGES, None], ids=str)
def test_the_before_state_is_enough_to_undo_it_exactly(select, restore, ports):
    make = all_traffic if ports is None else lambda source, **more: rule("tcp", *ports, source, **more)
    opened = [make(source, Description="wanted", Tags=[{"Key": "team", "Value": "blue"}]) for source in WORLD]
    beside = [rule("tcp", 0, 21, WORLD[0], Description="was there before"), rule("tcp", 443, 443, WORLD[0])]
    plan = select(opened + beside)
    assert json.loads(plan["BeforeState"])["Removed"] == opened
    after = applied(opened + beside, plan)

    back = restore(plan["BeforeState"], after)
    assert back["Outcome"] == "Restored"
    restored = applied(after, back)
    assert sorted(map(str, map(content, restored))) == sorted(map(str, map(content, opened + beside)))
    assert {each["Description"] for each in as_rules(back["Authorize"])} == {"wanted"}
    assert back["Changes"].endswith(
        "Rules whose tags have to be set by hand, as the before-state has them: 2."
    )

    again = restore(plan["BeforeState"], restored)
    assert (again["Outcome"], again["Authorize"], again["Revoke"]) == ("AlreadyRestored", [], [])


def test_a_restore_goes_on_where_another_stopped(select, restore):
    rules = [rule("tcp", 20, 25, WORLD[0])]
    plan = select(rules)
    after = applied(rules, plan)
    half_way = [*after, rules[0]]
    back = restore(plan["BeforeState"], half_way)
    assert (back["PutsBack"], back["TakesAway"], back["Authorize"]) == (False, True, [])
    assert [content(each) for each in applied(half_way, back)] == [content(rules[0])]


def test_a_restore_refuses_what_it_cannot_undo(select, restore):
    before_state = select([rule("tcp", 22, 22, WORLD[0])])["BeforeState"]
    with pytest.raises(RuntimeError, match="no longer exists"):
        restore(before_state, [], groups=[])
    with pytest.raises(RuntimeError, match="Mend-Other"):
        restore(json.dumps({**json.loads(before_state), "Runbook": "Mend-Other"}), [])


@pytest.mark.parametrize("source", WORLD, ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("ports", [*RANGES, None], ids=str)
def test_verify_sees_what_is_still_open(script, source, ports):
    opened = all_traffic(source) if ports is None else rule("tcp", *ports, source)
    verify = script("Mend-CloseAdminPorts", "Verify")
    with pytest.raises(RuntimeError, match=opened["SecurityGroupRuleId"]):
        verify({"SecurityGroupId": GROUP, "Rules": [opened], "Added": []})


@pytest.mark.parametrize("step", ["Verify", "CheckNarrowerRules"])
def test_narrower_rules_that_are_missing_are_named(script, select, step):
    check = script("Mend-CloseAdminPorts", step)
    wide = [rule("tcp", 20, 25, WORLD[0])]
    plan = select(wide)
    after = applied(wide, plan)
    check({"SecurityGroupId": GROUP, "Rules": after, "Added": plan["Added"]})
    with pytest.raises(RuntimeError, match=GROUP):
        check({"SecurityGroupId": GROUP, "Rules": after[1:], "Added": plan["Added"]})
