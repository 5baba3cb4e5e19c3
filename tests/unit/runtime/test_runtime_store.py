"""runtime.store: what an event concerns, read-your-writes, references, relists."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_fakes import RUN, event, snapshot

from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RERUN, REVISION, Key, Snapshot
from sagemaker_gitops.kube.objects import snapshot_of
from sagemaker_gitops.runtime.store import REQUESTS, Store, any_of

CODE = Key("ConfigMap", "team-a", "code")
TENANT = Key("Tenant", "", "team-a")
DONE = {"phase": "Succeeded", "observedGeneration": 1}


def references(item: Snapshot) -> Collection[Key]:
    return [CODE, any_of("Tenant")]


@pytest.fixture
def store() -> Store:
    return Store({"TrainingRun": references})


def newer(item: Snapshot, version: int = 11, **changes: Any) -> Snapshot:
    return replace(item, resource_version=str(version), **changes)


def test_a_snapshot_survives_the_store(store: Store) -> None:
    """What comes out is what went in."""
    item = snapshot(finalizers=(FINALIZER,), labels={"a": "b"}, annotations={RERUN: "2"}, status={"steps": [{"name": "train"}]})
    store.observe_event(event(item))
    assert store.get(RUN) == item


def test_a_new_object_concerns_itself(store: Store) -> None:
    """An object that was never seen has to be looked at."""
    assert store.observe_event(event(snapshot(), "ADDED")) == {RUN}


def test_an_older_or_equal_version_is_skipped(store: Store) -> None:
    """Echoes of our own writes and replays cost nothing and change nothing."""
    written = newer(snapshot(generation=2), 20)
    store.put(written)
    assert store.observe_event(event(snapshot(generation=3, resource_version="19"))) == set()
    assert store.observe_event(event(replace(written, generation=3))) == set()
    assert store.get(RUN) == written


@pytest.mark.parametrize(
    "change",
    [{"generation": 2}, {"deleting": True}, *({"annotations": {name: "x"}} for name in sorted(REQUESTS))],
    ids=lambda change: str(change),
)
def test_what_people_change_concerns_the_object(store: Store, change: dict[str, Any]) -> None:
    """A new generation, a deletion or one of our annotations wakes the object."""
    store.observe_event(event(snapshot(status=DONE)))
    assert store.observe_event(event(newer(snapshot(status=DONE), **change))) == {RUN}


def test_a_label_does_not_concern_the_object(store: Store) -> None:
    """A label edit starts nothing."""
    store.observe_event(event(snapshot(status=DONE)))
    assert store.observe_event(event(newer(snapshot(status=DONE), labels={"a": "b"}))) == set()


def test_a_status_of_ours_does_not_concern_the_object(store: Store) -> None:
    """The echo of a step of a run that goes on wakes nobody."""
    store.observe_event(event(snapshot(status={"phase": "Running", "observedGeneration": 1})))
    echo = newer(snapshot(), status={"phase": "Running", "observedGeneration": 1, "step": "train"})
    assert store.observe_event(event(echo)) == set()


def test_a_status_over_a_finished_one_concerns_the_object(store: Store) -> None:
    """Somebody wrote it: nothing else would ever look at the object again."""
    store.observe_event(event(snapshot(status=DONE)))
    assert store.observe_event(event(newer(snapshot(), status={"phase": "Failed", "observedGeneration": 1}))) == {RUN}


def test_the_echo_of_a_write_under_way_concerns_nobody(store: Store) -> None:
    """It may overtake the answer; what somebody else writes meanwhile, or later again, is news."""
    written = {**DONE, "ended": None, "steps": ({"name": "train"},)}
    echo = newer(snapshot(), status={**DONE, "steps": [{"name": "train"}]})
    store.observe_event(event(snapshot(status=DONE)))
    store.writes(RUN, written)
    assert store.observe_event(event(echo)) == set()
    assert store.observe_event(event(newer(snapshot(), 12, status={**DONE, "steps": []}))) == {RUN}
    assert store.put(newer(echo, 13)) == set()
    assert store.observe_event(event(newer(snapshot(), 14, status=DONE))) == {RUN}
    assert store.observe_event(event(newer(echo, 15))) == {RUN}


@pytest.mark.parametrize("change", [{"finalizers": ()}, {"status": {}}])
def test_stripping_our_finalizer_or_status_concerns_the_object(store: Store, change: dict[str, Any]) -> None:
    """Somebody took away what we need: it is put back (failure-modes.md B19)."""
    item = snapshot(finalizers=(FINALIZER,), status=DONE)
    store.observe_event(event(item))
    assert store.observe_event(event(newer(item, **change))) == {RUN}


def test_a_status_wiped_in_the_middle_of_a_run_concerns_the_object(store: Store) -> None:
    """The run's jobs are known to nobody else; no end has to be overwritten for that (failure-modes.md A8)."""
    item = snapshot(finalizers=(FINALIZER,), status={"phase": "Running", "observedGeneration": 1})
    store.observe_event(event(item))
    assert store.observe_event(event(newer(item, status={}))) == {RUN}


