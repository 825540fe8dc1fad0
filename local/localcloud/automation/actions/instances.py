"""The actions on EC2 instances and images."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.client import BaseClient

from localcloud.automation.actions.action import Action, Result, StepContext
from localcloud.automation.actions.api import POLL_SECONDS, perform
from localcloud.automation.failures import StepFailure

STATES = ("running", "stopped", "terminated")

IMAGE_MEMBERS = {
    "BlockDeviceMappings": "BlockDeviceMappings",
    "ImageDescription": "Description",
    "ImageName": "Name",
    "InstanceId": "InstanceId",
    "NoReboot": "NoReboot",
}
"""The members of CreateImage, by the inputs of the action."""


class ChangeInstanceState(Action):
    """``aws:changeInstanceState``: change the state of instances, or only wait for it."""

    required = frozenset({"DesiredState", "InstanceIds"})
    optional = frozenset({"CheckStateOnly", "Force", "FailOnUnexpectedStopped"})
    outputs = frozenset({"InstanceStates"})

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Ask for the state, and wait until it is reached."""
        desired, instance_ids = inputs["DesiredState"], inputs["InstanceIds"]
        if desired not in STATES:
            raise StepFailure(
                f"DesiredState is {desired!r}, not one of {', '.join(STATES)}", stage="InputValidation"
            )
        client = context.role.client("ec2", context.remaining())
        if not inputs.get("CheckStateOnly"):
            perform(_change(client, desired, instance_ids, bool(inputs.get("Force"))), context)
        while set(states := _states(client, instance_ids, context)) != {desired}:
            if desired == "running" and inputs.get("FailOnUnexpectedStopped") and "stopped" in states:
                raise StepFailure("An instance stopped instead of running")
            context.wait(POLL_SECONDS)
        while desired == "running" and not _are_ok(client, instance_ids, context):
            context.wait(POLL_SECONDS)
        return Result(outputs={"InstanceStates": states})


class CreateImage(Action):
    """``aws:createImage``: make an image of an instance."""

    required = frozenset({"ImageName", "InstanceId"})
    optional = frozenset(IMAGE_MEMBERS) - required
    outputs = frozenset({"ImageId", "ImageState"})

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Make it, and wait until it is available."""
        client = context.role.client("ec2", context.remaining())
        members = {IMAGE_MEMBERS[name]: value for name, value in inputs.items()}
        image_id = perform(lambda: client.create_image(**members), context)["ImageId"]
        while True:
            images = perform(lambda: client.describe_images(ImageIds=[image_id]), context)["Images"]
            state = images[0]["State"] if images else "pending"
            if state == "available":
                return Result(outputs={"ImageId": image_id, "ImageState": state})
            if state != "pending":
                raise StepFailure(f"The image {image_id} is {state}")
            context.wait(POLL_SECONDS)


class DeleteImage(Action):
    """``aws:deleteImage``: deregister an image and delete its snapshots."""

    required = frozenset({"ImageId"})

    def run(self, inputs: dict[str, Any], context: StepContext) -> Result:
        """Delete it."""
        client = context.role.client("ec2", context.remaining())
        image_id = inputs["ImageId"]
        images = perform(lambda: client.describe_images(ImageIds=[image_id]), context)["Images"]
        perform(lambda: client.deregister_image(ImageId=image_id), context)
        for snapshot_id in _snapshots(images):
            perform(lambda snapshot_id=snapshot_id: client.delete_snapshot(SnapshotId=snapshot_id), context)
        return Result()


def _change(client: BaseClient, desired: str, instance_ids: list[str], force: bool) -> Callable[[], Any]:
    match desired:
        case "running":
            return lambda: client.start_instances(InstanceIds=instance_ids)
        case "stopped":
            return lambda: client.stop_instances(InstanceIds=instance_ids, Force=force)
    return lambda: client.terminate_instances(InstanceIds=instance_ids)


def _states(client: BaseClient, instance_ids: list[str], context: StepContext) -> list[str]:
    answer = perform(lambda: client.describe_instances(InstanceIds=instance_ids), context)
    instances = [instance for each in answer["Reservations"] for instance in each["Instances"]]
    return [instance["State"]["Name"] for instance in instances]


def _are_ok(client: BaseClient, instance_ids: list[str], context: StepContext) -> bool:
    answer = perform(lambda: client.describe_instance_status(InstanceIds=instance_ids), context)
    statuses = answer["InstanceStatuses"]
    return len(statuses) == len(instance_ids) and all(
        status[name]["Status"] == "ok" for status in statuses for name in ("InstanceStatus", "SystemStatus")
    )


def _snapshots(images: list[dict[str, Any]]) -> Iterator[str]:
    for image in images:
        for device in image.get("BlockDeviceMappings", []):
            if snapshot_id := device.get("Ebs", {}).get("SnapshotId"):
                yield snapshot_id
