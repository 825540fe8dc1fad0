"""S3: many an operation has an action of another name, and none on a bucket knows account or Region."""

from __future__ import annotations

from localcloud.permissions.actions.operation import Place, Request, on
from localcloud.settings import PARTITION

_ACTIONS_ON_BUCKETS = {
    "DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "GetBucketAcl": "s3:GetBucketAcl",
    "GetBucketPolicyStatus": "s3:GetBucketPolicyStatus",
    "GetBucketWebsite": "s3:GetBucketWebsite",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "HeadBucket": "s3:ListBucket",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}


def _bucket(request: Request, place: Place) -> str:
    return f"arn:{PARTITION}:s3:::{request['Bucket']}"


OPERATIONS = {operation: on(action, _bucket) for operation, action in _ACTIONS_ON_BUCKETS.items()}
