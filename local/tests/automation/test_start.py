"""Starting runbooks: parameters, client tokens, versions, roles."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ({"type": "String"}, ["a"], "a"),
        ({"type": "String", "default": ""}, None, ""),
        ({"type": "String", "allowedValues": ["a", "b"]}, ["b"], "b"),
        (
            {"type": "String", "allowedPattern": "^sg-[0-9a-f]{17}$"},
            ["sg-0123456789abcdef0"],
            "sg-0123456789abcdef0",
        ),
        ({"type": "String", "allowedPattern": r"\p{Upper}+"}, ["ABC"], "ABC"),
        (
            {"type": "AWS::IAM::Role::Arn"},
            ["arn:aws:iam::123456789012:role/x"],
            "arn:aws:iam::123456789012:role/x",
        ),
        ({"type": "StringList"}, ["a", "b"], ["a", "b"]),
        ({"type": "StringList", "default": ["x"]}, None, ["x"]),
        ({"type": "List<AWS::EC2::Instance::Id>"}, ["i-1"], ["i-1"]),
        ({"type": "Boolean"}, ["false"], False),
        ({"type": "Boolean", "default": True}, None, True),
        ({"type": "Integer"}, ["-5"], -5),
        ({"type": "Integer", "allowedValues": [1, 2]}, ["2"], 2),
        ({"type": "StringMap"}, ['{"a": "1"}'], {"a": "1"}),
        ({"type": "MapList"}, ['{"a": 1}', '{"b": 2}'], [{"a": 1}, {"b": 2}]),
    ],
)
def test_a_parameter_has_the_value_of_its_type(automation, script, declared, given, value):
    echo = script("Echo", "return events", {"P": "{{ P }}"})

    execution = automation.run([echo], given and {"P": given}, parameters={"P": declared})

    assert json.loads(execution["StepExecutions"][0]["Outputs"]["Payload"][0]) == {"P": value}


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        ({"type": "String"}, None, "the parameter P has no default and no value was given"),
        ({"type": "String"}, ["a", "b"], "is not a String"),
        ({"type": "String"}, [], "is not a String"),
        ({"type": "String", "allowedValues": ["a"]}, ["b"], 'the parameter P takes one of ["a"]'),
        (
            {"type": "String", "allowedPattern": "^sg-[0-9a-f]+$"},
            ["sg-1; x"],
            "does not match its allowedPattern",
        ),
        (
            {"type": "String", "allowedPattern": "^sg-[0-9a-f]+$"},
            ["sg-1\n"],
            "does not match its allowedPattern",
        ),
        ({"type": "String", "allowedPattern": r"^\d+$"}, ["١٢"], "does not match its allowedPattern"),
        ({"type": "String", "minChars": 2}, ["a"], "at least 2 characters"),
        ({"type": "String", "maxChars": 2}, ["abc"], "at most 2 characters"),
        ({"type": "StringList", "minItems": 2}, ["a"], "at least 2 items"),
        ({"type": "StringList", "maxItems": 1}, ["a", "b"], "at most 1 items"),
        ({"type": "StringList", "allowedValues": ["a"]}, ["a", "b"], 'takes one of ["a"]'),
        ({"type": "Integer"}, ["5.0"], "is not a Integer"),
        ({"type": "Integer", "allowedValues": [1, 2]}, ["3"], "takes one of [1, 2]"),
        ({"type": "Boolean"}, ["True"], "is not a Boolean"),
        ({"type": "StringMap"}, ["[]"], "is not a StringMap"),
        ({"type": "MapList"}, ["x"], "is not a MapList"),
    ],
)
def test_a_wrong_value_starts_nothing(automation, step, declared, given, message):
    name = automation.create([step("Only")], parameters={"P": declared})

    with pytest.raises(ClientError) as refusal:
        automation.start(name, **({} if given is None else {"Parameters": {"P": given}}))

    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
    assert message in refusal.value.response["Error"]["Message"]
    assert executions_of(automation, name) == []


def test_defaults_are_read_from_parameter_store(automation, script):
    ssm = automation.client("ssm")
    for name, kind, value in [
        ("/stored/one", "String", "x"),
        ("/stored/many", "StringList", "a,b"),
        ("/stored/secret", "SecureString", "s"),
    ]:
        ssm.put_parameter(Name=name, Type=kind, Value=value)
    parameters = {
        "One": {"type": "String", "default": "{{ssm:/stored/one}}", "allowedValues": ["x", "y"]},
        "Many": {"type": "StringList", "default": ["{{ ssm:/stored/many }}", "c"]},
        "Secret": {"type": "String", "default": "{{ssm:/stored/secret}}"},
    }
    echo = script("Echo", "return events", {"One": "{{ One }}", "Many": "{{ Many }}"})
    name = automation.create([echo], parameters=parameters)

    execution = automation.wait(automation.start(name, Parameters={"Secret": ["given"]}))

    assert execution["Parameters"] == {"One": ["x"], "Many": ["a", "b", "c"], "Secret": ["given"]}
    ssm.put_parameter(Name="/stored/one", Value="z", Overwrite=True)
    for given, problem in [
        ({"Many": ["a"]}, "a SecureString"),
        ({"Secret": ["given"]}, "the parameter One takes one of"),
    ]:
        with pytest.raises(ClientError, match=problem):
            automation.start(name, Parameters=given)
    ssm.delete_parameter(Name="/stored/one")
    with pytest.raises(ClientError, match="Parameter Store has no parameter /stored/one"):
        automation.start(name, Parameters={"Secret": ["given"]})


def test_an_undeclared_parameter_starts_nothing(automation, step):
    name = automation.create([step("Only")])

    with pytest.raises(ClientError, match="the document does not declare Q"):
        automation.start(name, Parameters={"Q": ["x"]})


@pytest.mark.parametrize(
    ("request_members", "code", "message"),
    [
        ({"DocumentName": "a"}, "ValidationException", "'documentName' failed to satisfy"),
        ({"DocumentVersion": "latest"}, "ValidationException", "'documentVersion' failed to satisfy"),
        ({"ClientToken": "short"}, "ValidationException", "'clientToken' failed to satisfy"),
        ({"Mode": "Manual"}, "ValidationException", "enum value set: [Auto, Interactive]"),
        ({"Parameters": {"P": ["x" * 513]}}, "ValidationException", "less than or equal to 512"),
        ({"Parameters": {}}, "ValidationException", "length greater than or equal to 1"),
        ({"Tags": [{"Key": str(n), "Value": ""} for n in range(6)]}, "ValidationException", "at most 5 tags"),
        (
            {"TargetLocations": [{"Accounts": ["000000000000"], "Regions": ["eu-central-1"]}]},
            "ValidationException",
            "local cloud does not support TargetLocations",
        ),
        (
            {"Targets": [{"Key": "ParameterValues", "Values": ["a"]}]},
            "InvalidAutomationExecutionParametersException",
            "Targets need a TargetParameterName",
        ),
        (
            {"MaxErrors": "1"},
            "InvalidAutomationExecutionParametersException",
            "MaxErrors needs Targets or TargetMaps",
        ),
        ({"DocumentName": "Mend-Gone"}, "AutomationDefinitionNotFoundException", "no Automation document"),
        ({"DocumentVersion": "7"}, "AutomationDefinitionVersionNotFoundException", "has no version 7"),
    ],
)
def test_a_wrong_request_starts_nothing(automation, step, request_members, code, message):
    name = automation.create([step("Only")], parameters={"P": {"type": "String", "default": ""}})

    with pytest.raises(ClientError) as refusal:
        automation.client("ssm").start_automation_execution(**{"DocumentName": name, **request_members})

    assert refusal.value.response["Error"]["Code"] == code
    assert message in refusal.value.response["Error"]["Message"]
    assert executions_of(automation, name) == []


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("", "does not support runbooks without a role"),
        ("arn:aws:iam::123456789012:role/absent", "there is no role arn:aws:iam::123456789012:role/absent"),
        ("nonsense", "there is no role nonsense"),
        ("arn:aws:iam::123456789012:role/for-lambda", "does not trust ssm.amazonaws.com"),
    ],
)
def test_a_role_that_automation_cannot_assume_starts_nothing(automation, step, role, message):
    trust = {
        "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:*"}
    }
    iam = automation.client("iam")
    if "for-lambda" in role:
        iam.create_role(RoleName="for-lambda", AssumeRolePolicyDocument=json.dumps(trust))
    declared = {"AutomationAssumeRole": {"type": "String", "default": ""}}
    name = automation.create([step("Only")], assumeRole="{{ AutomationAssumeRole }}", parameters=declared)

    with pytest.raises(ClientError, match=message) as refusal:
        automation.start(name, **({"Parameters": {"AutomationAssumeRole": [role]}} if role else {}))

    if role:
        assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
        assert "The defined assume role is unable to be assumed." in str(refusal.value)


def test_a_client_token_starts_once(automation, step):
    name = automation.create([step("Only")], parameters={"P": {"type": "String", "default": ""}})
    token = str(uuid4())
    first = automation.start(name, ClientToken=token, Parameters={"P": ["x"]})

    assert automation.start(name, ClientToken=token.upper(), Parameters={"P": ["x"]}) == first
    with pytest.raises(ClientError) as refusal:
        automation.start(name, ClientToken=token, Parameters={"P": ["y"]})
    assert refusal.value.response["Error"]["Code"] == "IdempotentParameterMismatch"
    assert executions_of(automation, name) == [first]
    assert automation.start(name, ClientToken=str(uuid4()), Parameters={"P": ["x"]}) != first


def test_a_refused_start_does_not_use_up_its_token(automation, step):
    name = automation.create([step("Only")], parameters={"P": {"type": "String", "allowedValues": ["x"]}})
    token = str(uuid4())
    with pytest.raises(ClientError, match="takes one of"):
        automation.start(name, ClientToken=token, Parameters={"P": ["y"]})

    assert automation.start(name, ClientToken=token, Parameters={"P": ["x"]})


def test_of_many_starts_at_once_with_one_token_one_starts(automation, step):
    name = automation.create([step("Only")])
    token = str(uuid4())

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: automation.start(name, ClientToken=token), range(8)))

    assert len(set(started)) == 1
    assert executions_of(automation, name) == started[:1]


def test_versions_are_resolved(automation, step):
    name = automation.create([step("First")])
    ssm = automation.client("ssm")
    content = {"schemaVersion": "0.3", "assumeRole": automation.role, "mainSteps": [step("Second")]}
    ssm.update_document(Name=name, DocumentVersion="$LATEST", Content=json.dumps(content))

    def version_of(**request):
        execution = automation.wait(automation.start(name, **request))
        return execution["DocumentVersion"], execution["StepExecutions"][0]["StepName"]

    assert version_of() == ("1", "First")
    assert version_of(DocumentVersion="$DEFAULT") == ("1", "First")
    assert version_of(DocumentVersion="$LATEST") == ("2", "Second")
    assert version_of(DocumentVersion="2") == ("2", "Second")
    ssm.update_document_default_version(Name=name, DocumentVersion="2")
    assert version_of() == ("2", "Second")
    arn = f"arn:aws:ssm:eu-central-1:123456789012:document/{name}"
    execution = automation.get(automation.start(arn))
    assert (execution["DocumentName"], execution["DocumentVersion"]) == (name, "2")


def test_an_execution_keeps_the_document_that_it_began_with(automation, step, script):
    name = automation.create([step("Wait", inputs={"Duration": "PT1S"}), step("After")])
    started = automation.start(name)
    automation.client("ssm").delete_document(Name=name)

    assert automation.wait(started)["AutomationExecutionStatus"] == "Success"


def executions_of(automation, name):
    filters = [{"Key": "DocumentNamePrefix", "Values": [name]}]
    found = automation.client("ssm").describe_automation_executions(Filters=filters)
    executions = found["AutomationExecutionMetadataList"]
    return [each["AutomationExecutionId"] for each in executions if each["DocumentName"] == name]
