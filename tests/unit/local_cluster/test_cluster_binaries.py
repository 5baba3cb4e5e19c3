"""local_cluster.binaries and release: which programs are taken from where."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_cluster import binaries
from local_cluster.binaries import (
    Binaries,
    Unusable,
    find_binaries,
    in_folder,
    on_search_path,
    required_programs,
)
from local_cluster.build import linker_flags, missing
from local_cluster.modules import initial_go_mod, staging_modules
from local_cluster.release import Program, Release, cache_dir, parse_version, pinned_release

SAYS = {
    Program.ETCD: "etcd Version: {}",
    Program.APISERVER: "Kubernetes v{}",
    Program.CONTROLLER_MANAGER: "Kubernetes v{}",
    Program.KUBECTL: "Client Version: v{}-dispatcher",
}


def install(folder: Path, **versions: str) -> Path:
    """Make scripts in `folder` that report versions; keywords are program names with `_`."""
    folder.mkdir(exist_ok=True)
    for name, version in versions.items():
        program = Program(name.replace("_", "-"))
        path = folder / program
        path.write_text(f"#!/bin/sh\necho '{SAYS[program].format(version)}'\n")
        path.chmod(0o755)
    return folder


@pytest.fixture
def no_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Program]:
    """Nothing installed, nothing cached; a build is recorded and made by a script."""
    asked: list[Program] = []

    def record(release: Release, programs: tuple[Program, ...]) -> Path:
        asked.extend(missing(release, programs))
        folder = cache_dir(release)
        folder.mkdir(parents=True)
        for program in programs:
            (folder / program).touch(mode=0o755)
        return folder

    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(binaries, "build", record)
    return asked


def test_kubebuilder_assets_come_first(no_build: list[Program], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that the person names is taken, of any supported release."""
    assets = install(tmp_path / "assets", etcd="3.5.9", kube_apiserver="1.31.4", kubectl="1.31.4")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    found = find_binaries()
    assert (found.kubernetes, found.origin) == ("v1.31.4", "KUBEBUILDER_ASSETS")
    assert found.path(Program.APISERVER) == assets / "kube-apiserver"
    assert no_build == []


