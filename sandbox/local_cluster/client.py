"""Two ways to speak to an instance's API server: plain HTTPS for probes, kubectl for everything else."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local_cluster.certificates import CA_CERTIFICATE
from local_cluster.instance import Instance
from local_cluster.users import ADMIN

KUBECTL_TIMEOUT = 120.0


class KubectlError(RuntimeError):
    """kubectl ended with an error; holds its arguments and what it said."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        arguments = " ".join(map(str, done.args[1:]))
        super().__init__(f"kubectl {arguments} ended with {done.returncode}: {done.stderr.strip()}")
        self.stderr = done.stderr


@dataclass(frozen=True, slots=True)
class Probe:
    """HTTPS requests to the API server of `instance`."""

    instance: Instance

    def get(self, path: str, user: str = ADMIN, headers: dict[str, str] | None = None) -> int:
        """The HTTP status of a GET, 0 when nobody answers."""
        context = ssl.create_default_context(cafile=self.instance.pki / CA_CERTIFICATE)
        connection = http.client.HTTPSConnection("127.0.0.1", self.instance.apiserver_port, timeout=5, context=context)
        authorization = {"Authorization": f"Bearer {self.instance.user(user).token}"}
        try:
            connection.request("GET", path, headers=authorization | (headers or {}))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def is_ready(self, controller_manager: bool) -> bool:
        """Whether the API server says that it is ready and what is made a little later exists.

        That is namespace default, and its service account where a controller-manager runs: the sign that
        its controllers work.
        """
        made = "/api/v1/namespaces/default" + ("/serviceaccounts/default" if controller_manager else "")
        return self.get("/readyz") == 200 and self.get(made) == 200


def run_kubectl(
    kubectl: Path,
    instance: Instance,
    arguments: tuple[str, ...],
    *,
    user: str = ADMIN,
    stdin: str | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run kubectl against `instance` as `user`, whatever kubeconfig the person has.

    Raises:
        KubectlError: it failed and `check` is set.
    """
    kubeconfig = instance.kubeconfig_of(user)
    done = subprocess.run(
        [kubectl, *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(instance.kubectl_cache)},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=KUBECTL_TIMEOUT,
    )
    if check and done.returncode != 0:
        raise KubectlError(done)
    return done
