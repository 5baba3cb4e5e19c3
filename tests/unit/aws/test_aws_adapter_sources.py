"""aws.storage, sources: archives that are the same bytes for the same files, pinned by digest, and never trusted."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest

from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.storage import SOURCE_LIMIT, fetch_source, pack, put_source, unpack
from sagemaker_gitops.core.errors import AwsFailure, Category
from tests.unit.aws.aws_adapter_fakes import SCOPE, FakeAws, refused

FILES = {"train.py": b"print(1)\n", "lib/model.py": b"x = 2\n", "empty": b""}


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar.gz with exactly these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def linked(name: str, target: str, type_: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


class Bucket:
    """S3 with Head, Get and Put."""

    def __init__(self, held: Mapping[str, bytes] | None = None) -> None:
        self.held = dict(held or {})
        self.puts: list[dict[str, Any]] = []
        self.aws = FakeAws(self.answer)

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | Exception:
        key = parameters["Key"]
        if operation == "PutObject":
            self.puts.append(dict(parameters))
            self.held[key] = parameters["Body"]
            return {}
        if key not in self.held:
            return refused(Category.NOT_FOUND, "404")
        return {"ContentLength": len(self.held[key]), "Body": self.held[key]}


def test_packing_is_undone_by_unpacking() -> None:
    """Every file with its content."""
    assert unpack(pack(FILES)) == FILES


def test_the_same_files_are_the_same_bytes() -> None:
    """Whatever the order and the time: the digest of the archive is an identity."""
    assert pack(FILES) == pack(dict(reversed(FILES.items())))
    assert pack(FILES) != pack(FILES | {"empty": b"x"})


def test_an_archive_carries_no_time_user_or_mode() -> None:
    """Neither in gzip's header nor in tar's: they differ from machine to machine."""
    packed = pack(FILES)
    assert packed[4:8] == b"\0\0\0\0"
    assert not packed[3] & 0x08  # no file name
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        members = [(item.name, item.mtime, item.uid, item.gid, item.uname, item.gname, item.mode) for item in tar]
    assert members == [(name, 0, 0, 0, "", "", 0o644) for name in sorted(FILES)]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "./../evil", ".//etc/passwd", "a/..", "..", "lib/./../../evil"])
def test_a_path_that_leaves_the_archive_is_refused(name: str) -> None:
    """It is told by name; nothing of the archive is used."""
    with pytest.raises(ValueError, match="which leads out of it"):
        unpack(archive((tarfile.TarInfo("good"), b"1"), (tarfile.TarInfo(name), b"2")))


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_are_taken(type_: bytes) -> None:
    """Links, devices and folders are left out."""
    assert unpack(archive((linked("other", "/etc/passwd", type_), b""), (tarfile.TarInfo("./train.py"), b"1"))) == {"train.py": b"1"}


@pytest.mark.parametrize("name", ["a..b", "..hidden", "lib/...", "x/y"])
def test_dots_in_a_name_are_no_way_out(name: str) -> None:
    """Only the path element .. is."""
    assert unpack(archive((tarfile.TarInfo(name), b"1"))) == {name: b"1"}


def test_too_much_content_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole archive; the limit itself is allowed."""
    packed = pack({"a": b"x" * 5, "b": b"x" * 5})
    size = len(gzip.decompress(packed))
    monkeypatch.setattr(storage, "UNPACKED_LIMIT", size)
    assert unpack(packed) == {"a": b"x" * 5, "b": b"x" * 5}
    monkeypatch.setattr(storage, "UNPACKED_LIMIT", size - 1)
    with pytest.raises(ValueError, match=f"unpacks to more than {size - 1} bytes"):
        unpack(packed)


def test_a_huge_header_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers count as content does: a few kB can hold hundreds of MB of them."""
    entry = tarfile.TarInfo("train.py")
    entry.pax_headers = {"comment": "x" * 1_000_000}
    monkeypatch.setattr(storage, "UNPACKED_LIMIT", 100_000)
    with pytest.raises(ValueError, match="unpacks to more than"):
        unpack(archive((entry, b"1")))


NO_ARCHIVES = {"empty": b"", "text": b"text", "zip": b"PK\x03\x04zip", "gzip": gzip.compress(b"no tar", mtime=0), "cut": pack(FILES)[:60]}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_what_is_no_archive_is_told(content: bytes) -> None:
    """As the user's mistake."""
    with pytest.raises(ValueError, match=r"not a tar\.gz"):
        unpack(content)