def test_a_bad_kubebuilder_assets_is_passed_over_with_the_reason(
    no_build: list[Program],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be used is named on stderr, and the search goes on to the build."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(install(tmp_path / "assets", etcd="3.5.9")))
    assert find_binaries().origin.startswith("the user cache")
    assert "is passed over: no executable kube-apiserver, kubectl there" in capsys.readouterr().err
    assert no_build == [Program.ETCD, Program.APISERVER, Program.KUBECTL]


def test_the_cache_comes_before_path(no_build: list[Program], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was built once is used without running anything for its version."""
    folder = cache_dir(pinned_release())
    folder.mkdir(parents=True)
    for program in required_programs(controller_manager=False):
        (folder / program).touch(mode=0o755)
    path = install(tmp_path / "path", etcd="3.6.8", kube_apiserver="1.35.0", kubectl="1.35.0")
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    assert find_binaries().kubernetes == pinned_release().kubernetes
    assert no_build == []


def test_path_comes_before_the_build(no_build: list[Program], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A complete set on PATH saves the build."""
    path = install(tmp_path / "path", etcd="3.6.8", kube_apiserver="1.35.0", kubectl="1.35.0")
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    assert find_binaries().origin == "PATH"
    assert no_build == []


def test_a_lone_kubectl_on_path_is_not_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reason names what is absent."""
    monkeypatch.setenv("PATH", str(install(tmp_path / "path", kubectl="1.32.4")))
    assert on_search_path(required_programs(controller_manager=False)) == Unusable("no etcd, kube-apiserver there")


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        (
            {"etcd": "3.6.8", "kube_apiserver": "1.36.3", "kubectl": "1.32.4"},
            "not of one Kubernetes release: kube-apiserver v1.36.3, kubectl v1.32.4",
        ),
        ({"etcd": "3.4.1", "kube_apiserver": "1.36.3", "kubectl": "1.36.3"}, "etcd v3.4.1 is older than 3.5"),
        (
            {"etcd": "3.6.8", "kube_apiserver": "1.29.9", "kubectl": "1.29.9"},
            "Kubernetes v1.29.9 is older than 1.30",
        ),
        (
            {"etcd": "3.6.8", "kube_apiserver": "1.36.3", "kubectl": "?"},
            "kubectl cannot be run or names no version",
        ),
    ],
)
def test_a_mixture_or_an_old_release_is_not_taken(tmp_path: Path, versions: dict[str, str], reason: str) -> None:
    """A place is taken as a whole and of one supported release, or not at all."""
    folder = install(tmp_path / "assets", **versions)
    found = in_folder(folder, "KUBEBUILDER_ASSETS", required_programs(controller_manager=False))
    assert isinstance(found, Unusable)
    assert reason in found.reason


def test_the_controller_manager_counts_when_it_is_asked_for(tmp_path: Path) -> None:
    """A folder without it serves those who do not need it."""
    folder = install(tmp_path / "assets", etcd="3.6.8", kube_apiserver="1.36.3", kubectl="1.36.3")
    without = in_folder(folder, "here", required_programs(controller_manager=False))
    with_it = in_folder(folder, "here", required_programs(controller_manager=True))
    assert isinstance(without, Binaries)
    assert with_it == Unusable("no executable kube-controller-manager there")


def test_what_the_demo_waits_for_is_built_first(no_build: list[Program]) -> None:
    """The controller-manager, which only tests use, comes last."""
    find_binaries(controller_manager=True)
    assert no_build == [Program.ETCD, Program.APISERVER, Program.KUBECTL, Program.CONTROLLER_MANAGER]


def test_the_pins_are_one_release() -> None:
    """go.mod pins one version of Kubernetes, the staging modules of the same release, and all four tools."""
    release = pinned_release()
    text = (Path(binaries.__file__).parent / "go.mod").read_text()
    staging = "v0." + release.kubernetes.removeprefix("v1.")
    replaced = [line.split() for line in text.splitlines() if "=>" in line]
    assert len(replaced) > 30
    assert {(line[0] == line[2], line[3]) for line in replaced} == {(True, staging)}
    assert text.count("k8s.io/kubernetes/cmd/") == 3


def test_the_server_is_told_its_version() -> None:
    """Without linker flags the server would call itself v0.0.0-master."""
    flags = linker_flags(Release("v1.36.3", "v3.6.8", (1, 26, 0), "0" * 12))
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags


def test_another_go_mod_has_another_cache_folder(tmp_path: Path) -> None:
    """The cache is named by release and hash, so that a changed pin never finds old programs."""
    text = (Path(binaries.__file__).parent / "go.mod").read_text()
    changed = tmp_path / "go.mod"
    changed.write_text(text + "\n")
    assert pinned_release(changed).cache_name != pinned_release().cache_name
    assert pinned_release(changed).kubernetes == pinned_release().kubernetes


def test_a_go_mod_without_the_pins_is_an_error(tmp_path: Path) -> None:
    """The error names the file and the way to write it again."""
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.26.0\n")
    with pytest.raises(ValueError, match=r"go\.mod: nothing matches .*make generate"):
        pinned_release(tmp_path / "go.mod")


def test_the_replace_lines_come_from_kubernetes() -> None:
    """Each staging module is replaced by its published module, other replaced modules are left alone."""
    theirs = "replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\texample.com/x => ./x\n)\n"
    assert staging_modules(theirs) == ["k8s.io/api"]
    assert "\tk8s.io/api => k8s.io/api v0.36.3\n" in initial_go_mod("1.26.0", ["k8s.io/api"], "v1.36.3")


@pytest.mark.parametrize(("text", "version"), [("go1.26.8", (1, 26, 8)), ("v1.32.4-dispatcher", (1, 32, 4)), ("go1.27", (1, 27))])
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, ...]) -> None:
    """Go, Kubernetes and etcd versions are read alike."""
    assert parse_version(text) == version
