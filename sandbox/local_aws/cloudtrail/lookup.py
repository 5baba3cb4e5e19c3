"""LookupEvents: one attribute, a time range, pages from the newest on, and the time that delivery takes.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from local_aws.cloudtrail import words
from local_aws.cloudtrail.event import Event
from local_aws.cloudtrail.history import History
from local_aws.ledger import request_hash
from local_aws.service import Call
from local_aws.world import World

_PAGE: Final = 50
_KEPT_SECONDS: Final = 90 * 86_400
_OF_INSIGHTS: Final = ("EventId", "EventName", "EventSource")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a lookup asks for; `before` is the number of the last event that an earlier page had."""

    attribute: tuple[str, str] | None
    start: float
    end: float
    account: str
    region: str
    before: float

    def matches(self, event: Event) -> bool:
        if event.number >= self.before or not self.start <= event.second <= self.end:
            return False
        if (event.caller.account, event.region) != (self.account, self.region):
            return False
        return self.attribute is None or self.attribute[1] in event.attributes(self.attribute[0])


class Lookup:
    """The event history of one world."""

    def __init__(self, world: World, history: History) -> None:
        self._world = world
        self._history = history

    def lookup(self, call: Call) -> dict[str, Any]:
        params = call.params
        attribute = _attribute(params)
        start, end = (params[name].timestamp() if name in params else None for name in ("StartTime", "EndTime"))
        if start is not None and end is not None and start > end:
            raise words.time_range()
        digest = _digest(call)
        before = _opened(params["NextToken"], digest) if "NextToken" in params else float("inf")
        if "EventCategory" in params:
            return {"Events": []}
        now = self._world.clock.time()
        oldest = now - _KEPT_SECONDS
        wanted = _Wanted(
            attribute=attribute,
            start=oldest if start is None else max(oldest, start),
            end=now if end is None else end,
            account=call.caller.account,
            region=call.region,
            before=before,
        )
        limit = params.get("MaxResults", _PAGE)
        found = list(islice(self._delivered(now, wanted), limit + 1))
        more = len(found) > limit
        return {
            "Events": [event.answer() for event in found[:limit]],
            "NextToken": _sealed(found[limit - 1].number, digest) if more else None,
        }

    def _delivered(self, now: float, wanted: _Wanted) -> Iterator[Event]:
        seen = now - self._world.settings["cloudtrail.lagSeconds"]
        return (event for event in self._history.newest_first() if event.at <= seen and wanted.matches(event))


def _attribute(params: Mapping[str, Any]) -> tuple[str, str] | None:
    attributes = params.get("LookupAttributes", [])
    if len(attributes) > 1:
        raise words.too_many_attributes()
    if not attributes:
        return None
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if "EventCategory" in params and key not in _OF_INSIGHTS:
        raise words.no_insight_attribute(key)
    return key, value


def _digest(call: Call) -> str:
    """What must stay the same from page to page."""
    asked = {name: value for name, value in call.params.items() if name not in ("NextToken", "MaxResults")}
    return request_hash([call.caller.account, call.region, asked])[:16]


def _sealed(number: int, digest: str) -> str:
    return base64.urlsafe_b64encode(f"{number}:{digest}".encode()).decode()


def _opened(token: str, digest: str) -> int:
    try:
        number, _, of = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise words.token() from error
    if of != digest or not (number.isascii() and number.isdigit()):
        raise words.token()
    return int(number)
