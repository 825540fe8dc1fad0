"""Resource Groups Tagging API: the tags of resources by their ARNs."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud import faults
from localcloud.clients import client
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, ADMINISTRATOR, REGION

TAGS = [{"Key": "mend:exempt", "Value": "true"}, {"Key": "mend:exempt-until", "Value": "2030-01-01"}]


@pytest.fixture(scope="module")
def tagged(cloud: LocalCloud) -> dict[str, str]:
    """The ARNs of a security group, a bucket and a key with tags."""
    group = client("ec2").create_security_group(
        GroupName="tagged",
        Description="tagged",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": TAGS}],
    )["GroupId"]
    s3 = client("s3")
    s3.create_bucket(Bucket="tagged", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(Bucket="tagged", Tagging={"TagSet": TAGS})
    far = boto3.client("s3", region_name="us-west-2", endpoint_url=cloud.endpoint_url, **ADMINISTRATOR)
    far.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    far.put_bucket_tagging(Bucket="far", Tagging={"TagSet": TAGS})
    kms_tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in TAGS]
    return {
        "group": f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:security-group/{group}",
        "bucket": "arn:aws:s3:::tagged",
        "key": client("kms").create_key(Tags=kms_tags)["KeyMetadata"]["Arn"],
    }


def tags_of(*arns: str) -> dict[str, list[dict[str, str]]]:
    found = client("resourcegroupstaggingapi").get_resources(ResourceARNList=list(arns))
    return {each["ResourceARN"]: each["Tags"] for each in found["ResourceTagMappingList"]}


def refusal(**request: Any) -> str:
    impatient = client("resourcegroupstaggingapi", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as refused:
        impatient.get_resources(**request)
    return refused.value.response["Error"]["Code"]


@pytest.mark.parametrize("kind", ["group", "bucket", "key"])
def test_the_tags_of_one_resource(tagged: dict[str, str], kind: str):
    assert tags_of(tagged[kind]) == {tagged[kind]: TAGS}


def test_the_tags_of_several(tagged: dict[str, str]):
    assert tags_of(*tagged.values()) == dict.fromkeys(tagged.values(), TAGS)


def test_what_has_no_tags_is_not_there_or_is_elsewhere_is_not_told(tagged: dict[str, str]):
    bare = client("ec2").create_security_group(GroupName="bare", Description="bare")["GroupId"]
    groups = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:security-group"
    other_region = tagged["group"].replace(REGION, "us-west-2")
    assert tags_of(f"{groups}/{bare}", f"{groups}/sg-0", other_region, "arn:aws:s3:::far") == {}


def test_a_list_of_arns_stands_alone(tagged: dict[str, str]):
    arns = [tagged["key"]]
    assert refusal(ResourceARNList=arns, TagFilters=[{"Key": "a"}]) == "InvalidParameterException"
    assert refusal(ResourceARNList=arns, ResourcesPerPage=5) == "InvalidParameterException"
    assert refusal(ResourceARNList=["tagged"]) == "InvalidParameterException"


def test_it_is_throttled_in_its_own_words(tagged: dict[str, str]):
    with faults.inject("throttle", "resourcegroupstaggingapi", "GetResources"):
        assert refusal(ResourceARNList=[tagged["key"]]) == "ThrottledException"
