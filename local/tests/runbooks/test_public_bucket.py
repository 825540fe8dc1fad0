"""Public access to buckets, blocked and restored step by step in the local cloud."""

import json
import uuid
from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.clients import client
from localcloud.settings import REGION
from moto.s3.models import S3Backend

BLOCK, RESTORE = "Mend-BlockPublicBucket", "Mend-RestorePublicBucket"
SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
ALL_ON = dict.fromkeys(SETTINGS, True)
ALL_OFF = dict.fromkeys(SETTINGS, False)
IGNORES_ACLS = {**ALL_OFF, "BlockPublicAcls": True, "IgnorePublicAcls": True}


@pytest.fixture
def make_bucket(cloud):
    """Return a function that creates a bucket with these settings, or with none."""

    def make(settings: dict[str, bool] | None = None) -> str:
        name = f"mend.test-{uuid.uuid4().hex}"
        client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if settings is not None:
            client("s3").put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=settings)
        return name

    return make


def settings_of(bucket: str) -> dict[str, bool] | None:
    """Return the bucket's Block Public Access settings; None if there is no configuration."""
    try:
        block = client("s3").get_public_access_block(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        return None
    return block["PublicAccessBlockConfiguration"]


def publish(bucket: str) -> None:
    """Let the world in by policy and by ACL, and make it a website."""
    s3 = client("s3")
    read = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [read]}))
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})


def everything_else(bucket: str) -> list[Any]:
    """Return what must stay as it is."""
    s3 = client("s3")
    website = s3.get_bucket_website(Bucket=bucket)["IndexDocument"]
    return [
        s3.get_bucket_policy(Bucket=bucket)["Policy"],
        s3.get_bucket_acl(Bucket=bucket)["Grants"],
        website,
    ]


@pytest.mark.parametrize(
    "former", [None, ALL_OFF, IGNORES_ACLS], ids=["no configuration", "all off", "two on"]
)
def test_a_violation_is_blocked_and_undone_exactly(run, undo, make_bucket, former):
    bucket = make_bucket(former)

    blocked = run(BLOCK, BucketName=bucket)
    assert blocked.succeeded("Remediated"), blocked.failure
    assert settings_of(bucket) == ALL_ON
    assert json.loads(blocked.before_state) == {
        "Runbook": BLOCK,
        "BucketName": bucket,
        "PublicAccessBlock": former or {},
    }

    restored = undo(RESTORE, blocked)
    assert restored.succeeded("Restored"), restored.failure
    assert settings_of(bucket) == former

    again = undo(RESTORE, blocked)
    assert again.succeeded("AlreadyRestored"), again.failure
    assert not {"RemoveSettings", "PutFormerSettings"} & again.steps.keys()


def test_it_says_what_is_cut_off_and_leaves_it_standing(run, make_bucket):
    bucket = make_bucket()
    publish(bucket)
    before = everything_else(bucket)

    blocked = run(BLOCK, BucketName=bucket)

    assert blocked.conclusion["Changes"] == (
        f"Blocked public access to bucket {bucket}, turned on: {', '.join(SETTINGS)}."
        " Its policy is public and now lets in only this account and AWS services."
        " What its ACL grants to AllUsers is ignored now."
        " It is configured as a website, whose endpoint no longer answers the world."
    )
    assert everything_else(bucket) == before


def test_what_was_cut_off_before_is_not_said_to_be_cut_off_now(run, make_bucket):
    bucket = make_bucket(IGNORES_ACLS)
    client("s3").put_bucket_acl(Bucket=bucket, ACL="authenticated-read")
    blocked = run(BLOCK, BucketName=bucket)
    assert blocked.conclusion["Changes"] == (
        f"Blocked public access to bucket {bucket}, turned on: BlockPublicPolicy, RestrictPublicBuckets."
    )


def test_a_compliant_bucket_is_left_alone(run, make_bucket, calls_of_role):
    bucket = make_bucket(ALL_ON)
    execution = run(BLOCK, BucketName=bucket)
    assert execution.conclusion == {
        "Outcome": "AlreadyCompliant",
        "Changes": f"None: bucket {bucket} already blocks public access with all four settings.",
        "BeforeState": "",
    }
    assert list(execution.steps) == ["LookAtBucket", "PlanChange", "ChooseChange", "Conclude"]
    assert ("s3", "PutPublicAccessBlock") not in calls_of_role()


def test_only_all_four_settings_are_compliant(script):
    plan = script(BLOCK, "PlanChange")
    facts = {
        "BucketName": "b",
        "Exists": True,
        "PublicPolicy": False,
        "PublicGroups": [],
        "Website": False,
    }
    for values in product((True, False), repeat=4):
        outcome = plan({**facts, "Settings": dict(zip(SETTINGS, values, strict=True))})["Outcome"]
        assert outcome == ("AlreadyCompliant" if all(values) else "Remediated"), values


