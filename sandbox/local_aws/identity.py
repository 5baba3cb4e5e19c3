"""Who may call and what: access keys, roles with their trust, sessions, denials and allow-lists.

A signature is not verified; the access key id in it decides the caller. Policies are reduced to what the
tests of an operator need: trust with external id and session tags, actions allowed or denied per role, and
roles it may pass.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, Literal

from local_aws.clock import Clock
from local_aws.service import Caller

INTERNAL_KEY: Final = "LOCALAWSINTERNAL"
OPERATOR_KEY: Final = "LOCALOPERATOR"
ADMIN_KEY: Final = "LOCALADMIN"
OPERATOR_ROLE: Final = "sagemaker-gitops-operator"

_ALPHABET: Final = string.ascii_uppercase + string.digits
_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_FIELDS: Final = frozenset({"name", "trust", "allow", "deny", "passRoles", "maxSessionDuration"})
_TRUST_FIELDS: Final = frozenset({"principals", "externalId", "sessionTags"})


class UnknownKeyError(Exception):
    """The access key does not exist, or its session token is missing or wrong."""


class ExpiredKeyError(Exception):
    """The session has ended by the AWS clock."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What `sts:AssumeRole` hands out; `expiration` is AWS time, None for a job's own credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime | None


@dataclass(frozen=True, slots=True)
class Role:
    """A role that exists. `principals` are ARNs (role, user, account root) and service names that may
    assume it.

    `session_tags` are the tag keys a session may carry ("*" any); `allow` and `deny` are action patterns
    ("sagemaker:Create*"), `allow` None meaning everything; `pass_roles` ARN patterns, None meaning every
    role.
    """

    arn: str
    principals: frozenset[str] = frozenset()
    external_id: str | None = None
    session_tags: frozenset[str] = frozenset()
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    pass_roles: tuple[str, ...] | None = None
    max_session: int = 3600

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @classmethod
    def from_json(cls, document: Mapping[str, Any], account: str) -> Role:
        """A role of the seed file or the admin API; raises ValueError naming the field."""
        if unknown := sorted(set(document) - _FIELDS):
            raise ValueError(f"role: unknown field {unknown[0]!r}, known are {', '.join(sorted(_FIELDS))}")
        name = document.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError("role.name: give the role's name, for example 'team-a-training'")
        trust = document.get("trust", {})
        if not isinstance(trust, Mapping) or set(trust) - _TRUST_FIELDS:
            raise ValueError(f"role.trust: give an object with {', '.join(sorted(_TRUST_FIELDS))}")
        return cls(
            arn=f"arn:aws:iam::{account}:role/{name}",
            principals=frozenset(_strings(trust.get("principals", ()), "role.trust.principals")),
            external_id=trust.get("externalId"),
            session_tags=frozenset(_strings(trust.get("sessionTags", ()), "role.trust.sessionTags")),
            allow=_optional(document.get("allow"), "role.allow"),
            deny=_strings(document.get("deny", ()), "role.deny"),
            pass_roles=_optional(document.get("passRoles"), "role.passRoles"),
            max_session=_seconds(document.get("maxSessionDuration", 3600)),
        )


@dataclass(frozen=True, slots=True)
class _Session:
    caller: Caller
    token: str
    expires: float | None


