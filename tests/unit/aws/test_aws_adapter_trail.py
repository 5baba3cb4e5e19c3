"""CloudTrail is asked where nothing else tells whether an update was sent, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.trail import trail
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, ModelEndpointFacts, Sent
from tests.unit.aws.aws_adapter_fakes import FakeAws, scope
from tests.unit.core.endpoint_case import NOW, TENANT, Case, model

SCOPE = scope(account="123456789012", region="eu-central-1", kind="ModelEndpoint")
SEEN = datetime(2026, 11, 21, 9, 30, 0, 250_000, tzinfo=UTC)
NOWHERE: Any = None  # the sight reads no other object


class Doubt(Case):
    """An update to version 8 was announced, and version 7 serves, changed since."""

    def update(self, **changes: Any) -> dict[str, Any]:
        announced = {"config": self.config(model(8)), "attemptedAt": "2026-11-21T09:40:00Z", "seen": "2026-11-21T09:30:00.250Z"}
        return {name: value for name, value in (announced | changes).items() if value is not None}

    def look(self, aws: FakeAws, **changes: Any) -> Look:
        snapshot = replace(self.snapshot, status={"update": self.update(**changes)})
        return Look(aws, SCOPE, snapshot, self.serving(model(8)), NOW, NOWHERE)

    def facts(self, sent: Sent = Sent.UNKNOWN, **changes: Any) -> ModelEndpointFacts:
        return ModelEndpointFacts(TENANT, {"all": model(8)}, self.live(model(7), last_modified=NOW, **changes), sent=sent)

    def event(self, **changes: Any) -> dict[str, Any]:
        """What CloudTrail keeps of the call."""
        asked = {"endpointName": self.serving().endpoint_name, "endpointConfigName": self.config(model(8))}
        return {"EventName": "UpdateEndpoint", "CloudTrailEvent": json.dumps({"requestParameters": asked | changes} | changes)}


def ask(look: Look, facts: ModelEndpointFacts) -> Sent:
    return asyncio.run(trail(look, facts)).sent


def pages(*found: list[dict[str, Any]]) -> FakeAws:
    """Each answers one call."""

    def answer(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        number = int(parameters.get("NextToken", "0"))
        return {"Events": found[number]} | ({"NextToken": str(number + 1)} if number + 1 < len(found) else {})

    return FakeAws(answer)


def test_the_call_is_looked_for_since_the_endpoint_was_seen() -> None:
    """By its name, on as many pages as there are."""
    case = Doubt()
    aws = pages([case.event(endpointName="another")], [case.event()], [])
    assert ask(case.look(aws), case.facts()) is Sent.YES
    assert aws.operations == ["cloudtrail:LookupEvents"] * 2
    first = aws.calls[0][1]
    assert first["LookupAttributes"] == [{"AttributeKey": "EventName", "AttributeValue": "UpdateEndpoint"}]
    assert first["StartTime"] == SEEN.replace(microsecond=0)
    assert first["EndTime"] > NOW


def test_an_endpoint_that_was_long_at_rest_is_not_looked_for_through_months() -> None:
    """An hour covers what may have been asked before the attempt that status names."""
    case, aws = Doubt(), pages([])
    ask(case.look(aws, seen="2026-08-01T00:00:00.000Z"), case.facts())
    assert aws.calls[0][1]["StartTime"] == datetime(2026, 11, 21, 9, 40, tzinfo=UTC) - timedelta(hours=1)


@pytest.mark.parametrize("changes", [{"endpointName": "another"}, {"endpointConfigName": "another"}, {"errorCode": "ValidationException"}])
def test_other_calls_and_refused_ones_say_nothing(changes: dict[str, str]) -> None:
    """Of another endpoint, to another config, or not carried out."""
    case = Doubt()
    assert ask(case.look(pages([case.event(**changes), {"EventName": "UpdateEndpoint"}])), case.facts()) is Sent.SILENT


def test_an_internal_error_is_no_proof_that_nothing_was_done() -> None:
    """AWS may have begun before it failed."""
    case = Doubt()
    assert ask(case.look(pages([case.event(errorCode="InternalFailure")])), case.facts()) is Sent.YES


@pytest.mark.parametrize("changes", [{"taken": True}, {"outcome": "RolledBack"}, {"seen": None}, {"replaces": "third"}, {"seen": "soon"}])
def test_where_status_knows_nobody_is_asked(changes: dict[str, Any]) -> None:
    """Neither where there is nothing to compare with: the update is asked for again."""
    case, aws = Doubt(), pages([])
    assert ask(case.look(aws, **changes), case.facts()) is Sent.UNKNOWN
    assert aws.operations == []


def test_what_the_process_knows_needs_no_question() -> None:
    """And an endpoint that has not changed, or is not there, raises none."""
    case, aws = Doubt(), pages([])
    for known in (Sent.YES, Sent.NO):
        assert ask(case.look(aws), case.facts(known)) is known
    live = case.live(model(7), last_modified=SEEN)
    assert isinstance(live, LiveEndpoint)
    for endpoint in (live, None):
        assert ask(case.look(aws), replace(case.facts(), endpoint=endpoint)) is Sent.UNKNOWN
    assert aws.operations == []


def denied(code: str, category: Category) -> FakeAws:
    failure = AwsFailure(category, service="cloudtrail", operation="LookupEvents", code=code, message="no")
    return FakeAws(lambda operation, parameters: failure)


def test_a_role_that_may_not_ask_is_told_from_an_aws_that_does_not_answer() -> None:
    """The first is an answer, the second is asked again."""
    case = Doubt()
    assert ask(case.look(denied("AccessDeniedException", Category.BLOCKED)), case.facts()) is Sent.CLOSED
    with pytest.raises(AwsFailure):
        ask(case.look(denied("ThrottlingException", Category.THROTTLED)), case.facts())
