"""Starts a local AWS in a process of its own and talks to it: for tests, the demo and other tools.

with LocalAws.start(folder, seed={"roles": [...]}) as aws:
    aws.client("sagemaker").list_training_jobs()
    aws.script(operation="CreateTrainingJob", kind="accept-then-drop")
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

from local_aws.identity import ADMIN_KEY

_ANSWER_SECONDS: Final = 60
_STOP_SECONDS: Final = 15

# A proxy in the environment must not be asked for an address of this machine.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AdminError(Exception):
    """The admin API refused a request; the text names the field."""


class AdminClient:
    """The admin API of a running local AWS at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def admin(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request to `/_local/<path>`; raises AdminError when refused."""
        return _object(self._answer(method, path, document))

    def picture(self, dashboard: str) -> bytes:
        """A PNG of a CloudWatch dashboard; raises AdminError when there is none of that name."""
        return self._answer("GET", f"dashboard?{urlencode({'name': dashboard})}")

    def _answer(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> bytes:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=body, method=method)
        try:
            with _direct.open(request, timeout=_ANSWER_SECONDS) as response:
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError as error:
            raise AdminError(_object(error.read()).get("error", str(error))) from error

    def ledger(self, **wanted: object) -> list[dict[str, Any]]:
        """Entries that match `local_aws.ledger.Filter`'s fields, oldest first; `limit` bounds their
        number."""
        entries: list[dict[str, Any]] = self.admin("GET", f"ledger?{urlencode(wanted)}")["entries"]
        return entries

    def summary(self, **wanted: object) -> dict[str, Any]:
        """Counts of the matching calls, in all and by operation."""
        return self.admin("GET", f"ledger/summary?{urlencode(wanted)}")

    def script(self, **fault: object) -> None:
        """Order a scripted failure, the fields are those of `local_aws.faults.Script`."""
        self.admin("POST", "faults/script", fault)

    def fail_jobs(self, **failure: object) -> None:
        """Order the failure of coming jobs, the fields are those of `local_aws.faults.JobFailure`."""
        self.admin("POST", "faults/jobs", failure)

    def speed(self, value: float) -> None:
        """Set the speed of the AWS clock."""
        self.admin("PUT", "clock", {"speed": value})

    def advance(self, seconds: float) -> None:
        """Let the AWS clock jump forward."""
        self.admin("POST", "clock/advance", {"seconds": seconds})

    def add_role(self, **role: object) -> str:
        """Create or replace a role, the fields are those of the seed file; returns its ARN."""
        arn: str = self.admin("POST", "roles", role)["arn"]
        return arn

    def deny(self, role: str, action: str) -> None:
        """Deny an action pattern ("sagemaker:Create*") to a role."""
        self.admin("POST", "deny", {"role": role, "action": action})

    def reset(self) -> None:
        """No faults, no denials, real-time clock."""
        self.admin("POST", "reset", {})


class LocalAws(AdminClient):
    """A local AWS process; the context manager's end stops it and everything it started."""

    def __init__(self, process: subprocess.Popen[str], url: str, region: str, log: Path) -> None:
        super().__init__(url)
        self.process = process
        self.region = region
        self.log = log

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        seed: Mapping[str, Any] | None = None,
        port: int = 0,
        region: str = "eu-central-1",
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a server and wait until it answers; it ends when the thread that called this ends, however
        that is.

        `folder` takes its state and `server.log`. Raises RuntimeError with the end of the log when it does
        not start.
        """
        folder.mkdir(parents=True, exist_ok=True)
        seed_file = folder / "seed.json"
        seed_file.write_text(json.dumps(seed or {"roles": []}), encoding="utf-8")
        log = folder / "server.log"
        argv = [sys.executable, "-m", "local_aws", "serve", "--port", str(port), "--folder", str(folder)]
        argv += ["--region", region, "--seed", str(seed_file), "--die-with-parent"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                text=True,
            )
        # The server prints its URL once it serves; end of file means that it ended.
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip():
            process.wait(_STOP_SECONDS)
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"the local AWS did not start, {log} ends:\n{tail}")
        return cls(process, line.strip(), region, log)

    def client(self, service: str, as_: str = ADMIN_KEY, **arguments: Any) -> Any:
        """A boto3 client that signs with access key `as_`; `arguments` go to boto3 (`config`,
        `aws_session_token`)."""
        # Imported here: the command line needs no boto3, which takes a third of a second.
        from local_aws.sessions import new_client

        given = {"region_name": self.region, "aws_secret_access_key": "local"} | arguments
        return new_client(service, endpoint_url=self.url, aws_access_key_id=as_, **given)

    def stop(self) -> None:
        """Stop it gracefully, then by force; harmless when it has ended."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _object(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    return document
