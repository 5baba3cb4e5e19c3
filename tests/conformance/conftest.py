"""The target of the conformance cases, started once for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest
from target import Target

from local_aws.client import LocalAws

_PRINCIPALS = ["sagemaker.amazonaws.com", "glue.amazonaws.com"]
_SEED = {"roles": [{"name": "conformance", "trust": {"principals": _PRINCIPALS}}, {"name": "untrusted"}]}


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A local AWS in a process of its own, or the account that the environment names."""
    live_role = os.environ.get("CONFORMANCE_ROLE_ARN")
    if live_role is not None:
        yield _account(live_role, os.environ["CONFORMANCE_BUCKET"])
        return
    with LocalAws.start(tmp_path_factory.mktemp("aws"), seed=_SEED) as aws:
        location = {"LocationConstraint": aws.region}
        aws.client("s3").create_bucket(Bucket="conformance", CreateBucketConfiguration=location)
        services = ("s3", "sagemaker", "sagemaker-runtime", "glue", "sts", "cloudwatch", "cloudtrail")
        clients = {service: aws.client(service) for service in services}
        yield Target(
            client=clients.__getitem__,
            role="arn:aws:iam::123456789012:role/conformance",
            account="123456789012",
            region=aws.region,
            bucket="conformance",
            admin=aws,
        )


def _account(role: str, bucket: str) -> Target:
    session = boto3.session.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    return Target(session.client, role, account, session.region_name, bucket, None, wait_seconds=1800.0)
