"""What is remembered of an UpdateEndpoint that AWS took, may have taken, or refused: a rollback is told from a change by somebody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sagemaker_gitops.aws.kinds.sending import Sending
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, Sent
from sagemaker_gitops.core.kinds.model_endpoint.requests import update_endpoint
from tests.unit.aws.test_aws_adapter_attached import Account, kind_of, scaled
from tests.unit.core.endpoint_case import KEY


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.mark.parametrize(("category", "ambiguous", "unsent"), [(Category.BUSY, False, True), (Category.TRANSIENT, True, False)])
def test_a_refused_update_is_remembered_and_one_without_an_answer_is_not(
    account: Account, category: Category, ambiguous: bool, unsent: bool
) -> None:
    """What may have arrived may have been rolled back; what was refused has not been, which status says from now on."""
    case, kind = scaled(), kind_of(account)
    action = update_endpoint(case.serving(), ())
    update = {"config": action.parameters["EndpointConfigName"], "attemptedAt": "t", "seen": "t", "replaces": "c"}
    told = replace(case.snapshot, status={"update": update})
    failure = AwsFailure(category, service="sagemaker", operation="UpdateEndpoint", code="x", message="x", ambiguous=ambiguous)
    account.aws.answer = lambda operation, parameters: failure
    with pytest.raises(AwsFailure) as raised:
        asyncio.run(kind.execute(told, case.spec, action))
    assert kind._sending.known(KEY, update["config"]) is (Sent.NO if unsent else Sent.UNKNOWN)
    withdrawn = {"update": {"config": update["config"], "attemptedAt": "t"}}
    assert raised.value.withdrawn == (withdrawn if unsent else {})
    account.aws.answer = lambda operation, parameters: {}
    asyncio.run(kind.execute(told, case.spec, action))
    assert kind._sending.known(KEY, update["config"]) is Sent.YES


def test_a_repeated_update_that_is_refused_proves_nothing_about_the_first(account: Account) -> None:
    """AWS is busy with the first one: had that been forgotten, its rollback would be asked for again and again."""
    case, kind = scaled(), kind_of(account)
    action = update_endpoint(case.serving(), ())
    told = replace(case.snapshot, status={"update": {"config": action.parameters["EndpointConfigName"]}})
    account.aws.answer = lambda operation, parameters: {}
    asyncio.run(kind.execute(told, case.spec, action))
    failure = AwsFailure(Category.BUSY, service="sagemaker", operation="UpdateEndpoint", code="x", message="x")
    account.aws.answer = lambda operation, parameters: failure
    with pytest.raises(AwsFailure):
        asyncio.run(kind.execute(told, case.spec, action))
    config = action.parameters["EndpointConfigName"]
    assert kind._sending.known(KEY, config) is Sent.YES
    kind._sending.witness(KEY, config, case.live(config=config))
    assert kind._sending.known(KEY, config) is Sent.UNKNOWN


def test_an_update_without_an_answer_is_known_once_it_is_seen_under_way(account: Account) -> None:
    """And stays known when it is asked for once more in vain; another config that is under way says nothing of it."""
    case, sending = scaled(), Sending()
    action = update_endpoint(case.serving(), ())
    config = action.parameters["EndpointConfigName"]
    busy = case.live(state=EndpointState.BUSY, raw="Updating", config="before")
    sending.asked(KEY, action, taken=False)
    sending.witness(KEY, config, replace(busy, pending="another"))
    assert sending.known(KEY, config) is Sent.UNKNOWN
    sending.witness(KEY, config, replace(busy, pending=config))
    sending.asked(KEY, action, taken=False)
    assert sending.known(KEY, config) is Sent.YES
    assert sending.known(KEY, "another") is Sent.UNKNOWN
    sending.forget(KEY)
    assert sending.known(KEY, config) is Sent.UNKNOWN
