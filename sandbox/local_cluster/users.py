"""The people and programs that the API server knows by a static token.

kube-apiserver reads the token file once at its start, so every user exists beforehand; what a user other
than `admin` may do comes from RBAC objects that the manifests hold.
"""

from __future__ import annotations

import csv
import io
import secrets
from dataclasses import dataclass

ADMIN = "admin"
OPERATOR = "operator"
DATA_SCIENTIST = "data-scientist"
ARGOCD = "argocd"
# Asks only for /version, and marks in the audit log how far it has been read (audit.py).
AUDIT_MARKER = "audit-marker"
CONTROLLER_MANAGER = "system:kube-controller-manager"


@dataclass(frozen=True, slots=True)
class User:
    """A name with its groups and its bearer token."""

    name: str
    groups: tuple[str, ...]
    token: str


def new_users() -> tuple[User, ...]:
    """The users of a new instance, each with a fresh random token."""
    groups = {
        ADMIN: ("system:masters",),
        OPERATOR: (),
        DATA_SCIENTIST: ("data-scientists",),
        ARGOCD: (),
        AUDIT_MARKER: (),
        CONTROLLER_MANAGER: (),
    }
    return tuple(User(name, memberships, secrets.token_urlsafe(24)) for name, memberships in groups.items())


def token_file(users: tuple[User, ...]) -> str:
    """The text of --token-auth-file: token, name, uid, groups (Kubernetes docs, "Static token file")."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for user in users:
        row = [user.token, user.name, user.name]
        writer.writerow([*row, ",".join(user.groups)] if user.groups else row)
    return text.getvalue()


def read_token_file(text: str) -> tuple[User, ...]:
    """The inverse of `token_file`."""
    return tuple(User(row[1], tuple(row[3].split(",")) if len(row) > 3 else (), row[0]) for row in csv.reader(io.StringIO(text)))