class Identity:
    """All callers of one local AWS; the keys LOCALADMIN and LOCALOPERATOR exist from the start."""

    def __init__(self, account: str, clock: Clock) -> None:
        self.account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._roles: dict[str, Role] = {}
        self._sessions: dict[str, _Session] = {}
        self._denied: set[tuple[str, str]] = set()
        self._keys = self._fixed_keys()
        self.register(Role(arn=f"arn:aws:iam::{account}:role/{OPERATOR_ROLE}"))

    def _fixed_keys(self) -> dict[str, Caller]:
        operator = f"arn:aws:iam::{self.account}:role/{OPERATOR_ROLE}"
        session = f"arn:aws:sts::{self.account}:assumed-role/{OPERATOR_ROLE}/local"
        admin = f"arn:aws:iam::{self.account}:user/admin"
        internal = f"arn:aws:iam::{self.account}:user/local-aws"
        return {
            ADMIN_KEY: Caller(self.account, admin, None, _NO_TAGS, ADMIN_KEY),
            INTERNAL_KEY: Caller(self.account, internal, None, _NO_TAGS, INTERNAL_KEY),
            OPERATOR_KEY: Caller(self.account, session, operator, _NO_TAGS, OPERATOR_KEY),
        }

    def register(self, role: Role) -> None:
        """Create a role or replace the one of the same name; its sessions stay valid."""
        with self._lock:
            self._roles[role.arn] = role

    def remove(self, role_arn: str) -> bool:
        """Delete a role; False when there was none."""
        with self._lock:
            return self._roles.pop(role_arn, None) is not None

    def roles(self) -> list[Role]:
        """Every role, by ARN."""
        return [self._roles[arn] for arn in sorted(self._roles)]

    def role(self, role_arn: str) -> Role | None:
        """The role of that ARN, None when it does not exist."""
        return self._roles.get(role_arn)

    def role_exists(self, role_arn: str) -> bool:
        """Whether the role exists."""
        return role_arn in self._roles

    def service_may_assume(self, role_arn: str, principal: str) -> bool:
        """Whether the role exists and trusts a service principal such as "sagemaker.amazonaws.com"."""
        role = self._roles.get(role_arn)
        return role is not None and principal in role.principals

    def may_pass(self, caller: Caller, role_arn: str) -> bool:
        """iam:PassRole: users may pass every role, a role those of its `pass_roles`."""
        role = self._roles.get(caller.role_arn) if caller.role_arn else None
        if caller.role_arn is None:
            return True
        return role is not None and (role.pass_roles is None or _matches_any(role.pass_roles, role_arn))

    def deny(self, role: str, action: str) -> None:
        """Deny an action pattern to a role (ARN or name), whatever else allows it."""
        with self._lock:
            self._denied.add((role, action))

    def clear_denials(self) -> None:
        """Forget every `deny` of the admin API; those of a role's own definition stay."""
        with self._lock:
            self._denied.clear()

    def denials(self) -> list[tuple[str, str]]:
        """(role, action) pairs in force."""
        return sorted(self._denied)

    def refusal(self, caller: Caller, action: str) -> Literal["explicit", "implicit"] | None:
        """Why the caller may not do `action` ("sagemaker:CreateModel"); None when it may."""
        return self.decision(caller.role_arn, action)

    def decision(self, role_arn: str | None, action: str) -> Literal["explicit", "implicit"] | None:
        """Why a role may not do `action`; None when it may, and for users, who may do everything."""
        if role_arn is None:
            return None
        role = self._roles.get(role_arn)
        if role is None:
            return "implicit"
        if self._denied and any(name in (role.arn, role.name) and _matches(pattern, action) for name, pattern in tuple(self._denied)):
            return "explicit"
        if role.deny and _matches_any(role.deny, action):
            return "explicit"
        return None if role.allow is None or _matches_any(role.allow, action) else "implicit"

    def mint(self, role_arn: str, session_name: str, seconds: float | None, tags: Mapping[str, str] = _NO_TAGS) -> Credentials:
        """Credentials of a session of an existing role, valid for `seconds` of AWS time, None for ever."""
        name = role_arn.rpartition("/")[2]
        key = "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        token = secrets.token_urlsafe(64)
        arn = f"arn:aws:sts::{self.account}:assumed-role/{name}/{session_name}"
        now = self._clock.time()
        expires = None if seconds is None else now + seconds
        caller = Caller(self.account, arn, role_arn, MappingProxyType(dict(tags)), key)
        with self._lock:
            self._prune(now)
            self._sessions[key] = _Session(caller, token, expires)
        ends = None if expires is None else datetime.fromtimestamp(expires, UTC)
        return Credentials(key, secrets.token_urlsafe(30), token, ends)

    def revoke(self, access_key_id: str) -> None:
        """End a session at once, for example when its job ends."""
        with self._lock:
            self._sessions.pop(access_key_id, None)

    def authenticate(self, access_key_id: str, session_token: str | None) -> Caller:
        """The caller behind an access key; raises UnknownKeyError or ExpiredKeyError."""
        fixed = self._keys.get(access_key_id)
        if fixed is not None:
            return fixed
        session = self._sessions.get(access_key_id)
        if session is None or session.token != session_token:
            raise UnknownKeyError(access_key_id)
        if session.expires is not None and self._clock.time() >= session.expires:
            raise ExpiredKeyError(access_key_id)
        return session.caller

    def _prune(self, now: float) -> None:
        """Forget sessions that ended an hour ago: until then they are refused as expired, not as unknown."""
        old = [key for key, session in self._sessions.items() if (session.expires or now) < now - 3600]
        for key in old:
            del self._sessions[key]


def unique_id(arn: str) -> str:
    """The stable id that AWS would show for a role or a user (AROA..., AIDA...)."""
    digits = int.from_bytes(arn.encode(), "big") % 36**17
    text = ""
    for _ in range(17):
        digits, index = divmod(digits, 36)
        text += _ALPHABET[index]
    return ("AROA" if ":role/" in arn else "AIDA") + text


def _matches(pattern: str, value: str) -> bool:
    return fnmatchcase(value.lower(), pattern.lower())


def _matches_any(patterns: Sequence[str], value: str) -> bool:
    return any(_matches(pattern, value) for pattern in patterns)


def _strings(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"{field}: give a list of strings")
    return tuple(value)


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 900 <= value <= 43200:
        raise ValueError("role.maxSessionDuration: give seconds from 900 to 43200")
    return value


def _optional(value: object, field: str) -> tuple[str, ...] | None:
    return None if value is None else _strings(value, field)
