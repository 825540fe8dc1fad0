"""AWS's own documents, by the stand-ins that the local cloud has for them."""

import pytest
from botocore.exceptions import ClientError
from localcloud.automation.stand_ins import stand_ins

ROTATION = "AWSConfigRemediation-EnableKeyRotation"


def run(automation, name, **parameters):
    given = {"AutomationAssumeRole": [automation.role], **{key: [value] for key, value in parameters.items()}}
    return automation.wait(automation.start(name, Parameters=given))


@pytest.mark.parametrize("stand_in", stand_ins(), ids=lambda stand_in: stand_in.name)
def test_each_says_that_it_is_a_stand_in_and_can_run(automation, stand_in):
    described = automation.client("ssm").describe_document(Name=stand_in.name)["Document"]

    assert described["Owner"] == "Amazon"
    assert described["Description"].startswith("Stand-in of the local cloud for")
    assert described["TargetType"].startswith("/AWS::")
    assert stand_in.runbook.first_step


def test_key_rotation_is_enabled(automation):
    kms = automation.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]

    execution = run(automation, ROTATION, KeyId=key)

    assert execution["AutomationExecutionStatus"] == "Success"
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def test_key_rotation_needs_its_parameters(automation):
    ssm = automation.client("ssm")
    for given in (
        {"AutomationAssumeRole": [automation.role]},
        {"KeyId": ["00000000-0000-0000-0000-000000000000"]},
    ):
        with pytest.raises(ClientError, match="InvalidAutomationExecutionParametersException"):
            ssm.start_automation_execution(DocumentName=ROTATION, Parameters=given)


def test_ebs_encryption_by_default_is_enabled(automation):
    execution = run(automation, "AWSConfigRemediation-EnableEbsEncryptionByDefault")

    assert execution["AutomationExecutionStatus"] == "Success"
    assert automation.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]


@pytest.fixture
def bucket(automation):
    """Return the name of a new bucket."""
    name = "stand-in-bucket"
    s3 = automation.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield name
    s3.delete_bucket(Bucket=name)


def test_a_bucket_is_configured(automation, bucket):
    block = run(
        automation,
        "AWSConfigRemediation-ConfigureS3BucketPublicAccessBlock",
        BucketName=bucket,
        BlockPublicPolicy="false",
    )
    encryption = run(automation, "AWS-EnableS3BucketEncryption", BucketName=bucket)
    versioning = run(automation, "AWS-ConfigureS3BucketVersioning", BucketName=bucket)

    assert {each["AutomationExecutionStatus"] for each in (block, encryption, versioning)} == {"Success"}
    s3 = automation.client("s3")
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": True,
    }
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_events_and_journal_name_amazons_document(automation, wait_for_journal):
    execution_id = run(automation, "AWSConfigRemediation-EnableEbsEncryptionByDefault")[
        "AutomationExecutionId"
    ]

    told = wait_for_journal(
        lambda entry: entry["kind"] == "execution" and entry["execution_id"] == execution_id
    )
    event = wait_for_journal(
        lambda entry: entry["kind"] == "event" and entry["event"]["detail"].get("ExecutionId") == execution_id
    )["event"]

    assert told["stand_in"] is True
    assert event["resources"][1] == (
        "arn:aws:ssm:eu-central-1::automation-definition/AWSConfigRemediation-EnableEbsEncryptionByDefault:1"
    )
