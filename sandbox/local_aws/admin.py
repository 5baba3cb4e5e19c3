"""The admin API under `/_local/`: clock, ledger, faults, roles, settings, quotas and cost, all JSON; dashboards as pictures.

Meant for tests and tools on this machine; the server listens on the loopback interface only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final
from urllib.parse import parse_qsl

import regex

from local_aws.faults import (
    DEFAULT_CODE,
    DEFAULT_MESSAGE,
    EventFaults,
    JobFailure,
    Latency,
    Script,
    fault_kind,
)
from local_aws.identity import Role
from local_aws.ledger import Filter
from local_aws.moto_backend import Environ, buffered
from local_aws.wire import Answer
from local_aws.world import World

PREFIX: Final = "/_local/"

Document = dict[str, Any]
Route = Callable[[Document], Document | bytes]


class Admin:
    """Answers one admin request; a wrong one gets status 400 and `{"error": ...}` naming the field."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "health"): self._health,
            ("GET", "clock"): self._clock,
            ("PUT", "clock"): self._set_clock,
            ("POST", "clock/advance"): self._advance,
            ("GET", "ledger"): self._ledger,
            ("GET", "ledger/summary"): self._summary,
            ("GET", "cost"): self._cost,
            ("GET", "dashboard"): self._picture,
            ("GET", "quotas"): self._quotas,
            ("PUT", "quotas"): self._set_quotas,
            ("GET", "settings"): self._settings,
            ("PUT", "settings"): self._set_settings,
            ("GET", "faults"): self._faults,
            ("DELETE", "faults"): self._reset_faults,
            ("POST", "faults/script"): self._script,
            ("POST", "faults/jobs"): self._fail_jobs,
            ("PUT", "faults/latency"): self._latency,
            ("PUT", "faults/list-lag"): self._list_lag,
            ("PUT", "faults/throttle"): self._throttle,
            ("PUT", "faults/events"): self._events,
            ("GET", "roles"): self._roles,
            ("POST", "roles"): self._add_role,
            ("DELETE", "roles"): self._remove_role,
            ("GET", "deny"): self._denials,
            ("POST", "deny"): self._deny,
            ("DELETE", "deny"): self._clear_denials,
            ("POST", "reset"): self._reset,
        }

    def __call__(self, environ: Environ) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)
        route = self._routes.get((method, path))
        if route is None:
            return _answer(404, {"error": f"{method} {PREFIX}{path} is not part of the admin API"})
        try:
            document: Document = dict(parse_qsl(environ.get("QUERY_STRING", "")))
            if body := buffered(environ):
                document |= json.loads(body)
            return _answer(200, route(document))
        except (ValueError, TypeError) as error:
            return _answer(400, {"error": str(error)})

    def _health(self, document: Document) -> Document:
        world = self._world
        return {"status": "ok", "account": world.account, "region": world.region, **self._clock(document)}

    def _clock(self, document: Document) -> Document:
        return {"speed": self._world.clock.speed, "now": self._world.clock.now().isoformat()}

    def _set_clock(self, document: Document) -> Document:
        self._world.clock.speed = _number(document, "speed")
        return self._clock(document)

    def _advance(self, document: Document) -> Document:
        self._world.clock.advance(_number(document, "seconds"))
        return self._clock(document)

    def _ledger(self, document: Document) -> Document:
        limit = document.pop("limit", None)
        found = self._world.ledger.entries(_filter(document), None if limit is None else int(limit))
        return {"last": self._world.ledger.last, "entries": [entry.as_json() for entry in found]}

    def _summary(self, document: Document) -> Document:
        return self._world.ledger.summary(_filter(document))

    def _cost(self, document: Document) -> Document:
        return self._world.cost.report() if self._world.cost else {}

    def _picture(self, document: Document) -> bytes:
        if self._world.picture is None:
            raise ValueError("name: this local AWS has no dashboards")
        return self._world.picture(_text(document, "name"))

    def _quotas(self, document: Document) -> Document:
        return self._world.quotas.report() if self._world.quotas else {}

    def _set_quotas(self, document: Document) -> Document:
        if self._world.quotas is None:
            raise ValueError("quotas: no service of this local AWS has any")
        self._world.quotas.configure(document)
        return self._quotas(document)

    def _settings(self, document: Document) -> Document:
        return dict(sorted(self._world.settings.items()))

    def _set_settings(self, document: Document) -> Document:
        settings = self._world.settings
        if unknown := sorted(set(document) - set(settings)):
            raise ValueError(f"{unknown[0]}: is no setting, there are {', '.join(sorted(settings)) or 'none'}")
        settings.update({name: _number(document, name) for name in document})
        return self._settings(document)

    def _faults(self, document: Document) -> Document:
        return self._world.faults.report()

    def _reset_faults(self, document: Document) -> Document:
        self._world.faults.reset()
        return self._faults(document)

    def _script(self, document: Document) -> Document:
        _known(document, {entry.name for entry in fields(Script)})
        script = Script(
            operation=_text(document, "operation"),
            kind=fault_kind(document.get("kind")),
            service=_text(document, "service") if "service" in document else None,
            resource=_pattern(document, "resource"),
            times=_count(document, "times", 1),
            code=str(document.get("code", DEFAULT_CODE)),
            message=str(document.get("message", DEFAULT_MESSAGE)),
            status=_count(document, "status", 400),
            seconds=_number(document, "seconds", 0.0),
        )
        self._world.faults.script(script)
        return self._faults(document)

    def _fail_jobs(self, document: Document) -> Document:
        _known(document, {entry.name for entry in fields(JobFailure)})
        failure = JobFailure(
            job=_text(document, "job"),
            reason=_text(document, "reason"),
            name=_pattern(document, "name"),
            times=_count(document, "times", 1),
        )
        self._world.faults.fail_jobs(failure)
        return self._faults(document)

    def _latency(self, document: Document) -> Document:
        _known(document, {"mean", "jitter"})
        mean, jitter = _number(document, "mean", 0.0), _number(document, "jitter", 0.0)
        self._world.faults.latency = Latency(mean, jitter)
        return self._faults(document)

    def _list_lag(self, document: Document) -> Document:
        self._world.faults.list_lag = _number(document, "seconds")
        return self._faults(document)

    def _throttle(self, document: Document) -> Document:
        service, operation = _text(document, "service"), _text(document, "operation")
        rate = _number(document, "rate")
        self._world.faults.throttle(service, operation, rate, _number(document, "burst", max(1.0, rate)))
        return self._faults(document)

    def _events(self, document: Document) -> Document:
        names = ("drop", "duplicate", "delay")
        _known(document, set(names))
        self._world.faults.events = EventFaults(**{name: _number(document, name, 0.0) for name in names})
        return self._faults(document)

    def _roles(self, document: Document) -> Document:
        return {"roles": [_role_json(role) for role in self._world.identity.roles()]}

    def _add_role(self, document: Document) -> Document:
        role = Role.from_json(document, self._world.account)
        self._world.identity.register(role)
        return _role_json(role)

    def _remove_role(self, document: Document) -> Document:
        arn = f"arn:aws:iam::{self._world.account}:role/{_text(document, 'name')}"
        return {"removed": self._world.identity.remove(arn)}

    def _denials(self, document: Document) -> Document:
        pairs = self._world.identity.denials()
        return {"deny": [{"role": role, "action": action} for role, action in pairs]}

    def _deny(self, document: Document) -> Document:
        self._world.identity.deny(_text(document, "role"), _text(document, "action"))
        return self._denials(document)

    def _clear_denials(self, document: Document) -> Document:
        self._world.identity.clear_denials()
        return self._denials(document)

    def _reset(self, document: Document) -> Document:
        """Faults, denials and clock speed as at the start; jobs, resources and the ledger stay."""
        self._world.faults.reset()
        self._world.identity.clear_denials()
        self._world.clock.speed = 1.0
        return self._health(document)


