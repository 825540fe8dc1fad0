"""What is checked when a runbook is created."""

import hashlib
import json

import pytest
import yaml
from botocore.exceptions import ClientError

STEP = {"name": "Only", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}


def api(**properties):
    inputs = {"Service": "ec2", "Api": "DescribeVpcs", **properties.pop("inputs", {})}
    return {"name": "Call", "action": "aws:executeAwsApi", "inputs": inputs, **properties}


def branch(*choices, **inputs):
    return {"name": "Choose", "action": "aws:branch", "inputs": {"Choices": list(choices), **inputs}}


def script(**inputs):
    given = {"Runtime": "python3.11", "Handler": "handler", "Script": "def handler(e, c): pass", **inputs}
    return {"name": "Run", "action": "aws:executeScript", "inputs": given}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schemaVersion": 0.3}, 'schemaVersion "0.3", as text'),
        ({"schemaVersion": "2.2"}, 'schemaVersion "0.3", as text'),
        ({"files": {}}, "the document has unknown or locally unsupported keys: files"),
        ({"mainSteps": []}, "mainSteps holds no step"),
        ({"mainSteps": {}}, "mainSteps is of JSON type object, not array"),
        ({"mainSteps": ["x"]}, "a step is of JSON type string, not object"),
        ({"mainSteps": [{**STEP, "name": "a-b"}]}, "the step name 'a-b'"),
        ({"mainSteps": [STEP, STEP]}, "two steps have the name Only"),
        ({"mainSteps": [{**STEP, "action": "aws:runCommand"}]}, "does not support the action aws:runCommand"),
        ({"mainSteps": [{**STEP, "precondition": {}}]}, "unknown or locally unsupported keys: precondition"),
        ({"mainSteps": [{**STEP, "maxAttempts": 0}]}, "maxAttempts of the step Only is less than 1"),
        ({"mainSteps": [{**STEP, "timeoutSeconds": "{{ T }}"}]}, "timeoutSeconds of the step Only"),
        ({"mainSteps": [{**STEP, "isEnd": "true"}]}, "isEnd of the step Only is of JSON type string"),
        ({"mainSteps": [{**STEP, "onFailure": "Retry"}]}, "onFailure of the step Only is 'Retry'"),
        ({"mainSteps": [{**STEP, "onCancel": "Continue"}]}, "onCancel of the step Only is 'Continue'"),
        ({"mainSteps": [{**STEP, "nextStep": "Gone"}]}, "the step Only goes on to Gone"),
        ({"mainSteps": [{**STEP, "onFailure": "step:Gone"}]}, "the step Only goes on to Gone"),
        ({"mainSteps": [{**STEP, "onCancel": "step:Gone"}]}, "the step Only goes on to Gone"),
        (
            {"mainSteps": [{**STEP, "isCritical": False}]},
            "does not support onFailure Abort with isCritical false, as in the step Only",
        ),
        (
            {"mainSteps": [{**STEP, "isEnd": True, "onFailure": "step:B"}, {**STEP, "name": "B"}]},
            "does not support isEnd together with onFailure step:NAME",
        ),
        (
            {
                "mainSteps": [
                    {**STEP, "onFailure": "Continue", "nextStep": "C"},
                    {**STEP, "name": "B"},
                    {**STEP, "name": "C"},
                ]
            },
            "does not support onFailure Continue with a nextStep that is not the following step",
        ),
        (
            {"mainSteps": [STEP, {**STEP, "name": "B", "nextStep": "Only"}]},
            "the steps run in a circle: Only -> B -> Only",
        ),
        ({"mainSteps": [{**STEP, "outputs": [{"Name": "A", "Selector": "$.a"}]}]}, "declares no outputs"),
        (
            {"mainSteps": [{**STEP, "inputs": {"Duration": "PT1S", "Timestamp": "2026"}}]},
            "either Duration or",
        ),
        ({"mainSteps": [{**STEP, "inputs": {"Seconds": 1}}]}, "the input Seconds is unknown"),
        ({"mainSteps": [api(inputs={"Service": "ec3"})]}, "boto3 has no service ec3"),
        (
            {"mainSteps": [api(inputs={"Api": "DescribeNothing"})]},
            "boto3's ec2 has no operation DescribeNothing",
        ),
        ({"mainSteps": [api(inputs={"Service": "s3", "Api": "GetObject"})]}, "GetObject streams its answer"),
        ({"mainSteps": [api(inputs={"Service": "{{ S }}"})]}, "Service and Api are fixed texts"),
        ({"mainSteps": [{**api(), "inputs": {"Service": "ec2"}}]}, "the input Api is missing"),
        ({"mainSteps": [api(outputs=[{"Name": "A", "Selector": "$.*"}])]}, "'$.*' is not a selector"),
        ({"mainSteps": [api(outputs=[{"Name": "A", "Selector": "Vpcs"}])]}, "'Vpcs' is not a selector"),
        ({"mainSteps": [api(outputs=[{"Name": "A", "Selector": "$.Vpcs[0:1]"}])]}, "is not a selector"),
        (
            {"mainSteps": [api(outputs=[{"Name": "A", "Selector": "$.Vpcs[?(@.A == 1 && @.B == 2)]"}])]},
            "selector",
        ),
        ({"mainSteps": [api(outputs=[{"Name": "A"}])]}, "None is not a selector"),
        ({"mainSteps": [api(outputs=[{"Name": "A", "Selector": "$.A", "Type": "Number"}])]}, "type 'Number'"),
        ({"mainSteps": [api(inputs={"Filters": [{"Name": "{{ ssm:name }}"}]})]}, "only in the default"),
        ({"mainSteps": [api(inputs={"VpcIds": ["{{ Vpc }}"]})]}, "{{ Vpc }}: there is no such parameter"),
        ({"mainSteps": [api(inputs={"VpcIds": ["{{ Gone.Id }}"]})]}, "there is no step Gone"),
        ({"mainSteps": [STEP, api(inputs={"VpcIds": ["{{ Only.Id }}"]})]}, "the step Only has no output Id"),
        ({"mainSteps": [api(inputs={"VpcIds": ["{{ global:HOME }}"]})]}, "there is no such value"),
        ({"mainSteps": [api(inputs={"VpcIds": ["{{ variable:v }}"]})]}, "there is no such value"),
        ({"mainSteps": [api(inputs={"VpcIds": ["{{ {{ P }} }}"]})]}, "nested or unfinished reference"),
        ({"mainSteps": [api(inputs={"{{ P }}": "x"})]}, "the key '{{ P }}' holds a reference"),
        ({"mainSteps": [branch()]}, "Choices is not a list of choices"),
        ({"mainSteps": [branch({"Variable": 1, "NumericEquals": 1})]}, "a choice has no NextStep"),
        ({"mainSteps": [branch({"NextStep": "Choose", "Variable": 1})]}, "a condition has the keys Variable"),
        ({"mainSteps": [branch({"NextStep": "X", "Variable": 1, "Equals": 1})]}, "the keys Variable, Equals"),
        (
            {"mainSteps": [branch({"NextStep": "X", "And": [{"Variable": 1}]})]},
            "a condition has the keys Variable",
        ),
        (
            {"mainSteps": [branch({"NextStep": "X", "Variable": 1, "NumericEquals": 1})]},
            "Choose goes on to X",
        ),
        ({"mainSteps": [script(Runtime="PowerShell 7.4")]}, "the Runtime 'PowerShell 7.4' is not supported"),
        ({"mainSteps": [script(Script="def handler(:")]}, "Script is not Python: "),
        ({"mainSteps": [script(Script="def handler(e, c): return '{{ P }}'")]}, "Script holds {{"),
        ({"mainSteps": [script(Attachment="x.zip")]}, "the input Attachment is unknown or not supported"),
        ({"parameters": {"P": {"type": "Text"}}}, "the parameter P has the unknown type 'Text'"),
        (
            {"parameters": {"P": {"type": "Boolean", "default": "true"}}},
            "the default of the parameter P is not a B",
        ),
        ({"parameters": {"P": {"type": "Integer", "default": 1.5}}}, "is not a Integer"),
        ({"parameters": {"P": {"type": "String", "allowedPattern": "("}}}, "is not a regular expression"),
        (
            {"parameters": {"P": {"type": "String", "default": "{{ Q }}"}}},
            "can refer to {{ ssm:NAME }} only",
        ),
        (
            {"parameters": {"P": {"type": "StringMap", "default": {"a": "{{ ssm:x }}"}}}},
            "can refer to {{ ssm:NAME }} only",
        ),
        ({"parameters": {"P": {"type": "String", "pattern": "x"}}}, "the parameter P has unknown"),
        ({"variables": {"v": {"type": "String", "allowedValues": ["x"]}}}, "the variable v has unknown"),
        ({"assumeRole": "{{ Role }}"}, "assumeRole refers to {{ Role }}, which is not a parameter"),
        ({"outputs": ["Only.Id"]}, "outputs holds Only.Id, which no step declares"),
        ({"outputs": ["Only"]}, "outputs holds Only, which no step declares"),
    ],
)
def test_what_cannot_run_is_refused(automation, document, message):
    with pytest.raises(ClientError) as refusal:
        automation.create(**{"steps": document.pop("mainSteps", [STEP]), **document})

    assert refusal.value.response["Error"]["Code"] == "InvalidDocumentContent"
    assert message in refusal.value.response["Error"]["Message"]


