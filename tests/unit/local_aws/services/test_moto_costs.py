"""What keeps a long session affordable: moto's own costs that grow with every object and every request."""

from __future__ import annotations

from moto import backends
from moto.s3.models import FakeKey
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


def test_the_source_folder_of_moto_is_listed_once(kit: Kit) -> None:
    """moto asks for its modules at every request, under a lock."""
    assert backends.list_of_moto_modules() is backends.list_of_moto_modules()
