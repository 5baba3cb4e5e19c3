"""local_cluster.instance, users, certificates and ports: the folder of an instance."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest
import yaml

from local_cluster.certificates import fingerprint
from local_cluster.instance import (
    InstanceError,
    claim_folder,
    create_instance,
    discard,
    instance_name,
    read_instance,
)
from local_cluster.ports import free_ports, is_free
from local_cluster.users import new_users, read_token_file, token_file


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    """The folder alone tells everything about an instance."""
    made = create_instance(claim_folder(tmp_path / "one"), "v1.36.3", 21001, 21002)
    assert read_instance(tmp_path / "one") == made


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """State is thrown away at times, so a folder with a stranger's file is never taken."""
    (tmp_path / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(InstanceError, match=r"thesis\.tex, which no instance made"):
        claim_folder(tmp_path)


def test_an_instance_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    """A second creation in the same folder makes other certificates and tokens."""
    folder = claim_folder(tmp_path / "one")
    first = create_instance(folder, "v1.36.3", 21001, 21002)
    token = first.user("admin").token
    second = create_instance(claim_folder(folder), "v1.36.3", 21001, 21002)
    assert second.ca_sha256 != first.ca_sha256
    assert second.user("admin").token != token


def test_moving_to_other_ports_keeps_the_identity(tmp_path: Path) -> None:
    """A kept instance whose ports are taken gets new ones in record and kubeconfigs, and nothing else."""
    first = create_instance(claim_folder(tmp_path / "one"), "v1.36.3", 21001, 21002)
    moved = first.with_ports(21003, 21004)
    assert moved.ca_sha256 == first.ca_sha256
    kubeconfig = yaml.safe_load(moved.kubeconfig_of("operator").read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:21003"
    assert json.loads((tmp_path / "one" / "instance.json").read_text())["etcd_port"] == 21004


def test_secrets_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    """Keys, tokens and kubeconfigs have mode 0600."""
    made = create_instance(claim_folder(tmp_path / "one"), "v1.36.3", 21001, 21002)
    secret = [made.kubeconfig, made.kubeconfig_of("operator"), made.tokens, *made.pki.glob("*.key")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert len(secret) == 5


def test_discarding_leaves_nothing_of_the_instance(tmp_path: Path) -> None:
    """Every file that an instance makes is known as its own."""
    made = create_instance(claim_folder(tmp_path / "one"), "v1.36.3", 21001, 21002)
    discard(made.folder)
    assert list(made.folder.iterdir()) == []


def test_an_unknown_user_is_an_error_that_names_the_users(tmp_path: Path) -> None:
    """A misspelt user does not become an anonymous one."""
    made = create_instance(claim_folder(tmp_path / "one"), "v1.36.3", 21001, 21002)
    with pytest.raises(InstanceError, match=r"no user 'nobody'.*data-scientist"):
        made.user("nobody")


@pytest.mark.parametrize(("folder", "name"), [("demo", "demo"), ("My_Cluster.2", "my-cluster-2"), ("___", "default")])
def test_the_name_comes_from_the_folder(folder: str, name: str) -> None:
    """The name of an instance is fit to be part of a context's name."""
    assert instance_name(Path("/tmp") / folder) == name


def test_users_survive_the_token_file() -> None:
    """The token file holds names, groups and tokens in the API server's format."""
    users = new_users()
    text = token_file(users)
    assert read_token_file(text) == users
    assert f"{users[0].token},admin,admin,system:masters\n" in text


def test_a_fingerprint_needs_a_certificate() -> None:
    """Text that is no certificate has no fingerprint, so that nothing compares equal by accident."""
    with pytest.raises(ValueError, match="no PEM certificate"):
        fingerprint("")


def test_free_ports_are_different_and_free() -> None:
    """Ports are chosen below the kernel's range for outgoing connections."""
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) and 20000 <= port < 32000 for port in ports)


def test_a_port_that_is_listened_on_is_not_free() -> None:
    """A listening server makes its port unfit."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])
