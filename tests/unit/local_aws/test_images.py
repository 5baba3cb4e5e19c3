"""Images are mapped to interpreters of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_aws import images
from local_aws.images import Entry, Images, UnknownImageError

SKLEARN = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
OWN = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/churn"


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> Images:
    """The built-in mapping, not shared with other tests."""
    fresh = Images(images.read(Path(images.__file__).with_name("images.yaml")))
    monkeypatch.setattr(images, "_images", fresh)
    return fresh


def test_scikit_learn_image_runs_in_the_zygote() -> None:
    """Framework and version come from the URI, the interpreter is that of the local AWS."""
    image = images.resolve(SKLEARN)
    assert (image.kind, image.framework, image.version, image.interpreter) == (
        "sklearn",
        "scikit-learn",
        "1.4-2",
        None,
    )
    assert image.framework_module == "sagemaker_sklearn_container.training:main"


@pytest.mark.parametrize("registry", ["683313688378.dkr.ecr.us-east-1.amazonaws.com", "1.dkr.ecr.cn-north-1.amazonaws.com.cn"])
def test_any_registry_and_region_will_do(registry: str) -> None:
    """AWS has an account per region for its images."""
    assert images.resolve(f"{registry}/sagemaker-scikit-learn:1.2-1").kind == "sklearn"


def test_digest_is_that_of_the_entry() -> None:
    """The same entry gives the same digest, whatever the tag; another entry another."""
    other = images.resolve(SKLEARN.replace("1.4-2", "1.2-1"))
    python = images.resolve("1.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-base-python:1.0")
    assert images.resolve(SKLEARN).digest == other.digest != python.digest
    assert images.Entry(("a",), "python").digest == ("sha256:33103913f20de7173f6aceb523fdc3c3cc164a615c35434a9952b85456f011fc")


@pytest.mark.parametrize("suffix", ["", ":1.0", "@sha256:" + "a" * 64, ":1.0@sha256:" + "a" * 64])
def test_tag_and_digest_are_optional(mapping: Images, suffix: str) -> None:
    """All forms of a URI name the repository."""
    images.register("team/churn", Path(sys.executable))
    assert images.resolve(OWN + suffix).interpreter == Path(sys.executable)


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        (f"{OWN}:1", "no entry for this repository"),
        (
            "763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-training:2.3-cpu-py311",
            "torch is not installed",
        ),
        ("not an image", "is not registry/repository"),
        ("sagemaker-scikit-learn", "is not registry/repository"),
    ],
)
def test_unknown_image_is_a_failed_pull(uri: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In AWS's words, with the image and the reason."""
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(LookupError, match=r"^Cannot pull algorithm container\.") as caught:
        images.resolve(uri)
    assert uri in str(caught.value)
    assert text in str(caught.value)


def test_failed_pull_says_what_there_is() -> None:
    """The text lists what would run, and how to add an image."""
    with pytest.raises(UnknownImageError, match=r"runs .*sagemaker-scikit-learn.*images\.register"):
        images.resolve(OWN)


def test_framework_with_threads_gets_an_interpreter_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is never forked from the zygote."""
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: object())
    image = images.resolve("763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311")
    assert (image.kind, image.version, image.interpreter) == ("pytorch", "2.3.0", Path(sys.executable))


def test_newest_entry_wins(mapping: Images) -> None:
    """A user's entry for AWS's own image replaces the built-in one."""
    images.register(SKLEARN, Path(sys.executable), kind="old-sklearn")
    assert images.resolve(SKLEARN).kind == "old-sklearn"
    assert images.resolve(SKLEARN.replace("1.4-2", "1.2-1")).kind == "sklearn"


def test_mapping_file_is_loaded(mapping: Images, tmp_path: Path) -> None:
    """A file given at start adds images."""
    path = tmp_path / "own.yaml"
    path.write_text(f"images:\n  - repositories: [team/*]\n    kind: churn\n    interpreter: {sys.executable}\n")
    images.load(path)
    assert images.resolve(OWN).kind == "churn"


def test_interpreter_that_is_gone(mapping: Images, tmp_path: Path) -> None:
    """The failed pull names the missing interpreter."""
    images.register("team/churn", tmp_path / "none")
    with pytest.raises(UnknownImageError, match="none does not exist"):
        images.resolve(OWN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "needs a list under `images`"),
        ("images: [python]", r"images\[0\]: must be a mapping"),
        ("images: [{kind: python}]", r"images\[0\]: repositories is missing"),
        ("images: [{repositories: a, kind: python}]", r"images\[0\]\.repositories: must be a list"),
        (
            "images: [{repositories: [a], kind: b, imag: c}]",
            r"images\[0\]\.imag: unknown; use one of repositories",
        ),
    ],
)
def test_wrong_mapping_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names file, entry and field."""
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"own\.yaml: .*{message}" if "images[" in message else message):
        images.load(path)


def test_entry_matches_by_pattern() -> None:
    """Shell patterns on the repository or on the whole URI."""
    entry = Entry(("sagemaker-base-python*", "*.eu-central-1.*/exact:1"), "python")
    assert entry.matches("x/sagemaker-base-python-310", "sagemaker-base-python-310")
    assert entry.matches("1.dkr.ecr.eu-central-1.amazonaws.com/exact:1", "exact")
    assert not entry.matches("1.dkr.ecr.us-east-1.amazonaws.com/exact:1", "exact")
