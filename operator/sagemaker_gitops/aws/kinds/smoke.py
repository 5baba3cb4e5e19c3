"""The smoke test at AWS: the payload, the endpoint that exists only for it, and the calls of its variants (core's smoke.py decides).

A call changes nothing, so it is a look, and a pass that is cut off makes it again.
Source: Amazon SageMaker API Reference (InvokeEndpoint; its errors, TargetVariant).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagemaker_gitops.aws.kinds.hosting import look_at_endpoint
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.port import SECONDS, Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category, ModelFailure
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Answered,
    Call,
    EndpointFact,
    EndpointState,
    LiveEndpoint,
    ModelEndpointFacts,
    Refused,
    SmokeFacts,
    Unanswered,
)
from sagemaker_gitops.core.kinds.model_endpoint.smoke import content_type, is_due, recorded, satisfies, stand_config, stand_name
from sagemaker_gitops.core.resource import Snapshot

CALLS = 3  # of one variant: the first may find a model that is not loaded yet


async def look_at_stand(aws: Aws, scope: Scope, snapshot: Snapshot, install: str) -> EndpointFact | None:
    """The endpoint of a smoke test that status knows of; None when it knows of none, without asking AWS."""
    if not recorded(snapshot.status).get("endpoint"):
        return None
    return await look_at_endpoint(aws, scope, stand_name(install, snapshot.key), install, snapshot.key, proven=False)


async def smoke(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Payload, stand and calls, each only as far as the test is due."""
    test, serving = look.serving.spec.smoke_test, look.serving
    if test is None:
        return facts
    body, missing = await _payload(look)
    payload = naming.files_digest({"payload": body}) if body is not None else ""
    found = SmokeFacts(payload, missing, facts.smoke.stand)
    if is_due(look.snapshot.status, serving, facts.endpoint, payload) and body is not None:
        stand = found.stand or await look_at_endpoint(
            look.aws, look.scope, stand_name(serving.install, serving.owner), serving.install, serving.owner, proven=False
        )
        found = replace(found, stand=stand)
        if _ready(stand, stand_config(serving.owner, serving.config_name)):
            calls = {variant.name: await _called(look, variant.name, body) for variant in serving.spec.variants}
            found = replace(found, calls=calls)
    return replace(facts, smoke=found)


def _ready(stand: EndpointFact, config: str) -> bool:
    return isinstance(stand, LiveEndpoint) and stand.state is EndpointState.IN_SERVICE and stand.config == config


async def _payload(look: Look) -> tuple[bytes | None, str]:
    """The request's body, or what is not there."""
    test = look.serving.spec.smoke_test
    assert test is not None
    reference = test.payload.config_map_ref
    config_map = await look.references.config_map(look.snapshot.key.namespace, reference.name)
    where = "spec.smokeTest.payload.configMapRef"
    if config_map is None:
        return None, f"{where}.name: ConfigMap {reference.name} is not there (yet): the new version waits for it"
    if reference.key not in config_map.files:
        held = ", ".join(sorted(config_map.files)[:10]) or "nothing"
        return None, f"{where}.key: ConfigMap {reference.name} has no {reference.key}, it holds {held}"
    return config_map.files[reference.key], ""


async def _called(look: Look, variant: str, body: bytes) -> Call:
    """The quickest of a few calls: one that satisfies ends them, and so does every error."""
    test = look.serving.spec.smoke_test
    assert test is not None
    slow: list[Answered] = []
    while len(slow) < CALLS:
        call = await _invoke(look, variant, body)
        if satisfies(test.expect, call) or not isinstance(call, Answered) or call.message:
            return call
        slow.append(call)
    return min(slow, key=lambda call: call.seconds)


async def _invoke(look: Look, variant: str, body: bytes) -> Call:
    serving = look.serving
    request: dict[str, Any] = {
        "EndpointName": stand_name(serving.install, serving.owner),
        "ContentType": content_type(serving),
        "Body": body,
    }
    if len(serving.spec.variants) > 1:
        request["TargetVariant"] = variant
    try:
        answer = await look.aws.call(look.scope, "sagemaker-runtime", "InvokeEndpoint", request)
    except ModelFailure as failure:
        return Answered(failure.status, failure.seconds, failure.message)
    except AwsFailure as failure:
        said = f"{failure.code}: {failure.message}"
        return Refused(said) if failure.category is Category.TERMINAL else Unanswered(said)
    return Answered(200, float(answer[SECONDS]))
