"""Builds the image of Dockerfile and runs it, on a Debian machine without Docker and without the registries of its base images.

buildah (chroot isolation) executes the Dockerfile; a Debian of the base images' release, made by mmdebstrap, stands in for both of them, so
sizes are those of the stand-in and of our layer. Built twice: our layer must be the same both times. Then it serves a sandbox, as the user
that the image names, until a TrainingRun has succeeded. Leaves dist/image.json and dist/sbom.cdx.json. Needs root, buildah and mmdebstrap.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.processes import Child, wait_for
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.cli.sandbox import ROOT, START_SECONDS, Sandbox

PROGRAMS = ("buildah", "mmdebstrap")
RELEASE, PACKAGES = "trixie", "python3,python3-venv,ca-certificates"  # of gcr.io/distroless/python3-debian13
BUILDER, FINAL = "docker.io/library/python:3.13-slim-bookworm", "gcr.io/distroless/python3-debian13:nonroot"
IMAGE = "sagemaker-gitops"
# What distroless has besides, and Docker's python: the user, and python beside python3.
FURNISH = (
    "ln -s python3 /usr/bin/python && echo nonroot:x:65532:65532::/home/nonroot:/sbin/nologin >> /etc/passwd"
    " && echo nonroot:x:65532: >> /etc/group && rm -rf /var/lib/apt/lists /var/cache/apt"
)
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # of this machine: its way to PyPI may be through a proxy
RUN_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own in `folder`."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return ["buildah", "--root", f"{self.folder}/storage", "--runroot", f"{self.folder}/run", "--storage-driver", "vfs", *arguments]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(self.command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"buildah {' '.join(arguments)}: {done.stderr[-3000:]}")
        return done.stdout.strip()

    def make_bases(self, tar: Path) -> None:
        """The stand-ins, under the names that the Dockerfile knows."""
        container = self("from", "scratch")
        self("add", "--quiet", container, str(tar), "/")
        self("run", "--isolation", "chroot", container, "--", "sh", "-c", FURNISH)
        self("commit", "--quiet", container, FINAL)
        self("add", "--quiet", container, AUTHORITIES, AUTHORITIES)
        self("config", "--env", f"PIP_CERT={AUTHORITIES}", "--env", f"SSL_CERT_FILE={AUTHORITIES}", container)
        self("commit", "--quiet", "--rm", container, BUILDER)

    def build(self) -> None:
        self("build", "--quiet", "--no-cache", "--isolation", "chroot", "--pull-never", "--timestamp", "0", "--tag", IMAGE, ".")

    def inspect(self, image: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))
        return found

    def layers(self, image: str) -> list[str]:
        """Digests of what is in it, lowest first."""
        found: list[str] = self.inspect(image)["OCIv1"]["rootfs"]["diff_ids"]
        return found

    def size(self, image: str) -> int:
        """Bytes of its file system."""
        container = self("from", "--pull-never", image)
        try:
            measured = subprocess.run(["du", "-sxb", self("mount", container)], capture_output=True, text=True, check=True)
        finally:
            self("rm", container)
        return int(measured.stdout.split()[0])


class Containerised(Sandbox):
    """A sandbox whose operator is the image, as its entry point and its user have it."""

    buildah: Buildah
    container: str

    def start_operator(self) -> None:
        config = self.buildah.inspect(IMAGE)["OCIv1"]["config"]
        kubeconfig = self.folder / "kubeconfig.container"
        kubeconfig.write_text(Path(self.kubeconfig_of("operator")).read_text())
        os.chown(kubeconfig, 65532, 65532)
        environment = {**self.operator_environment(), "KUBECONFIG": "/kubeconfig"}
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        user = ["--user", config["User"], "--isolation", "chroot", "--volume", f"{kubeconfig}:/kubeconfig:ro"]
        command = self.buildah.command("run", *user, *given, self.container, "--", *config["Entrypoint"])
        log = self.folder / "operator.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.operator = Child("operator", process, log)
        self.children.running.append(self.operator)
        wait_for(lambda: '"ready"' in self._operator_log(), self.operator, "the start of the image", START_SECONDS)


def serve(buildah: Buildah, folder: Path) -> None:
    """A run of the digits sample, from the object to its end."""
    sandbox = Containerised(folder)
    sandbox.buildah, sandbox.container = buildah, buildah("from", "--pull-never", IMAGE)
    with sandbox:
        uploaded = [sys.executable, str(ROOT / "manifests/samples/digits/upload.py"), "s3://team-a-ml/raw/digits/"]
        subprocess.run(uploaded, env={**os.environ, **sandbox.environment()}, check=True, stdout=subprocess.DEVNULL)
        assert sandbox.operator is not None
        users = _users(sandbox.operator.process.pid)
        if users != {65532}:
            raise SystemExit(f"the operator runs as {users}")
        with doing("a TrainingRun, with the image as the operator"):
            sandbox.kubectl("apply", "-k", str(ROOT / "manifests/samples/digits"))
            deadline = time.monotonic() + RUN_SECONDS
            while (status := sandbox.get("trainingrun", "digits").get("status", {})).get("phase") != "Succeeded":
                if time.monotonic() > deadline:
                    raise SystemExit(f"the run did not succeed: {status}")
                time.sleep(0.5)


def _users(process: int) -> set[int]:
    """Who the processes of the image run as: the leaves below buildah."""
    children = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout.split()
    if children:
        return {user for child in children for user in _users(int(child))}
    status = Path(f"/proc/{process}/status").read_text()
    return {int(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[2])}


def main() -> int:
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent or os.geteuid():
        print(f"needs root and Debian's {' and '.join(PROGRAMS)} (apt-get install {' '.join(PROGRAMS)})", file=sys.stderr)
        return 2
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sagemaker-gitops-image-") as temporary:
        buildah = Buildah(Path(temporary))
        with doing(f"a Debian {RELEASE} for the base images"):
            tar = Path(temporary) / "base.tar"
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(tar)], check=True)
            buildah.make_bases(tar)
        found = []
        for number in ("the Dockerfile", "once more"):
            with doing(number):
                buildah.build()
            found.append(buildah.layers(IMAGE)[len(buildah.layers(FINAL)) :])
        whole, base = buildah.size(IMAGE), buildah.size(FINAL)
        same = found[0] == found[1]
        sbom = [str(ROOT / ".tools/bin/uv"), "export", "--quiet", "--locked", "--only-group", "operator", "--format", "cyclonedx1.5"]
        parts = json.loads(subprocess.run(sbom, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
        (dist / "sbom.cdx.json").write_text(json.dumps(parts, indent=1))
        serve(buildah, Path(temporary) / "sandbox")
    told = {"bytes": whole, "ours": whole - base, "layers": found[0], "reproducible": same}
    (dist / "image.json").write_text(json.dumps(told, indent=1))
    say(f"  {whole / 1e6:.0f} MB with the stand-in, {(whole - base) / 1e6:.0f} MB of it ours; {len(parts['components'])} parts in the SBOM")
    say(f"  our layer: {found[0][-1]}, {'the same both times' if same else f'and {found[1][-1]}: not reproducible'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
