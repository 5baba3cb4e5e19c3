"""What wakes a ModelEndpoint: the payload of its smoke test among it."""

from __future__ import annotations

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.wiring import model_endpoint_references


def test_an_edit_of_the_payload_wakes_the_endpoint() -> None:
    """The version that failed may pass with another one."""
    payload = {"configMapRef": {"name": "sample", "key": "a.csv"}}
    snapshot = Snapshot(Key("ModelEndpoint", "team-a", "digits"), "u", "1", 1, spec={"smokeTest": {"payload": payload}})
    assert Key("ConfigMap", "team-a", "sample") in model_endpoint_references(snapshot)
    bare = Snapshot(snapshot.key, "u", "1", 1, spec={"variants": []})
    assert not [key for key in model_endpoint_references(bare) if key.kind == "ConfigMap"]
