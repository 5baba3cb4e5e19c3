"""What a platform team would have made in the AWS account with Terraform: roles, bucket, event rules and queue. For the local AWS."""

from __future__ import annotations

import json
from typing import Any, Final

import boto3

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
BUCKET: Final = "team-a-ml"
QUEUE: Final = "sagemaker-gitops-events"
OPERATOR_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-operator"
PERSON: Final = f"arn:aws:iam::{ACCOUNT}:user/admin"  # whoever uses the sandbox's exports: plan and logs assume the Tenant's role

SEED: Final = {
    "roles": [
        {
            "name": "sagemaker-gitops-team-a",
            "trust": {"principals": [OPERATOR_ROLE, PERSON], "externalId": "team-a", "sessionTags": ["namespace", "kind", "name"]},
            "passRoles": [f"arn:aws:iam::{ACCOUNT}:role/team-a/*"],
        },
        {"name": "team-a/training", "trust": {"principals": ["sagemaker.amazonaws.com", "glue.amazonaws.com"]}},
    ]
}


def client(url: str, service: str) -> Any:
    """A client of the local AWS as its administrator."""
    return boto3.session.Session().client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id="LOCALADMIN", aws_secret_access_key="local"
    )


def prepare_account(url: str) -> str:
    """Make bucket, queue and rules; returns the queue's URL."""
    s3 = client(url, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    queue: str = client(url, "sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
    events = client(url, "events")
    events.put_rule(Name="sagemaker-gitops", EventPattern=json.dumps({"source": ["aws.sagemaker", "aws.glue"]}))
    events.put_targets(Rule="sagemaker-gitops", Targets=[{"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"}])
    return queue
