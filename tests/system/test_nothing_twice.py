"""The sentence the product stands on: nothing is paid for twice, whatever happens to the object, the operator or the cluster.

A sandbox of its own, because it restarts the operator and rebuilds the cluster.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sagemaker_gitops.cli.sandbox import Sandbox
from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack

NAME = "once"
FILES = {"prepare.py": PREPARE, "train.py": TRAIN, "evaluate.py": EVALUATE}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Sandbox(tmp_path_factory.mktemp("once")) as sandbox:
        yield Stack(sandbox)


@pytest.fixture(scope="module")
def manifests(own: Stack) -> list[dict[str, Any]]:
    """Source and run with every step, applied and ended once."""
    made = [
        own.code(f"{NAME}-code", FILES),
        own.manifest(
            NAME,
            prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}},
            train={"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
            evaluate={"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["train"]}},
            gates=[{"metric": "accuracy", "operator": ">=", "value": 0.5}],
            register={"group": NAME},
        ),
    ]

    def first_time() -> None:
        own.apply(*made)
        own.ended(NAME)

    first = own.created_by(first_time)
    assert first == {
        "glue:CreateJob": 1,
        "glue:StartJobRun": 1,
        "sagemaker:CreateTrainingJob": 1,
        "sagemaker:CreateProcessingJob": 1,
        "sagemaker:CreateModelPackageGroup": 1,
        "sagemaker:CreateModelPackage": 1,
    }
    return made


def _settled(own: Stack) -> None:
    own.until(NAME, lambda status: status.get("phase") == "Succeeded")
    own.quiet()


def _applied(own: Stack, manifest: dict[str, Any]) -> None:
    own.apply(manifest)
    _settled(own)


@pytest.mark.capability("E12")
def test_applying_and_replacing_the_same(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """Not even a read: the object did not change."""

    def again() -> None:
        own.apply(*manifests)
        own.sandbox.kubectl("replace", "-f", "-", stdin=json.dumps(manifests[1]))
        _settled(own)

    before = own.ledger.position()
    assert own.created_by(again) == Counter()
    assert own.ledger.calls(before) == Counter()


def test_labels_and_foreign_annotations(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """Argo CD's own labels and annotations are no edits of ours."""

    def label() -> None:
        own.sandbox.kubectl("label", "tr", NAME, "-n", own.namespace, "team=a", "--overwrite")
        own.sandbox.kubectl("annotate", "tr", NAME, "-n", own.namespace, "argocd.argoproj.io/sync-wave=9", "--overwrite")
        _settled(own)

    assert own.created_by(label) == Counter()


def test_the_source_under_another_name(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """kustomize gives each content a name of its own; the content decides."""
    renamed = manifests[1] | {"spec": manifests[1]["spec"] | {"source": {"configMapRef": {"name": "other-name"}}}}

    def rename() -> None:
        own.apply(own.code("other-name", FILES), renamed)
        _settled(own)

    assert own.created_by(rename) == Counter()


def test_reverting_an_edit(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """The edit costs one training, evaluation and package; going back costs nothing."""
    spec = manifests[1]["spec"]
    edited = manifests[1] | {"spec": spec | {"train": spec["train"] | {"hyperparameters": {"depth": 3}}}}
    own.apply(manifests[1])
    _settled(own)
    assert own.created_by(lambda: _applied(own, edited)) == {
        "sagemaker:CreateTrainingJob": 1,
        "sagemaker:CreateProcessingJob": 1,
        "sagemaker:CreateModelPackage": 1,
    }
    assert own.created_by(lambda: _applied(own, manifests[1])) == Counter()


def test_a_restart_of_the_operator(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """No create, no other call, no write."""
    writes, before = len(own.all_writes()), own.ledger.position()
    own.sandbox.restart_operator()
    own.quiet()
    assert own.ledger.calls(before) == Counter()
    assert len(own.all_writes()) == writes


def test_deleting_and_applying_again(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """A new object with the same content finds everything there."""

    def recreate() -> None:
        own.delete(NAME)
        own.apply(*manifests)
        _settled(own)

    assert own.created_by(recreate) == Counter()


@pytest.mark.capability("E12")
def test_a_cluster_rebuilt_from_git(own: Stack, manifests: list[dict[str, Any]]) -> None:
    """An empty etcd beside the same account: the status is made again from AWS, package included."""

    def rebuild() -> None:
        own.sandbox.rebuild_cluster()
        own.apply(*manifests)
        _settled(own)

    assert own.created_by(rebuild) == Counter()
    assert own.status(NAME)["model"].startswith(f"{NAME}/")
