"""What is kept up of an endpoint besides what it serves: whose it is, what is done about changes by hand."""

from __future__ import annotations

from typing import Annotated, Literal

from sagemaker_gitops.api.base import Text

AdoptPolicy = Literal["Never", "IfOurs", "Always"]
DEFAULT_ADOPT_POLICY: AdoptPolicy = "IfOurs"
DriftPolicy = Literal["Repair", "Report"]
DEFAULT_DRIFT_POLICY: DriftPolicy = "Repair"

_ENDPOINT = r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}"
EndpointName = Annotated[str, Text(_ENDPOINT, "must be the name of an endpoint: at most 63 letters, digits and hyphens", 63)]
EndpointNamePattern = Annotated[
    str,
    Text(
        r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}-?\*?",
        "must be the name of an endpoint, of which only the end may be *, such as team-a-*",
        64,
    ),
]
