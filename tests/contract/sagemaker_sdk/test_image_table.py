"""The image lookup gives what AWS's own SDK gives."""

from __future__ import annotations

from functools import cache

import pytest
from sagemaker.core import common_utils, image_uris

from sagemaker_gitops.core.images import image_uri, images_table, monitor_image_uri

REGIONS = ("eu-central-1", "cn-north-1")


@pytest.fixture(autouse=True)
def _regions_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads botocore's whole table of endpoints at every lookup."""
    monkeypatch.setattr(common_utils, "_botocore_resolver", cache(common_utils._botocore_resolver))


def _cases() -> list[tuple[str, str, str]]:
    """Every version of every entry."""
    table = images_table()
    return [
        (kind, name, version) for kind in ("framework", "algorithm") for name, entry in table[kind].items() for version in entry["versions"]
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_every_image_is_what_the_sdk_says(region: str) -> None:
    """Registry, repository and tag agree with sagemaker.core.image_uris.retrieve for every version AWS has in the region."""
    compared = 0
    for kind, name, version in _cases():
        found = images_table()[kind][name]["versions"][version]
        for instance in ("ml.m5.large", "ml.g5.xlarge") if found.get("processors") else ("ml.m5.large",):
            python = max(found["python"], key=lambda item: int(item[2:] or 0)) if found.get("python") else None
            try:
                expected = image_uris.retrieve(
                    name, region, version=version, instance_type=instance, image_scope="training", py_version=python
                )
            except ValueError:
                with pytest.raises(ValueError):
                    image_uri(images_table(), kind, name, version, region, instance)
                continue
            assert image_uri(images_table(), kind, name, version, region, instance) == expected
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("region", REGIONS)
def test_the_image_of_model_monitor_is_what_the_sdk_says(region: str) -> None:
    assert monitor_image_uri(images_table(), region) == image_uris.retrieve("model-monitor", region)
    assert monitor_image_uri(images_table(), region, "clarify") == image_uris.retrieve("clarify", region)


def test_an_alias_stands_for_its_newest_patch_release() -> None:
    """pytorch 2.3 is an alias; AWS's tag carries what was asked for."""
    expected = image_uris.retrieve(
        "pytorch", "eu-central-1", version="2.3", instance_type="ml.m5.large", image_scope="training", py_version="py311"
    )
    assert image_uri(images_table(), "framework", "pytorch", "2.3", "eu-central-1", "ml.m5.large") == expected


@pytest.mark.parametrize(
    ("kind", "name", "version", "instance", "words"),
    [
        ("framework", "sklern", "1.2-1", "ml.m5.large", "sklern is not known: use one of mxnet, pytorch, sklearn"),
        ("framework", "sklearn", "9.9", "ml.m5.large", "sklearn has no version 9.9: use one of 0.20.0"),
        ("framework", "sklearn", "1.2-1", "ml.g5.xlarge", "sklearn has no image for ml.g5.xlarge: it runs on cpu"),
        ("framework", "pytorch", None, "ml.m5.large", "pytorch needs a version"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_known(kind: str, name: str, version: str | None, instance: str, words: str) -> None:
    """The message is for the person who wrote the spec."""
    with pytest.raises(ValueError, match=words):
        image_uri(images_table(), kind, name, version, "eu-central-1", instance)
