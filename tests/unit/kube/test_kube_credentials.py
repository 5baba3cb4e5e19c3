"""kube.credentials: kubeconfig and service account, and what is wrong with them."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.kube.credentials import Credentials, LoginError, TokenSource, from_kubeconfig, in_cluster


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
    key = base64.b64encode(b"hush-hush").decode()
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "hush-hush", "client-key-data": key}))
    assert found.private_key == "hush-hush"
    assert "hush-hush" not in repr(found)


@pytest.mark.parametrize(
    ("user", "context", "problem"),
    [
        ({"exec": {"command": "aws"}}, "", "service account token"),
        ({"auth-provider": {"name": "gcp"}}, "", "service account token"),
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


def test_the_token_of_a_service_account_is_in_no_repr(tmp_path: Path) -> None:
    """Only the name of its file is."""
    (tmp_path / "token").write_text("hush-hush")
    found = in_cluster("10.0.0.1", "443", tmp_path)
    assert TokenSource(found).current() == "hush-hush"
    assert "hush-hush" not in repr(found)


def test_a_token_file_goes_before_a_token(tmp_path: Path) -> None:
    """As kubectl has it, and relative to the kubeconfig."""
    (tmp_path / "rotating").write_text("fresh")
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "stale", "tokenFile": "rotating"}))
    assert (found.token, TokenSource(found).current()) == ("", "fresh")


def test_an_insecure_cluster_is_believed(tmp_path: Path) -> None:
    """Only when the kubeconfig says so."""
    told = from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}, {"insecure-skip-tls-verify": True}))
    assert told.ssl_context().verify_mode is ssl.CERT_NONE
    context = from_kubeconfig(kubeconfig(tmp_path, {"token": "t"})).ssl_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("field", ["ca", "certificate"])
def test_certificates_are_used_and_not_only_read(field: str) -> None:
    """What is no certificate is refused where it would be used."""
    broken: dict[str, Any] = {field: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}
    with pytest.raises(ssl.SSLError):
        Credentials("https://127.0.0.1:6443", **broken).ssl_context()


def test_the_certificate_authority_of_a_pod_is_its_service_accounts(tmp_path: Path) -> None:
    """The machine's own list of authorities is not asked."""
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text("CA")
    assert in_cluster("10.0.0.1", "443", tmp_path).ca == "CA"
