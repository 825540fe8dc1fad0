"""AWS's own documents, as far as the local cloud has them: stand-ins, for AWS publishes no bodies.

Each is written from the parameters, steps and permissions that AWS documents, and says so in its description.
"""

from functools import cache, cached_property
from pathlib import Path

from moto.ssm.models import Document

from localcloud.automation.documents import Runbook, read
from localcloud.automation.executions import AMAZON

FOLDER = Path(__file__).parent
PLATFORMS = ["Windows", "Linux", "MacOS"]

TARGET_TYPES = {
    "AWS-ConfigureS3BucketVersioning": "/AWS::S3::Bucket",
    "AWS-EnableS3BucketEncryption": "/AWS::S3::Bucket",
    "AWSConfigRemediation-ConfigureS3BucketPublicAccessBlock": "/AWS::S3::Bucket",
    "AWSConfigRemediation-EnableEbsEncryptionByDefault": "/AWS::::Account",
    "AWSConfigRemediation-EnableKeyRotation": "/AWS::KMS::Key",
}


class StandIn(Document):
    """A document of Amazon's."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            account_id=AMAZON,
            name=path.stem,
            version_name="",
            content=path.read_text(),
            document_type="Automation",
            document_format="YAML",
            requires=[],
            attachments=[],
            target_type=TARGET_TYPES.get(path.stem, ""),
        )
        # They may be read before moto's documents are patched.
        self.platform_types = PLATFORMS

    @cached_property
    def runbook(self) -> Runbook:
        """Read it when it first runs: the models of all its services would slow down every start."""
        return read(self.content_json)


@cache
def stand_ins() -> list[StandIn]:
    """Return all stand-ins."""
    return [StandIn(path) for path in sorted(FOLDER.glob("*.yaml"))]