def test_a_namespace_that_comes_or_goes_is_its_labels_only() -> None:
    """Tenants select by label; the phase of a namespace changes nothing for them."""
    store, namespace = Store({"TrainingRun": lambda item: [Key("Namespace", "", "team-a")]}), Key("Namespace", "", "team-a")
    store.observe_event(event(snapshot()))
    store.observe_event(event(snapshot(namespace, uid="n", status={"phase": "Active"})))
    assert store.observe_event(event(newer(snapshot(namespace, uid="n"), 11, status={"phase": "Terminating"}))) == set()
    assert store.observe_event(event(newer(snapshot(namespace, uid="n"), 12, labels={"ml": "yes"}))) == {RUN}


def test_a_commit_wakes_nothing_by_itself(store: Store) -> None:
    """Argo CD may write the revision on every object at every commit; it is kept, at a restart too, and asks for nothing."""
    item = snapshot(status=DONE, annotations={REVISION: "4f2c9e1"})
    assert store.observe_event(event(item, None)) == set()
    assert store.observe_event(event(newer(item, annotations={REVISION: "77aa001"}))) == set()
    held = store.get(RUN)
    assert held is not None
    assert held.annotations == {REVISION: "77aa001"}


def test_foreign_annotations_are_not_kept(store: Store) -> None:
    """kubectl's last-applied annotation would double the memory."""
    raw = event(snapshot())
    raw["object"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", PAUSE: "true"}
    store.observe_event(raw)
    held = store.get(RUN)
    assert held is not None
    assert held.annotations == {PAUSE: "true"}


def test_a_restart_does_not_wake_finished_objects(store: Store) -> None:
    """Finished, and the generation observed: 10,000 such objects are listed and nothing happens."""
    assert store.observe_event(event(snapshot(status=DONE), None)) == set()


@pytest.mark.parametrize(
    "item",
    [
        snapshot(status={"phase": "Training", "observedGeneration": 1}),
        snapshot(generation=2, status=DONE),
        snapshot(status=DONE, deleting=True),
        snapshot(status=DONE, annotations={RERUN: "2"}),
        snapshot(),
        snapshot(status=DONE | {"notifications": [{"id": "n", "transition": "Failed", "topicArn": "t", "state": "Pending", "at": "now"}]}),
    ],
    ids=["active", "edited while down", "deleted while down", "annotated while down", "no status", "somebody is to be told"],
)
def test_a_restart_wakes_everything_else(store: Store, item: Snapshot) -> None:
    """Whatever may have changed while the operator was down is looked at."""
    assert store.observe_event(event(item, None)) == {RUN}


def test_a_replayed_list_wakes_nothing(store: Store) -> None:
    """A relist after an outage gives every object again with type None."""
    store.observe_event(event(snapshot(), None))
    assert store.observe_event(event(snapshot(), None)) == set()


def test_the_answer_to_a_write_hides_no_edit(store: Store) -> None:
    """Our status write is answered with somebody's edit in it; the edit's own event will not be newer."""
    store.observe_event(event(snapshot()))
    assert store.put(newer(snapshot(), 12, generation=2)) == {RUN}
    assert store.observe_event(event(newer(snapshot(), 11, generation=2))) == set()


def test_the_answer_to_a_write_of_ours_concerns_nobody(store: Store) -> None:
    """Read-your-writes without waking ourselves."""
    store.observe_event(event(snapshot()))
    assert store.put(newer(snapshot(), finalizers=(FINALIZER,), status=DONE)) == set()


def test_a_changed_config_map_wakes_who_uses_it(store: Store) -> None:
    """An edit of the source starts a run; a touched label of it does not matter until data does."""
    source = snapshot(CODE, spec={"data": {"train.py": "1"}})
    store.observe_event(event(snapshot(status=DONE)))
    assert store.observe_event(event(source, "ADDED")) >= {RUN}
    assert store.observe_event(event(newer(source))) == set()
    assert store.observe_event(event(newer(source, 12, spec={"data": {"train.py": "2"}}))) == {RUN}


def test_any_tenant_wakes_who_refers_to_tenants(store: Store) -> None:
    """Which Tenant binds a namespace is not known from the object, so each of them counts."""
    store.observe_event(event(snapshot()))
    tenant = snapshot(TENANT, uid="u-9")
    assert RUN in store.observe_event(event(tenant, "ADDED"))
    assert store.observe_event(event(newer(tenant), "DELETED")) == {RUN, TENANT}
    assert store.get(TENANT) is None


def test_references_follow_the_object() -> None:
    """An object that no longer names a thing is no longer woken by it."""
    named = {"team": [CODE]}
    store = Store({"TrainingRun": lambda item: named["team"]})
    store.observe_event(event(snapshot()))
    assert store.referrers(CODE) == {RUN}
    named["team"] = []
    store.observe_event(event(newer(snapshot())))
    assert store.referrers(CODE) == set()


def test_a_status_change_of_a_referenced_object_wakes_its_users() -> None:
    """A finished TrainingRun wakes the endpoint that waits for it, also when the status is our own write."""
    endpoint = Key("ModelEndpoint", "team-a", "digits")
    store = Store({"ModelEndpoint": lambda item: [RUN]})
    store.observe_event(event(snapshot(endpoint)))
    store.observe_event(event(snapshot()))
    assert store.put(newer(snapshot(status=DONE))) == {endpoint}


def test_a_deletion_of_a_former_object_of_that_name_is_ignored(store: Store) -> None:
    """Events of two objects with one name may overtake each other: the uid tells them apart."""
    store.observe_event(event(newer(snapshot(uid="u-2"), 30), "ADDED"))
    assert store.observe_event(event(newer(snapshot(uid="u-1"), 29), "DELETED")) == set()
    assert RUN in store


def test_forgetting_needs_the_right_uid(store: Store) -> None:
    """A 404 about the old object does not drop the new one of the same name."""
    store.observe_event(event(snapshot(uid="u-2")))
    store.forget(RUN, "u-1")
    assert RUN in store
    store.forget(RUN, "u-2")
    assert RUN not in store
    assert len(store) == 0


def test_a_rewound_history_is_believed_from_a_list(store: Store) -> None:
    """etcd restored from a backup: a list older than an event that we saw proves it (failure-modes.md B6)."""
    store.observe_event(event(newer(snapshot(generation=5), 500)))
    assert store.observe_event(event(newer(snapshot(generation=4), 400), None)) == {RUN}
    held = store.get(RUN)
    assert held is not None
    assert held.generation == 4


def test_a_list_older_than_our_own_write_proves_nothing(store: Store) -> None:
    """The list may simply have been read before our write."""
    store.observe_event(event(snapshot()))
    written = newer(snapshot(status=DONE), 12)
    store.put(written)
    assert store.observe_event(event(snapshot(), None)) == set()
    assert store.get(RUN) == written


def test_a_relist_shows_what_is_missing(store: Store) -> None:
    """Objects that the new list did not hold are named, so that the API server can be asked about each."""
    other = Key("TrainingRun", "team-a", "other")
    store.begin_list("TrainingRun")
    store.observe_event(event(snapshot(), None))
    store.observe_event(event(snapshot(other, uid="u-2"), None))
    assert store.unlisted("TrainingRun") == []
    store.begin_list("TrainingRun")
    store.observe_event(event(snapshot(), None))
    assert [item.key for item in store.unlisted("TrainingRun")] == [other]


def test_an_answer_that_is_overtaken_changes_nothing(store: Store) -> None:
    """An edit's event was handled before the answer to our older write or read: the edit stays."""
    edited = newer(snapshot(generation=2), 20)
    store.observe_event(event(edited))
    assert store.put(newer(snapshot(), 19)) == set()
    assert store.get(RUN) == edited


def test_a_get_after_a_conflict_wins_over_a_record_from_the_future(store: Store) -> None:
    """etcd was restored: what is held proved wrong, so the lower version is the true one (failure-modes.md B6)."""
    store.put(newer(snapshot(), 500))
    restored = newer(snapshot(generation=2), 400)
    assert store.replace(restored, "500") == {RUN}
    assert store.get(RUN) == restored


def test_a_get_of_a_former_object_of_that_name_replaces_nothing(store: Store) -> None:
    """Deleted and made anew while the GET was under way."""
    made_anew = newer(snapshot(uid="u-2"), 30)
    store.observe_event(event(made_anew, "ADDED"))
    assert store.replace(newer(snapshot(uid="u-1"), 29), "28") == set()
    assert store.get(RUN) == made_anew


def test_a_deleted_object_is_woken_by_nothing(store: Store) -> None:
    """Its references go with it (failure-modes.md G9)."""
    store.observe_event(event(snapshot()))
    store.observe_event(event(newer(snapshot()), "DELETED"))
    assert store.referrers(CODE) == set()
    assert store.observe_event(event(snapshot(TENANT, uid="u-9"), "ADDED")) == {TENANT}


def test_objects_that_come_and_go_leave_nothing_behind(store: Store) -> None:
    """Neither records nor references (failure-modes.md G9)."""
    for number in range(100):
        item = snapshot(Key("TrainingRun", "team-a", str(number)), uid=str(number))
        store.observe_event(event(item, "ADDED"))
        store.observe_event(event(newer(item), "DELETED"))
    assert len(store) == 0
    assert store._referrers == {}


def test_versions_are_compared_as_numbers(store: Store) -> None:
    """9 is older than 10, whatever the alphabet says."""
    store.observe_event(event(snapshot(resource_version="9")))
    assert store.observe_event(event(snapshot(resource_version="10", generation=2))) == {RUN}
    assert store.observe_event(event(snapshot(resource_version="9", generation=3))) == set()


@pytest.mark.parametrize("reason", ["Paused", "Released", "InternalError", "AwsThrottled"])
def test_a_restart_looks_at_an_end_that_something_else_speaks_over(store: Store, reason: str) -> None:
    """Ready says a pause or a failed pass; nobody but a restart would put the end back there."""
    status = {**DONE, "conditions": [{"type": "Ready", "status": "False", "reason": reason}]}
    assert store.observe_event(event(snapshot(status=status), None)) == {RUN}


def test_a_label_over_a_finished_object_wakes_nobody(store: Store) -> None:
    """Only a status that somebody wrote over the end does."""
    finished = snapshot(status=DONE, labels={"seen": "1"})
    store.observe_event(event(finished))
    assert store.observe_event(event(newer(finished, labels={"seen": "2"}))) == set()


def test_objects_of_one_namespace(store: Store) -> None:
    """A tenant's objects are not mixed with another's."""
    other = Key("TrainingRun", "team-b", "digits")
    store.observe_event(event(snapshot()))
    store.observe_event(event(snapshot(other, uid="u-2")))
    assert [item.key for item in store.of_kind("TrainingRun", "team-b")] == [other]
    assert {item.key for item in store.of_kind("TrainingRun")} == {RUN, other}


def test_the_store_may_change_while_it_is_read(store: Store) -> None:
    """A background task reads key by key, and events come in between."""
    for number in range(3):
        store.observe_event(event(snapshot(Key("TrainingRun", "team-a", str(number)), uid=str(number))))
    reads: list[Iterator[object]] = [store.of_kind("TrainingRun"), store.phases("TrainingRun")]
    for read in reads:
        next(read)
        store.observe_event(event(snapshot(Key("TrainingRun", "team-b", str(id(read))), uid=str(id(read)))))
        assert len(list(read)) >= 2


def test_the_name_of_another_kind_wakes_nobody(store: Store) -> None:
    """References are by kind, namespace and name."""
    store.observe_event(event(snapshot()))
    assert store.observe_event(event(snapshot(Key("ConfigMap", "team-b", "code"), uid="c"), "ADDED")) == {
        Key("ConfigMap", "team-b", "code")
    }


def test_phases_are_known_without_decoding(store: Store) -> None:
    """Places in a tenant's queue are counted from the phases alone."""
    store.observe_event(event(snapshot(status={"phase": "Training"})))
    assert dict(store.phases("TrainingRun")) == {RUN: "Training"}


def test_config_map_data_is_kept_as_given() -> None:
    """Text and base64 stay what they are."""
    raw = event(snapshot(CODE, spec={"data": {"train.py": "x"}, "binaryData": {"model.bin": "AAE="}}))["object"]
    assert snapshot_of(raw).spec == {"data": {"train.py": "x"}, "binaryData": {"model.bin": "AAE="}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(spec=st.dictionaries(st.text(max_size=8), JSON, max_size=4), status=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_json_survives(spec: dict[str, object], status: dict[str, object]) -> None:
    """Compression and decoding lose nothing, whatever text an object holds."""
    store = Store({})
    item = snapshot(spec=spec, status={**status, "phase": "Training"})
    store.put(item)
    assert store.get(RUN) == item
