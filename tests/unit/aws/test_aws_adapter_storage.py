"""aws.storage, inputs and documents: the identity of what an S3 URI holds now, and JSON that may be anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.storage import InputVersion, read_json, resolve_input, split
from sagemaker_gitops.core.errors import AwsFailure, Category
from tests.unit.aws.aws_adapter_fakes import SCOPE, FakeAws, refused, scripted

URI = "s3://bucket/data/"


def version(key: str, version_id: str = "v1", etag: str = '"e1"', size: int = 3, *, latest: bool = True) -> dict[str, Any]:
    return {"Key": key, "VersionId": version_id, "ETag": etag, "Size": size, "IsLatest": latest}


def page(*versions: Mapping[str, Any], following: tuple[str, str] | None = None) -> dict[str, Any]:
    more = {"IsTruncated": True, "NextKeyMarker": following[0], "NextVersionIdMarker": following[1]} if following else {}
    return {"Versions": list(versions), "IsTruncated": False, **more}


def resolved(*answers: Any, uri: str = URI) -> InputVersion:
    return asyncio.run(resolve_input(scripted(*answers), SCOPE, uri))


@pytest.mark.parametrize(
    ("uri", "parts"),
    [("s3://bucket/a/b", ("bucket", "a/b")), ("s3://bucket/", ("bucket", "")), ("s3://bucket//a", ("bucket", "/a"))],
)
def test_a_uri_is_bucket_and_key(uri: str, parts: tuple[str, str]) -> None:
    """Nothing is normalised: S3 does not either."""
    assert split(uri) == parts


@pytest.mark.parametrize("uri", ["s3://bucket", "s3:///key", "https://bucket/key", "bucket/key", "", "S3://bucket/key", " s3://bucket/key"])
def test_what_is_no_s3_uri_is_refused(uri: str) -> None:
    """With an example of a good one."""
    with pytest.raises(ValueError, match=r"is not an S3 URI such as s3://bucket/folder/"):
        split(uri)


def test_the_identity_counts_objects_and_bytes() -> None:
    """Of everything under the prefix."""
    found = resolved(page(version("data/a", size=3), version("data/b", size=4)))
    assert (found.uri, found.objects, found.size) == (URI, 2, 7)


@pytest.mark.parametrize(
    "changed",
    [
        version("data/a", version_id="v2"),
        version("data/a", etag='"e2"'),
        version("data/a", size=4),
        version("data/renamed"),
    ],
)
def test_any_change_of_an_object_changes_the_identity(changed: dict[str, Any]) -> None:
    """Key, version, ETag and size: a bucket without versions has only the last two."""
    assert resolved(page(changed)).digest != resolved(page(version("data/a"))).digest


def test_one_more_or_less_object_changes_the_identity() -> None:
    """A deleted file is another data set."""
    one, two = page(version("data/a")), page(version("data/a"), version("data/b"))
    assert resolved(one).digest != resolved(two).digest


def test_order_and_pages_do_not_change_the_identity() -> None:
    """The same objects in two pages, the other way round."""
    whole = resolved(page(version("data/a"), version("data/b")))
    paged = resolved(page(version("data/b"), following=("data/b", "v1")), page(version("data/a")))
    assert whole == paged


def test_what_is_not_current_does_not_count() -> None:
    """Noncurrent versions and deleted objects are not what a job would read."""
    old = version("data/a", version_id="v0", latest=False)
    answer = page(old, version("data/a")) | {"DeleteMarkers": [{"Key": "data/gone", "VersionId": "v9", "IsLatest": True}]}
    assert resolved(answer) == resolved(page(version("data/a")))


def test_each_page_is_asked_for_where_the_last_one_ended() -> None:
    """Both markers: a key can have more versions than a page."""
    aws = scripted(page(version("data/a"), following=("data/a", "v1")), page(version("data/b"), following=("data/b", "v7")), page())
    assert asyncio.run(resolve_input(aws, SCOPE, URI)).objects == 2
    asked = [parameters for _, parameters in aws.calls]
    assert asked[0] == {"Bucket": "bucket", "Prefix": "data/"}
    assert [(item["KeyMarker"], item["VersionIdMarker"]) for item in asked[1:]] == [("data/a", "v1"), ("data/b", "v7")]
    assert aws.operations == ["s3:ListObjectVersions"] * 3


@pytest.mark.parametrize("answer", [page(), {}, page(version("data/a", latest=False))])
def test_an_empty_prefix_is_told(answer: dict[str, Any]) -> None:
    """A training on nothing is never paid for."""
    with pytest.raises(ValueError, match=r"s3://bucket/data/ holds no object: upload the data"):
        resolved(answer)


def test_a_uri_of_one_object_takes_that_object_only() -> None:
    """s3://bucket/data is not s3://bucket/data-of-another-team."""
    answer = page(version("data", size=1), version("data-2", size=9), version("data/x", size=9))
    assert resolved(answer, uri="s3://bucket/data").size == 1
    with pytest.raises(ValueError, match="holds no object"):
        resolved(page(version("data-2")), uri="s3://bucket/data")


