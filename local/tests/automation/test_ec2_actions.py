"""The actions on instances, images, tags and functions."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def instance(automation):
    """Return the id of a running instance."""
    ec2 = automation.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    return ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]


def state_of(automation, instance):
    answer = automation.client("ec2").describe_instances(InstanceIds=[instance])
    return answer["Reservations"][0]["Instances"][0]["State"]["Name"]


def test_instances_change_their_state(automation, step, instance):
    def change(desired, **inputs):
        inputs = {"InstanceIds": [instance], "DesiredState": desired, **inputs}
        execution = automation.run([step("Change", "aws:changeInstanceState", inputs)])
        assert execution["AutomationExecutionStatus"] == "Success"
        return execution["StepExecutions"][0]["Outputs"]["InstanceStates"], state_of(automation, instance)

    assert change("stopped") == (["stopped"], "stopped")
    assert change("stopped", CheckStateOnly=True) == (["stopped"], "stopped")
    assert change("running") == (["running"], "running")
    assert change("terminated") == (["terminated"], "terminated")


def test_an_instance_that_stays_stopped_can_fail_the_step(automation, step, instance):
    automation.client("ec2").stop_instances(InstanceIds=[instance])
    inputs = {
        "InstanceIds": [instance],
        "DesiredState": "running",
        "CheckStateOnly": True,
        "FailOnUnexpectedStopped": True,
    }

    execution = automation.run([step("Check", "aws:changeInstanceState", inputs)])

    assert execution["AutomationExecutionStatus"] == "Failed"
    assert "stopped instead of running" in execution["FailureMessage"]


def test_an_unknown_state_and_an_unknown_instance_fail(automation, step):
    for inputs, message in [
        ({"InstanceIds": ["i-00000000000000000"], "DesiredState": "paused"}, "not one of running"),
        ({"InstanceIds": ["i-00000000000000000"], "DesiredState": "stopped"}, "InvalidInstanceID.NotFound"),
    ]:
        execution = automation.run([step("Change", "aws:changeInstanceState", inputs)])
        assert message in execution["FailureMessage"]


def test_an_image_is_made_and_deleted(automation, step, instance):
    ec2 = automation.client("ec2")
    inputs = {"InstanceId": instance, "ImageName": "before", "ImageDescription": "Before", "NoReboot": True}

    made = automation.run([step("Make", "aws:createImage", inputs)])

    [image_id] = made["StepExecutions"][0]["Outputs"]["ImageId"]
    [image] = ec2.describe_images(ImageIds=[image_id])["Images"]
    assert (image["Name"], image["Description"]) == ("before", "Before")
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    deleted = automation.run([step("Delete", "aws:deleteImage", {"ImageId": image_id})])
    assert deleted["AutomationExecutionStatus"] == "Success"
    with pytest.raises(ClientError, match="NotFound"):
        ec2.describe_snapshots(SnapshotIds=[snapshot])


def test_resources_are_tagged(automation, step, instance):
    ssm = automation.client("ssm")
    ssm.put_parameter(Name="tagged", Type="String", Value="x")
    tags = [{"Key": "mend", "Value": "{{ automation:EXECUTION_ID }}"}]
    steps = [
        step("TagInstance", "aws:createTags", {"ResourceIds": [instance], "Tags": tags}),
        step(
            "TagParameter",
            "aws:createTags",
            {"ResourceType": "Parameter", "ResourceIds": ["tagged"], "Tags": tags},
        ),
        step(
            "TagTwo",
            "aws:createTags",
            {"ResourceType": "Parameter", "ResourceIds": ["tagged", "other"], "Tags": tags},
        ),
    ]

    execution = automation.run(steps)

    value = execution["AutomationExecutionId"]
    filters = [{"Name": "resource-id", "Values": [instance]}]
    assert automation.client("ec2").describe_tags(Filters=filters)["Tags"][0]["Value"] == value
    listed = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="tagged")["TagList"]
    assert listed == [{"Key": "mend", "Value": value}]
    assert "one resource is tagged at a time" in execution["FailureMessage"]
