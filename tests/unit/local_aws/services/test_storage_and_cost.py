"""File names of S3 prefixes, unpacking, quotas and prices."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from service_kit import BUCKET, Kit

from local_aws.archive import UnsafeArchiveError, unpack
from local_aws.cost import CostMeter, hourly_price
from local_aws.errors import AwsError
from local_aws.quotas import Quotas
from local_aws.storage import InvalidPathError, StorageError, inside, parse, relative_name


@pytest.mark.parametrize(
    ("key", "prefix", "name"),
    [
        ("data/train/a.csv", "data/train", "a.csv"),
        ("data/train/a.csv", "data/train/", "a.csv"),
        ("data/train/deep/a.csv", "data/train", "deep/a.csv"),
        ("data/train/a.csv", "data/train/a.csv", "a.csv"),
        ("data/train-2/a.csv", "data/train", "train-2/a.csv"),
        ("data/part-1.csv", "data/part", "part-1.csv"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_the_file_name_of_an_object_below_a_prefix(key: str, prefix: str, name: str) -> None:
    """Relative to the prefix when it is a folder, otherwise to the folder that it is in."""
    assert relative_name(key, prefix) == name


def test_a_location_is_joined_with_single_slashes() -> None:
    """Whatever the parts end with."""
    assert str(parse("s3://bucket/a/").join("b/", "/c")) == "s3://bucket/a/b/c"
    assert str(parse("s3://bucket").join("c")) == "s3://bucket/c"


@pytest.mark.parametrize("uri", ["bucket/key", "https://bucket/key", "s3://", "s3:///key"])
def test_what_is_no_s3_uri_is_refused(uri: str) -> None:
    """With the form that is expected."""
    with pytest.raises(ValueError, match="s3://bucket/key"):
        parse(uri)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x"])
def test_an_object_never_leaves_its_folder(name: str, tmp_path: Path) -> None:
    """A key with dots is not a way out."""
    with pytest.raises(InvalidPathError):
        inside(tmp_path, name)


def test_an_archive_never_leaves_its_folder(tmp_path: Path) -> None:
    """A member that climbs out is refused."""
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("../outside")
        archive.addfile(member, io.BytesIO())
    with pytest.raises(UnsafeArchiveError):
        unpack(path, tmp_path / "inside")
    assert not (tmp_path / "outside").exists()


def test_reading_sees_the_newest_version_and_deletions(kit: Kit) -> None:
    """The short way into S3 agrees with the long one."""
    from local_aws import services

    storage = services.of(kit.world).storage
    uri = parse(kit.put(f"{kit.name('read')}/x", "first"))
    kit.put(uri.key, "second")
    assert storage.read(uri) == b"second"
    kit.client("s3").delete_object(Bucket=BUCKET, Key=uri.key)
    assert not storage.exists(uri)
    with pytest.raises(StorageError, match="NoSuchKey"):
        storage.read(uri)
    with pytest.raises(StorageError, match="NoSuchBucket"):
        storage.keys(parse("s3://no-such-bucket-of-ours/x"))


def test_a_quota_counts_what_is_in_use() -> None:
    """Reserved instances count until they are released."""
    quotas = Quotas()
    quotas.configure({"q": 3})
    quotas.reserve("q", 2)
    with pytest.raises(AwsError, match="current utilization of 2 Instances and a request delta of 2 Instances"):
        quotas.reserve("q", 2)
    quotas.release("q", 2)
    quotas.reserve("q", 3)
    assert quotas.report() == {"q": {"limit": 3, "used": 3}}


@pytest.mark.parametrize("value", [-1, 1.5, "3", True])
def test_a_wrong_limit_is_named(value: object) -> None:
    """The message says which quota and what it takes."""
    with pytest.raises(ValueError, match="my quota: a quota is a whole number"):
        Quotas().configure({"my quota": value})


@pytest.mark.parametrize(
    ("instance_type", "price"),
    [("ml.m5.large", 0.115), ("ml.m5.xlarge", 0.23), ("ml.m5.4xlarge", 0.92), ("ml.zz9.large", 0.25)],
)
def test_prices_follow_family_and_size(instance_type: str, price: float) -> None:
    """Each size doubles; an unknown family has a price too."""
    assert hourly_price(instance_type) == pytest.approx(price)


def test_charges_add_up() -> None:
    """Instances times seconds times price, and DPU-seconds."""
    meter = CostMeter()
    meter.instances("training-job", "a", "ml.m5.xlarge", 2, 3600)
    meter.glue("jr_1", 3600)
    report = meter.report()
    assert report["totalUsd"] == pytest.approx(0.46 + 0.44)
    assert [charge["unit_seconds"] for charge in report["charges"]] == [7200, 3600]
