"""local_cluster.argocd_build, argocd_modules and argocd_commands, with a `go` that is a script. tests/gitops runs the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_cluster import argocd_build
from local_cluster.argocd_build import ARGOCD_GO_MOD, LINKS, ArgoProgram, find_argocd, pinned_argocd
from local_cluster.argocd_commands import REDIS, Layout, Ports, commands, redis_program
from local_cluster.argocd_modules import initial_go_mod
from local_cluster.modules import ModulesError, settle

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
echo "$*" >> "{folder}/calls"
if [ "$1" = list ]; then echo "{folder}/module"; exit; fi
while [ "$1" != -o ]; do shift; done
echo program > "$2"
"""
THEIRS = """module github.com/argoproj/argo-cd/v3

go 1.25.5

require example.com/a v1.0.0

replace (
	// a reason
	k8s.io/api => k8s.io/api v0.34.0
	example.com/b => example.com/b v2.0.0
)

replace example.com/c => example.com/d v1.0.0
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records what a scripted `go` is asked for; the module that it names holds two CRDs."""
    script = tmp_path / "bin" / "go"
    script.parent.mkdir()
    script.write_text(FAKE_GO.format(folder=tmp_path))
    script.chmod(0o755)
    crds = tmp_path / "module" / "manifests" / "crds"
    crds.mkdir(parents=True)
    for name in ("application-crd.yaml", "appproject-crd.yaml", "kustomization.yaml"):
        (crds / name).write_text("x\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "calls"


def test_argo_cd_is_built_once_and_is_one_binary_with_many_names(calls: Path) -> None:
    """Programs, links and CRDs are in the cache; the second call asks Go for nothing."""
    folder = find_argocd()
    assert {path.name for path in folder.iterdir()} == {*ArgoProgram, "crds"}
    assert {(folder / link).resolve() for link in LINKS} == {folder / "argocd"}
    assert sorted(path.name for path in (folder / "crds").iterdir()) == ["application-crd.yaml", "appproject-crd.yaml"]
    before = calls.read_text()
    assert len(before.splitlines()) == 3
    assert find_argocd() == folder
    assert calls.read_text() == before


def test_an_interrupted_installation_is_completed(calls: Path) -> None:
    """Built, and killed before the links and the CRDs."""
    folder = find_argocd()
    (folder / ArgoProgram.REPO_SERVER).unlink()
    for path in (folder / "crds").iterdir():
        path.unlink()
    (folder / "crds").rmdir()
    built = [line for line in calls.read_text().splitlines() if line.startswith("build")]
    find_argocd()
    assert argocd_build.is_complete(folder)
    assert [line for line in calls.read_text().splitlines() if line.startswith("build")] == built


def test_the_pins_are_the_ones_that_can_be_built() -> None:
    """Newer ones need modules that the proxy refuses, or a newer Go (reference/control-plane.md)."""
    release = pinned_argocd()
    assert (release.argocd, release.kustomize) == ("v3.2.11", "v5.7.1")
    assert release.folder.name == f"v3.2.11-{release.digest}"


def test_a_go_mod_without_argo_cd_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.25.5\n")
    with pytest.raises(ValueError, match="make generate"):
        pinned_argocd(tmp_path / "go.mod")


def test_what_argo_cd_replaces_is_replaced() -> None:
    """Every replacement of its go.mod, in a block or alone, and its go line; none of its requirements."""
    ours = initial_go_mod(THEIRS)
    assert ours.startswith("module sagemaker-gitops.dev/sandbox/local_cluster/argocd\n\ngo 1.25.5\n")
    assert "k8s.io/api => k8s.io/api v0.34.0" in ours
    assert "example.com/b => example.com/b v2.0.0" in ours
    assert "replace example.com/c => example.com/d v1.0.0" in ours
    assert "require" not in ours
    with pytest.raises(ModulesError, match="go line"):
        initial_go_mod("module x\n")


def test_a_stale_go_sum_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check writes nothing; without it the difference is written."""
    texts = {"go.mod": "a\n", "go.sum": "b\n"}
    (tmp_path / "go.mod").write_text("a\n")
    assert settle(tmp_path, texts, check=True) == 1
    assert "go.sum" in capsys.readouterr().out
    assert not (tmp_path / "go.sum").exists()
    assert settle(tmp_path, texts, check=False) == 0
    assert settle(tmp_path, texts, check=True) == 0


def test_every_server_listens_on_loopback_and_writes_into_its_folder(tmp_path: Path) -> None:
    """Nothing of the person's own git, home or GPG is touched."""
    layout = Layout(tmp_path / "bin", tmp_path / "argocd", tmp_path / "kubeconfig", Ports(*range(20001, 20010)))
    lines = commands(layout)
    assert set(lines) >= {REDIS, ArgoProgram.CONTROLLER, ArgoProgram.REPO_SERVER, ArgoProgram.APPLICATION_SETS}
    assert not [word for line in lines.values() for word in line if "0.0.0.0" in word]
    for program in (ArgoProgram.CONTROLLER, ArgoProgram.REPO_SERVER, ArgoProgram.APPLICATION_SETS, ArgoProgram.NOTIFICATIONS):
        assert f"HOME={layout.folder}" in lines[program]
        assert "GIT_CONFIG_GLOBAL=/dev/null" in lines[program]
        assert f"KUBECONFIG={layout.kubeconfig}" in lines[program]


def test_redis_is_there() -> None:
    """From PyPI, for this platform."""
    assert redis_program().is_file()


def test_argo_cds_go_mod_is_not_the_control_planes() -> None:
    """Two modules: each needs its own Kubernetes."""
    assert "k8s.io/client-go v0.34.0" in ARGOCD_GO_MOD.read_text()