def test_a_new_version_is_checked_too(automation):
    name = automation.create([STEP])

    with pytest.raises(ClientError, match="mainSteps holds no step"):
        automation.client("ssm").update_document(
            Name=name, DocumentVersion="$LATEST", Content='{"schemaVersion": "0.3", "mainSteps": []}'
        )


def test_a_document_describes_itself_as_the_service_does(automation):
    name = automation.create([STEP], description="Waits.")
    ssm = automation.client("ssm")
    content = ssm.get_document(Name=name, DocumentFormat="YAML")["Content"]

    described = ssm.describe_document(Name=name, DocumentVersion="$DEFAULT")["Document"]

    assert described["Hash"] == hashlib.sha256(content.encode()).hexdigest()
    assert described["HashType"] == "Sha256"
    assert described["PlatformTypes"] == ["Windows", "Linux", "MacOS"]
    assert (described["DocumentVersion"], described["DefaultVersion"], described["LatestVersion"]) == (
        "1",
    ) * 3
    assert (described["DocumentType"], described["SchemaVersion"]) == ("Automation", "0.3")


def test_a_document_of_a_template_is_checked_and_described(automation):
    def deploy(stack, content):
        properties = {
            "Content": content,
            "DocumentType": "Automation",
            "DocumentFormat": "JSON",
            "Name": stack,
        }
        template = {"Resources": {"Runbook": {"Type": "AWS::SSM::Document", "Properties": properties}}}
        cloudformation = automation.client("cloudformation")
        cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return [event.get("ResourceStatusReason", "") for event in events]

    deploy("Mend-Template", {"schemaVersion": "0.3", "assumeRole": automation.role, "mainSteps": [STEP]})

    described = automation.client("ssm").describe_document(Name="Mend-Template")["Document"]
    assert len(described["Hash"]) == 64
    assert automation.wait(automation.start("Mend-Template"))["AutomationExecutionStatus"] == "Success"
    reasons = deploy("Mend-Wrong", {"schemaVersion": "0.3", "mainSteps": []})
    assert any("mainSteps holds no step" in reason for reason in reasons)


def test_other_documents_are_left_alone(automation):
    content = {
        "schemaVersion": "2.2",
        "mainSteps": [{"action": "aws:runShellScript", "name": "x", "inputs": {}}],
    }

    automation.client("ssm").create_document(
        Name="Mend-Command", DocumentType="Command", DocumentFormat="YAML", Content=yaml.safe_dump(content)
    )

    with pytest.raises(ClientError, match="There is no Automation document Mend-Command"):
        automation.start("Mend-Command")
