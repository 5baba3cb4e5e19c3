"""What keeps a long session affordable: moto's own costs that grow with every object and every request."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from moto import backends
from moto.s3.models import FakeKey
from moto.sqs import models
from service_kit import REGION, Kit

BUCKET = "moto-costs"


def test_listing_versions_leaves_the_objects_readable_and_keeps_no_copy(kit: Kit) -> None:
    """A list takes cheap copies that moto does not track, and whose end does not close the bytes of the object."""
    s3 = kit.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"one", b"two"):
        s3.put_object(Bucket=BUCKET, Key="data", Body=text)
    s3.delete_object(Bucket=BUCKET, Key="data")
    tracked = len(FakeKey.instances_tracked)
    for _ in range(3):
        listed = s3.list_object_versions(Bucket=BUCKET)
        assert [(each["Size"], each["IsLatest"]) for each in listed["Versions"]] == [(3, False), (3, False)]
        assert [each["IsLatest"] for each in listed["DeleteMarkers"]] == [True]
    assert len(FakeKey.instances_tracked) == tracked
    newest = listed["Versions"][0]["VersionId"]
    assert s3.get_object(Bucket=BUCKET, Key="data", VersionId=newest)["Body"].read() == b"two"


def test_receiving_does_not_count_the_queue_for_every_message(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is received is still hidden from the next one, and what is too old never comes."""
    sqs, looks = kit.client("sqs"), Counter[str]()
    queue = sqs.create_queue(QueueName="moto-costs", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    for number in range(100):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    real = models.Message.visible.fget

    def visible(message: models.Message) -> bool:
        looks["visible"] += 1
        return bool(real(message))

    monkeypatch.setattr(models.Message, "visible", property(visible))
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [item["Body"] for item in received] == [str(number) for number in range(10)]
    assert looks["visible"] <= 200
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "10"
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_the_source_folder_of_moto_is_listed_once(kit: Kit) -> None:
    """moto asks for its modules at every request, under a lock."""
    assert backends.list_of_moto_modules() is backends.list_of_moto_modules()