def test_too_many_objects_are_refused_while_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass does not list a data lake: no page more is asked for."""
    monkeypatch.setattr(storage, "OBJECT_LIMIT", 1)
    aws = scripted(page(version("data/a"), version("data/b"), following=("data/b", "v1")))
    with pytest.raises(ValueError, match="more than 1 objects: name a smaller prefix"):
        asyncio.run(resolve_input(aws, SCOPE, URI))
    assert len(aws.calls) == 1


def test_a_missing_bucket_is_told_and_other_failures_stay() -> None:
    """A person mends the first; the second has its own category."""
    with pytest.raises(ValueError, match="bucket bucket does not exist"):
        resolved(refused(Category.NOT_FOUND, "NoSuchBucket"))
    with pytest.raises(AwsFailure) as caught:
        resolved(refused(Category.BLOCKED, "AccessDenied"))
    assert caught.value.category is Category.BLOCKED


def objects(held: Mapping[str, bytes], *, claimed: int | None = None) -> FakeAws:
    """A bucket; `claimed` is what HeadObject says about the size."""

    def answer(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | Exception:
        content = held.get(parameters["Key"])
        if content is None:
            return refused(Category.NOT_FOUND, "404")
        return {"ContentLength": len(content) if claimed is None else claimed, "Body": content}

    return FakeAws(answer)


def test_a_document_is_read() -> None:
    """As the tenant, from bucket and key."""
    aws = objects({"out/evaluation.json": b'{"accuracy": 0.9}'})
    assert asyncio.run(read_json(aws, SCOPE, "s3://bucket/out/evaluation.json", 100)) == {"accuracy": 0.9}
    assert aws.calls[-1] == ("s3:GetObject", {"Bucket": "bucket", "Key": "out/evaluation.json"})
    assert set(aws.scopes) == {SCOPE}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"accuracy: 0.9"])
def test_what_is_no_json_is_told(content: bytes) -> None:
    """In words with the URI; not as a bug of ours."""
    with pytest.raises(ValueError, match="s3://bucket/k is not JSON"):
        asyncio.run(read_json(objects({"k": content}), SCOPE, "s3://bucket/k", 100))


def test_a_missing_document_is_told() -> None:
    """By its URI."""
    with pytest.raises(ValueError, match="s3://bucket/k does not exist"):
        asyncio.run(read_json(objects({}), SCOPE, "s3://bucket/k", 100))


def test_a_document_that_is_too_large_is_not_fetched() -> None:
    """The head is enough to refuse it; the limit itself is allowed."""
    aws = objects({"k": b"[]"}, claimed=101)
    with pytest.raises(ValueError, match="has 101 bytes, more than 100"):
        asyncio.run(read_json(aws, SCOPE, "s3://bucket/k", 100))
    assert aws.operations == ["s3:HeadObject"]
    assert asyncio.run(read_json(objects({"k": b"[]"}, claimed=100), SCOPE, "s3://bucket/k", 100)) == []


def test_a_document_that_may_not_be_read_is_not_absent() -> None:
    """Denied stays denied."""
    with pytest.raises(AwsFailure):
        asyncio.run(read_json(scripted(refused(Category.BLOCKED)), SCOPE, "s3://bucket/k", 100))
