"""kube.credentials: kubeconfig and service account, and what is wrong with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.kube.credentials import LoginError, TokenSource, from_kubeconfig, in_cluster


def kubeconfig(folder: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> Path:
    path = folder / "config"
    content = {
        "current-context": "sandbox",
        "contexts": [{"name": "sandbox", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_token_user_of_the_current_context(tmp_path: Path) -> None:
    """Server, namespace and token come from three lists of the file."""
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}))
    assert (found.server, found.namespace, found.token) == ("https://127.0.0.1:6443", "team-a", "t")


def test_certificates_inline_and_beside_the_file(tmp_path: Path) -> None:
    """`-data` is base64, a plain name is a file relative to the kubeconfig."""
    (tmp_path / "client.key").write_text("KEY")
    data = base64.b64encode(b"CERT").decode()
    found = from_kubeconfig(
        kubeconfig(tmp_path, {"client-certificate-data": data, "client-key": "client.key"}, {"certificate-authority-data": data})
    )
    assert (found.ca, found.certificate, found.private_key) == ("CERT", "CERT", "KEY")


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    """A traceback with locals must not print them."""
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "hush-hush"}))
    assert "hush-hush" not in repr(found)


@pytest.mark.parametrize(
    ("user", "context", "problem"),
    [
        ({"exec": {"command": "aws"}}, "", "service account token"),
        ({"token": "t"}, "production", "no entry named 'production'"),
        ({"client-key": "absent.key"}, "", "client-key"),
        ({"client-key-data": "***"}, "", "client-key"),
    ],
)
def test_an_unusable_kubeconfig_is_explained(tmp_path: Path, user: dict[str, Any], context: str, problem: str) -> None:
    """The message names the file and what to do."""
    with pytest.raises(LoginError, match=problem):
        from_kubeconfig(kubeconfig(tmp_path, user), context)


@pytest.mark.parametrize("content", ["[", "just text", ""])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, content: str) -> None:
    """No traceback of a YAML parser."""
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(LoginError, match="config"):
        from_kubeconfig(path)


def test_the_service_account_of_a_pod(tmp_path: Path) -> None:
    """Token by file, so that it can rotate; IPv6 addresses in brackets."""
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "namespace").write_text("sagemaker-gitops")
    found = in_cluster("fd00::1", "443", tmp_path)
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "sagemaker-gitops")
    assert TokenSource(found).current() == "t"


def test_a_pod_without_a_token_is_told(tmp_path: Path) -> None:
    """The field of the pod that mends it."""
    with pytest.raises(LoginError, match="automountServiceAccountToken"):
        in_cluster("10.0.0.1", "443", tmp_path)
