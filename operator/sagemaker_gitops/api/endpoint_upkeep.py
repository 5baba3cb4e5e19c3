"""What is kept up of an endpoint besides what it serves: whose it is, what is done about changes by hand, when it serves at all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sagemaker_gitops.api.base import Items, Model, Rule, Text
from sagemaker_gitops.api.fields import DAY, duration_type
from sagemaker_gitops.api.schedule import TimeZone

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

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
WeekDays = Annotated[str, Text(rf"{_DAY}(?:-{_DAY})?", "must be a day or a range of days, such as Sat or Mon-Fri", 7)]
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
ClockTime = Annotated[str, Text(_CLOCK, 'must be a time of day in quotes, such as "07:00"', 5)]
EndTime = Annotated[str, Text(rf"{_CLOCK}|24:00", 'must be a time of day in quotes, such as "19:00", or "24:00"', 5)]


class Idle(Model):
    """What is done about an endpoint that nobody asks."""

    park_after: Annotated[int, duration_type(60, 14 * DAY)]
    """Without a request for this long, the endpoint is deleted; its config and models are kept. Example: 8h."""


class ActiveWindow(Model):
    """When the endpoint serves. Outside, it is parked."""

    rules = (
        Rule(
            "self.from != self.to",
            "from and to are the same time: write 00:00 and 24:00 for whole days",
            lambda window: window.from_ != window.to,
            ".to",
        ),
    )

    days: Annotated[tuple[WeekDays, ...], Items(7, min_items=1, kind="set")]
    """Days on which it opens. Example: [Mon-Fri]."""
    from_: Annotated[ClockTime, Field(alias="from")]
    """When it opens. A time that a change of clocks leaves out is later by the change; of a time that comes twice, the first. Example:
    "07:00".
    """
    to: EndTime
    """When it closes, on the next day where it is not later than from; of a time that comes twice, the second. Example: "19:00"."""
    time_zone: TimeZone
    """Whose clocks. Example: Europe/Zurich."""


def _not_with_a_queue(field: str, name: str) -> Rule:
    message = f"an asynchronous endpoint would lose the requests in its queue: leave {field} out, or async"
    return Rule(
        f"!has(self.{field}) || !has(self.async)",
        message,
        lambda spec: getattr(spec, name) is None or spec.async_ is None,
        f".{field}",
    )


REST_RULES = (_not_with_a_queue("idle", "idle"), _not_with_a_queue("activeWindow", "active_window"))
