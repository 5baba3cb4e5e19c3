"""Any kind that tells people of its transitions: the kind itself, and passes of its own for what status has to send.

A sending pass reads nothing of AWS and asks it for one Publish only; whatever comes of that, the kind's own passes go on as if nobody
listened. The protocol is core/notifications.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sagemaker_gitops.aws.kinds.around import Around
from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.deleting import Deleting, prove_bound
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.aws.port import Aws
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.actions import Outcome as Executed
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.messages import publish
from sagemaker_gitops.core.notifications import (
    SENDING,
    Occurrences,
    Outcome,
    announced,
    is_due,
    permitted,
    record_of,
    requeued,
    stepped,
    subscriptions,
    with_record,
)
from sagemaker_gitops.core.plan import After, Plan
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound

SNS, PUBLISH = "sns", "Publish"
REMEMBERED = 100  # outcomes of one object


@dataclass(frozen=True, slots=True)
class Telling:
    """The facts of a sending pass: the Tenant, and the topics that may be told."""

    tenant: Bound
    topics: tuple[str, ...]


@dataclass(slots=True)
class Notifying(Around):
    """`kind` with notifications. `outcomes` is memory of this process only: what came of a Publish."""

    aws: Aws
    references: References
    occurrences: Occurrences
    outcomes: dict[Key, dict[str, Outcome]] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        self.outcomes.pop(key, None)
        self.kind.forget(key)

    async def observe(self, snapshot: Snapshot, resource: Any, now: datetime) -> Any:
        binding = binding_of(self.references, snapshot.key.namespace)
        tells = not isinstance(resource, Deleting) and is_due(record_of(snapshot.status), self.outcomes.get(snapshot.key, {}), now)
        if tells and isinstance(binding, Bound):
            topics = permitted(subscriptions(snapshot.key.kind, resource.notify, binding.spec), binding)
            return Telling(binding, tuple(item.topic for item in topics))
        return await self.kind.observe(snapshot, resource, now)

    def plan(self, snapshot: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan:
        if isinstance(facts, Telling):
            return self._send(snapshot, facts, now)
        made = self.kind.plan(snapshot, resource, facts, now)
        binding = binding_of(self.references, snapshot.key.namespace)
        if isinstance(resource, Deleting) or not isinstance(binding, Bound):
            return made
        before, wanted = snapshot.status, subscriptions(snapshot.key.kind, resource.notify, binding.spec)
        if not wanted and not record_of(before):
            return made
        found = self.occurrences(before, made.status) if wanted and before.get("phase") else ()
        status = announced(snapshot, made.status, found, wanted, now)
        news = record_of(status) != record_of(before)
        return replace(made, status=status, requeue=requeued(made.requeue, record_of(status), now), locked=news)

    async def execute(self, snapshot: Snapshot, resource: Any, action: Action) -> Executed:
        if isinstance(action, AwsRequest) and (action.service, action.operation) == (SNS, PUBLISH):
            self.outcomes.setdefault(snapshot.key, {})[action.subject] = await self._publish(snapshot, action)
            return Executed.DONE
        return await self.kind.execute(snapshot, resource, action)

    def _send(self, snapshot: Snapshot, facts: Telling, now: datetime) -> Plan:
        """Settle what is known and claim one message more; the next pass goes on from there."""
        before = record_of(snapshot.status)
        unsettled = {entry["id"] for entry in before if entry["state"] == SENDING}
        kept = [(id_, outcome) for id_, outcome in self.outcomes.get(snapshot.key, {}).items() if outcome.final or id_ in unsettled]
        self.outcomes[snapshot.key] = outcomes = dict(kept[-REMEMBERED:])
        record, claimed = stepped(before, outcomes, facts.topics, now)
        status = with_record(snapshot, snapshot.status, record, now)
        actions = (publish(snapshot.key, claimed, facts.tenant.name),) if claimed is not None else ()
        return Plan(status, After(0.0), actions, finalizer=snapshot.has_finalizer, locked=True)

    async def _publish(self, snapshot: Snapshot, action: AwsRequest) -> Outcome:
        """Never raises for AWS: a message that cannot be sent is no reason not to train, serve or watch."""
        try:
            binding = prove_bound(binding_of(self.references, snapshot.key.namespace), snapshot.key)
            answer = await self.aws.call(scope_of(binding.spec, snapshot.key), action.service, action.operation, action.parameters)
        except AwsFailure as failure:
            lost = failure.ambiguous and failure.operation == PUBLISH
            return Outcome(error=f"{failure.code}: {failure.message}", certain=not lost)
        return Outcome(message_id=str(answer.get("MessageId") or "unnamed"))
