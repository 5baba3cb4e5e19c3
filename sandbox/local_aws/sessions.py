"""boto3 clients that know nothing of the AWS settings of whoever runs this: no profile, no files, no proxy.

All come from one session, because loading the service models anew costs a fifth of a second a client.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

_lock: Final = threading.Lock()


@cache
def _session() -> Any:
    # (config name, environment variable, default, conversion): no variable is read.
    isolated = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=isolated))


def new_client(service: str, config: Config | None = None, **arguments: Any) -> Any:
    """A client; `arguments` are those of `boto3.session.Session.client`, of which the endpoint, the region
    and the keys must be given."""
    # A proxy in the environment must not be asked for an address of this machine.
    merged = Config(proxies={}).merge(config or Config())
    # Sessions are not thread-safe, clients are.
    with _lock:
        return _session().client(service, config=merged, **arguments)
