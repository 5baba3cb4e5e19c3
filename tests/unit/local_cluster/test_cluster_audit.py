"""local_cluster.audit: what one line of the API server's log means."""

from __future__ import annotations

import json
from pathlib import Path

from local_cluster.audit import read_audit_log

PATCH = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "7c9f",
    "stage": "ResponseComplete",
    "requestURI": "/apis/sagemaker-gitops.dev/v1alpha1/namespaces/team/trainingruns/digits/status",
    "verb": "patch",
    "user": {"username": "operator", "groups": ["system:authenticated"]},
    "userAgent": "sagemaker-gitops/0.1.0",
    "objectRef": {
        "resource": "trainingruns",
        "namespace": "team",
        "name": "digits",
        "apiGroup": "sagemaker-gitops.dev",
        "apiVersion": "v1alpha1",
        "subresource": "status",
    },
    "responseStatus": {"metadata": {}, "code": 409},
    "requestReceivedTimestamp": "2026-11-21T03:55:00.123456Z",
    "stageTimestamp": "2026-11-21T03:55:00.129000Z",
}


def test_an_event_says_who_did_what_to_which_object(tmp_path: Path) -> None:
    """All the fields that tests count by are read."""
    log = tmp_path / "audit.log"
    log.write_text(json.dumps(PATCH) + "\n")
    (event,) = read_audit_log(log)
    assert (event.user, event.verb, event.code) == ("operator", "patch", 409)
    assert (event.group, event.resource, event.subresource) == (
        "sagemaker-gitops.dev",
        "trainingruns",
        "status",
    )
    assert (event.namespace, event.name) == ("team", "digits")


def test_a_refused_write_is_a_write_that_was_not_accepted(tmp_path: Path) -> None:
    """Attempts and successes are counted apart."""
    log = tmp_path / "audit.log"
    log.write_text(json.dumps(PATCH) + "\n" + json.dumps(PATCH | {"verb": "get", "responseStatus": {"code": 200}}) + "\n")
    refused, read = read_audit_log(log)
    assert (refused.is_write, refused.accepted) == (True, False)
    assert (read.is_write, read.accepted) == (False, True)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    """A reader beside a running server never sees half an event."""
    log = tmp_path / "audit.log"
    log.write_text(json.dumps(PATCH) + "\n" + json.dumps(PATCH)[:40])
    assert len(list(read_audit_log(log))) == 1