def test_a_bucket_that_is_gone_needs_no_repair_and_cannot_be_restored(run, undo, make_bucket):
    bucket = make_bucket()
    blocked = run(BLOCK, BucketName=bucket)
    client("s3").delete_bucket(Bucket=bucket)

    gone = run(BLOCK, BucketName=bucket)
    assert gone.succeeded("AlreadyCompliant"), gone.failure
    assert gone.conclusion["Changes"] == f"None: bucket {bucket} no longer exists."
    restored = undo(RESTORE, blocked)
    assert restored.status == "Failed"
    assert "no longer exists" in restored.failure


def test_only_the_declared_actions_are_called_and_all_by_the_role(run, undo, make_bucket, calls_of_role):
    for former in (None, ALL_OFF):
        undo(RESTORE, run(BLOCK, BucketName=make_bucket(former)))
    assert calls_of_role() == {
        ("s3", "GetBucketAcl"),
        ("s3", "GetBucketPolicyStatus"),
        ("s3", "GetBucketWebsite"),
        ("s3", "GetPublicAccessBlock"),
        ("s3", "PutPublicAccessBlock"),
        ("s3", "DeletePublicAccessBlock"),
        ("dynamodb", "GetItem"),
        ("ssm", "PutParameter"),
    }


def test_every_call_names_the_owner(load_runbook):
    for name in (BLOCK, RESTORE):
        for step in load_runbook(name)["mainSteps"]:
            inputs = step["inputs"]
            if inputs.get("Service") == "s3":
                assert inputs["ExpectedBucketOwner"] == "{{ global:ACCOUNT_ID }}", step["name"]
            elif 'boto3.client("s3")' in inputs.get("Script", ""):
                assert "ExpectedBucketOwner" in inputs["Script"], step["name"]


@pytest.mark.parametrize(
    "operation",
    ["get_bucket_acl", "get_public_access_block", "get_bucket_policy", "get_bucket_website_configuration"],
)
def test_what_may_not_be_read_is_not_taken_for_nothing(run, make_bucket, denying, operation):
    bucket = make_bucket()
    with denying(S3Backend, operation):
        execution = run(BLOCK, BucketName=bucket)
    assert execution.status == "Failed"
    assert list(execution.steps) == ["LookAtBucket"]
    assert "AccessDenied" in execution.failure
    assert settings_of(bucket) is None


def test_a_change_whose_answer_got_lost_counts(run, undo, make_bucket, denying):
    bucket = make_bucket()
    with denying(S3Backend, "put_public_access_block", applied=True):
        execution = run(BLOCK, BucketName=bucket)
    assert execution.succeeded("Remediated"), execution.failure
    assert execution.steps["BlockPublicAccess"] == "Failed"
    undo(RESTORE, execution)
    assert settings_of(bucket) is None


def test_a_denied_change_fails_the_execution_and_the_next_attempt_heals(run, make_bucket, denying):
    bucket = make_bucket(IGNORES_ACLS)
    with denying(S3Backend, "put_public_access_block"):
        execution = run(BLOCK, BucketName=bucket)
    assert execution.status == "Failed"
    assert execution.steps["Verify"] == "Failed"
    assert (
        "off: BlockPublicPolicy, RestrictPublicBuckets. If step BlockPublicAccess failed" in execution.failure
    )
    assert settings_of(bucket) == IGNORES_ACLS

    second = run(BLOCK, BucketName=bucket, Attempt="2")
    assert second.succeeded("Remediated"), second.failure
    assert settings_of(bucket) == ALL_ON


def test_settings_that_somebody_takes_back_at_once_are_noticed_and_can_be_undone(
    run, undo, make_bucket, monkeypatch
):
    bucket = make_bucket(ALL_OFF)
    original = S3Backend.put_public_access_block

    def put_and_take_back(self, bucket_name: str, settings: dict[str, bool]) -> None:
        original(self, bucket_name, settings)
        self.delete_public_access_block(bucket_name)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "put_public_access_block", put_and_take_back)
        execution = run(BLOCK, BucketName=bucket)
    assert execution.status == "Failed"
    assert execution.steps["BlockPublicAccess"] == "Success"
    assert "something changes the settings back" in execution.failure
    assert "Conclude" not in execution.steps

    restored = undo(RESTORE, execution)
    assert restored.succeeded("Restored"), restored.failure
    assert settings_of(bucket) == ALL_OFF


@pytest.mark.parametrize(
    ("former", "operation"),
    [(None, "delete_public_access_block"), (ALL_OFF, "put_public_access_block")],
)
def test_a_restore_that_failed_goes_on(run, undo, make_bucket, denying, former, operation):
    bucket = make_bucket(former)
    blocked = run(BLOCK, BucketName=bucket)
    with denying(S3Backend, operation):
        failed = undo(RESTORE, blocked)
    assert failed.status == "Failed"
    assert "are not as they were" in failed.failure
    assert "Then run this again" in failed.failure
    assert undo(RESTORE, blocked).succeeded("Restored")
    assert settings_of(bucket) == former


@pytest.mark.parametrize("name", ["ab", "a/b", "{{ global:ACCOUNT_ID }}", "bucket\n", "arn:aws:s3:::bucket"])
def test_what_is_no_bucket_name_starts_nothing(run, name):
    with pytest.raises(ClientError) as refusal:
        run(BLOCK, BucketName=name)
    assert refusal.value.response["Error"]["Code"] == "InvalidAutomationExecutionParametersException"