def _answer(status: int, document: Document | bytes) -> Answer:
    if isinstance(document, bytes):
        return Answer(status, (("Content-Type", "image/png"),), document)
    body = json.dumps(document).encode()
    return Answer(status, (("Content-Type", "application/json"),), body)


def _role_json(role: Role) -> Document:
    return {
        "arn": role.arn,
        "principals": sorted(role.principals),
        "externalId": role.external_id,
        "sessionTags": sorted(role.session_tags),
        "allow": role.allow,
        "deny": role.deny,
        "passRoles": role.pass_roles,
    }


def _filter(document: Mapping[str, Any]) -> Filter:
    _known(document, {entry.name for entry in fields(Filter)})
    given = dict(document)
    for name in ("accepted", "creating"):
        if name in given:
            given[name] = _flag(given[name], name)
    if "since" in given:
        given["since"] = int(given["since"])
    return Filter(**given)


def _flag(value: object, name: str) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"{name}: give true or false, not {value!r}")
    return str(value).lower() == "true"


def _known(document: Mapping[str, Any], names: set[str]) -> None:
    if unknown := sorted(set(document) - names):
        raise ValueError(f"{unknown[0]}: is not known, give {', '.join(sorted(names))}")


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: give a text")
    return value


def _number(document: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name}: give a number that is not negative")
    return float(value)


def _count(document: Mapping[str, Any], name: str, default: int) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: give a whole number from 1")
    return value


def _pattern(document: Mapping[str, Any], name: str) -> str | None:
    if name not in document:
        return None
    text = _text(document, name)
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(f"{name}: {text!r} is no regular expression: {error}") from error
    return text