def fetched(bucket: Bucket, sha256: str) -> dict[str, bytes]:
    return asyncio.run(fetch_source(bucket.aws, SCOPE, "s3://bucket/source.tar.gz", sha256))


@pytest.mark.parametrize("upper", [False, True])
def test_a_source_with_the_pinned_digest_is_unpacked(upper: bool) -> None:
    """In either spelling of the digest."""
    content = pack(FILES)
    pinned = hashlib.sha256(content).hexdigest()
    assert fetched(Bucket({"source.tar.gz": content}), pinned.upper() if upper else pinned) == FILES


def test_a_source_with_another_digest_is_refused() -> None:
    """Overwritten after review: both digests are told, and nothing of it is used."""
    content, reviewed = pack(FILES), hashlib.sha256(b"reviewed").hexdigest()
    with pytest.raises(ValueError, match=f"SHA-256 is {hashlib.sha256(content).hexdigest()}, the spec pins {reviewed}"):
        fetched(Bucket({"source.tar.gz": content}), reviewed)


def test_the_digest_is_checked_before_anything_is_unpacked() -> None:
    """An archive that nobody reviewed never reaches tarfile."""
    with pytest.raises(ValueError, match="SHA-256"):
        fetched(Bucket({"source.tar.gz": b"no archive"}), "0" * 64)


def test_a_source_that_is_too_large_is_not_fetched() -> None:
    """By its head."""
    aws = FakeAws(lambda operation, parameters: {"ContentLength": SOURCE_LIMIT + 1})
    with pytest.raises(ValueError, match=f"more than {SOURCE_LIMIT}"):
        asyncio.run(fetch_source(aws, SCOPE, "s3://bucket/source.tar.gz", "0" * 64))
    assert aws.operations == ["s3:HeadObject"]


def test_a_source_that_is_missing_is_told() -> None:
    """A person uploads it."""
    with pytest.raises(ValueError, match="does not exist"):
        fetched(Bucket(), "0" * 64)


def put(bucket: Bucket, uri: str, kms: str | None = None) -> None:
    asyncio.run(put_source(bucket.aws, SCOPE, uri, FILES, kms))


def test_a_source_is_put_packed_or_as_single_files() -> None:
    """By the form of the URI: SageMaker wants an archive, Glue a script."""
    packed, single = Bucket(), Bucket()
    put(packed, "s3://bucket/k1/source.tar.gz")
    put(single, "s3://bucket/k1/")
    assert packed.held == {"k1/source.tar.gz": pack(FILES)}
    assert single.held == {f"k1/{name}": content for name, content in FILES.items()}
    assert all(item["Bucket"] == "bucket" for item in packed.puts + single.puts)


def test_what_is_there_is_not_put_again() -> None:
    """Names carry the content's digest; a second pass costs no upload, a half-done one is completed."""
    bucket = Bucket({"k1/train.py": b"there"})
    put(bucket, "s3://bucket/k1/")
    assert [item["Key"] for item in bucket.puts] == ["k1/empty", "k1/lib/model.py"]
    put(bucket, "s3://bucket/k1/")
    assert len(bucket.puts) == 2


@pytest.mark.parametrize("uri", ["s3://bucket/k1/source.tar.gz", "s3://bucket/k1/"])
def test_a_tenants_key_encrypts_every_object(uri: str) -> None:
    """Without one the bucket's own default holds: no header is sent."""
    own, default = Bucket(), Bucket()
    put(own, uri, "arn:aws:kms:eu-west-1:111122223333:key/1")
    put(default, uri)
    assert {(item["ServerSideEncryption"], item["SSEKMSKeyId"]) for item in own.puts} == {
        ("aws:kms", "arn:aws:kms:eu-west-1:111122223333:key/1")
    }
    assert not any("ServerSideEncryption" in item for item in default.puts)


def test_a_head_that_fails_otherwise_puts_nothing() -> None:
    """Not seen is not the same as absent."""
    aws = FakeAws(lambda operation, parameters: refused(Category.BLOCKED, "403"))
    with pytest.raises(AwsFailure):
        asyncio.run(put_source(aws, SCOPE, "s3://bucket/k1/", FILES, None))
    assert aws.operations == ["s3:HeadObject"]
