"""Named records in memory and how they are listed: filters, order, pages and the lag of list operations.

Each family keeps one `Store`. A record publishes immutable summaries of itself; a list operation shows the
summary that was current `lag` seconds ago, so that it never copies a job and can trail behind Describe as
AWS's lists do.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from local_aws.errors import AwsError

_DEFAULT_PAGE = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """One record as a list operation shows it, valid from `modified` on."""

    name: str
    created: datetime
    modified: datetime
    status: str
    body: Mapping[str, Any]


class Listed(Protocol):
    """What a store needs of a record; `summaries` is append-only, oldest first."""

    @property
    def name(self) -> str: ...

    @property
    def summaries(self) -> list[Summary]: ...


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    number: int
    record: T
    deleted: datetime | None = None


class Store(Generic[T]):
    """Records of one family by name, in order of creation; thread safe.

    `absent` and `taken` make the family's own error for a missing and for an existing name.
    """

    def __init__(self, absent: Callable[[str], AwsError], taken: Callable[[T], AwsError]) -> None:
        self._absent = absent
        self._taken = taken
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries: dict[str, _Entry[T]] = {}
        self._gone: list[_Entry[T]] = []

    def add(self, record: T) -> None:
        with self._lock:
            present = self._entries.get(record.name)
            if present is not None:
                raise self._taken(present.record)
            self._entries[record.name] = _Entry(next(self._numbers), record)

    def check_free(self, name: str) -> None:
        """Raise the family's duplicate error when the name is taken."""
        present = self._entries.get(name)
        if present is not None:
            raise self._taken(present.record)

    def get(self, name: str) -> T:
        entry = self._entries.get(name)
        if entry is None:
            raise self._absent(name)
        return entry.record

    def find(self, name: str) -> T | None:
        entry = self._entries.get(name)
        return None if entry is None else entry.record

    def remove(self, name: str, at: datetime) -> None:
        """Forget a record; lists that lag still show it for a while."""
        with self._lock:
            entry = self._entries.pop(name, None)
            if entry is None:
                raise self._absent(name)
            self._gone.append(_Entry(entry.number, entry.record, at))

    def visible(self, now: datetime, lag: float) -> list[tuple[int, Summary]]:
        """(number, summary) of every record as it was `lag` seconds before `now`, oldest record first."""
        with self._lock:
            entries: Iterable[_Entry[T]] = list(self._entries.values())
            gone = list(self._gone) if lag > 0 else []
        if lag <= 0:
            return [(entry.number, entry.record.summaries[-1]) for entry in entries]
        then = now - timedelta(seconds=lag)
        still = [entry for entry in gone if entry.deleted is not None and entry.deleted > then]
        ordered = sorted([*entries, *still], key=lambda entry: entry.number)
        return [(entry.number, seen) for entry in ordered if (seen := _seen(entry.record, then)) is not None]

    def records(self) -> list[T]:
        with self._lock:
            return [entry.record for entry in self._entries.values()]


def _seen(record: Listed, then: datetime) -> Summary | None:
    summaries = record.summaries
    index = bisect.bisect_right(summaries, then, key=lambda summary: summary.modified)
    return summaries[index - 1] if index else None


@dataclass(frozen=True, slots=True)
class Page:
    bodies: list[Mapping[str, Any]]
    next_token: str | None

    def answer(self, member: str) -> dict[str, Any]:
        """The output shape: the list under `member`, and NextToken when there is more."""
        answer: dict[str, Any] = {member: self.bodies}
        if self.next_token is not None:
            answer["NextToken"] = self.next_token
        return answer


_Key = tuple[str | int, int]


def page(
    entries: list[tuple[int, Summary]],
    params: Mapping[str, Any],
    *,
    default_order: str = "Ascending",
    keep: Callable[[Summary], bool] = lambda _: True,
) -> Page:
    """One page of a List operation as AWS picks it.

    Name and creation-time filters choose what is listed; StatusEquals and the LastModifiedTime filters are
    applied after MaxResults entries were picked, so that a page may be short or empty and still carry a
    NextToken.
    """
    key = _sort_key(params.get("SortBy", "CreationTime"))
    descending = params.get("SortOrder", default_order) == "Descending"
    chosen = [entry for entry in entries if _listed(entry[1], params) and keep(entry[1])]
    chosen.sort(key=key, reverse=descending)
    rest = _after(chosen, params.get("NextToken"), key, descending=descending)
    size = params.get("MaxResults", _DEFAULT_PAGE)
    picked = list(itertools.islice(rest, size + 1))
    token = _token(key(picked[size - 1])) if len(picked) > size else None
    return Page([summary.body for _, summary in picked[:size] if _matches(summary, params)], token)


def _sort_key(sort_by: str) -> Callable[[tuple[int, Summary]], _Key]:
    match sort_by:
        case "Name":
            return lambda entry: (entry[1].name, entry[0])
        case "Status":
            return lambda entry: (entry[1].status, entry[0])
        case _:
            return lambda entry: (entry[0], entry[0])


def _listed(summary: Summary, params: Mapping[str, Any]) -> bool:
    contains = params.get("NameContains")
    after, before = params.get("CreationTimeAfter"), params.get("CreationTimeBefore")
    return (
        (contains is None or contains in summary.name)
        and (after is None or summary.created > after)
        and (before is None or summary.created < before)
    )


def _matches(summary: Summary, params: Mapping[str, Any]) -> bool:
    status = params.get("StatusEquals")
    after, before = params.get("LastModifiedTimeAfter"), params.get("LastModifiedTimeBefore")
    return (
        (status is None or summary.status == status)
        and (after is None or summary.modified > after)
        and (before is None or summary.modified < before)
    )


def _after(
    chosen: list[tuple[int, Summary]],
    token: str | None,
    key: Callable[[tuple[int, Summary]], _Key],
    *,
    descending: bool,
) -> Iterator[tuple[int, Summary]]:
    if token is None:
        return iter(chosen)
    last = _untoken(token)
    return (entry for entry in chosen if (key(entry) < last if descending else key(entry) > last))


def _token(key: _Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _untoken(token: str) -> _Key:
    try:
        value, number = json.loads(base64.urlsafe_b64decode(token.encode()))
        return (value, int(number))
    except (binascii.Error, ValueError, TypeError) as error:
        raise AwsError("ValidationException", "Invalid NextToken.") from error
