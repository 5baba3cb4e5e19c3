"""local_cluster.context: what may be written to, decided from files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local_cluster.context import ContextError, ForeignContextError, read_context, require_sandbox_context
from local_cluster.instance import Instance, claim_folder, create_instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that was never started."""
    return create_instance(claim_folder(tmp_path / "mine"), "v1.36.3", 21001, 21002)


def rewritten(instance: Instance, change: dict[str, object]) -> Path:
    """A copy of the kubeconfig whose cluster entry has other values."""
    document = yaml.safe_load(instance.kubeconfig.read_text())
    document["clusters"][0]["cluster"] |= change
    copy = instance.folder.parent / "copy"
    copy.write_text(yaml.safe_dump(document))
    return copy


def refusal(kubeconfig: Path, allow: str | None = None) -> str:
    """What `require_sandbox_context` says against the current context of `kubeconfig`."""
    with pytest.raises(ForeignContextError) as caught:
        require_sandbox_context(read_context(kubeconfig=kubeconfig), allow)
    return str(caught.value)


def test_the_context_of_an_instance_is_accepted(instance: Instance) -> None:
    """A kubeconfig that the sandbox wrote may be written to without --context."""
    context = read_context(kubeconfig=instance.kubeconfig)
    require_sandbox_context(context, allow=None)
    assert context.name == "sagemaker-gitops-sandbox-mine"


def test_every_user_speaks_through_the_same_context(instance: Instance) -> None:
    """The operator's kubeconfig is the sandbox's as much as the admin's."""
    context = read_context(kubeconfig=instance.kubeconfig_of("operator"))
    require_sandbox_context(context, allow=None)
    assert context == read_context(kubeconfig=instance.kubeconfig)


def test_a_foreign_name_is_refused(tmp_path: Path) -> None:
    """A context without our prefix is refused, and the message says how to go on."""
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}
    context = {"name": "production", "context": {"cluster": "c", "user": "u"}}
    document = {"clusters": [cluster], "contexts": [context], "current-context": "production"}
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(yaml.safe_dump(document))
    message = refusal(kubeconfig)
    assert "'production' (https://127.0.0.1:6443)" in message
    assert "--context production" in message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"server": "https://10.1.2.3:6443"}, "its server is not on this machine"),
        ({"server": "https://localhost.example.com:6443"}, "its server is not on this machine"),
        ({"extensions": []}, "it does not say which instance it belongs to"),
        ({"certificate-authority-data": ""}, "its certificate authority is not that of the instance"),
        ({"certificate-authority-data": "bm90IGEgY2VydA=="}, "its certificate authority is not that"),
        (
            {"extensions": [{"name": "sagemaker-gitops.dev/sandbox", "extension": {"folder": "/nowhere"}}]},
            "no instance in /nowhere",
        ),
    ],
)
def test_an_imitation_is_refused(instance: Instance, change: dict[str, object], reason: str) -> None:
    """The name alone is not enough: server, record and certificate authority must agree."""
    assert reason in refusal(rewritten(instance, change))


def test_the_authority_of_another_instance_is_refused(instance: Instance, tmp_path: Path) -> None:
    """Two instances of one name are told apart by their certificate authority."""
    other = create_instance(claim_folder(tmp_path / "other" / "mine"), "v1.36.3", 21003, 21004)
    theirs = yaml.safe_load(other.kubeconfig.read_text())["clusters"][0]["cluster"]
    change = {"certificate-authority-data": theirs["certificate-authority-data"]}
    assert "its certificate authority is not that" in refusal(rewritten(instance, change))


def test_a_context_named_explicitly_is_accepted(instance: Instance) -> None:
    """--context with the very name lets a foreign context pass."""
    foreign = replace(read_context(kubeconfig=instance.kubeconfig), name="production")
    require_sandbox_context(foreign, allow="production")
    with pytest.raises(ForeignContextError):
        require_sandbox_context(foreign, allow="staging")


def test_several_kubeconfigs_are_merged_as_kubectl_does(instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first file of $KUBECONFIG that has a current context decides; the entries come from any file."""
    first = tmp_path / "first"
    first.write_text(yaml.safe_dump({"current-context": instance.context}))
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{instance.kubeconfig}")
    assert read_context().server == "https://127.0.0.1:21001"


def test_no_context_is_an_error_that_names_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any kubeconfig nothing is guessed."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ContextError, match=r"\.kube/config: no current context"):
        read_context()


def test_an_unknown_context_is_an_error(instance: Instance) -> None:
    """A misspelt --context is not replaced by the current one."""
    with pytest.raises(ContextError, match="no context 'typo'"):
        read_context("typo", instance.kubeconfig)
