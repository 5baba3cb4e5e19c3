"""A status that somebody has edited by hand never breaks a pass: what cannot be read counts as not written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagemaker_gitops.core.kinds.training_run.facts import JobType, Succeeded
from sagemaker_gitops.core.kinds.training_run.status import moment, recorded_active, recorded_facts

NAME = "team-a-digits-train-abcdefghij"


def test_a_metric_that_is_no_number_is_left_out() -> None:
    """The others stay."""
    step = {"awsName": NAME, "state": "Succeeded", "metrics": {"a": "0.5", "b": "high", "c": None}}
    fact = recorded_facts({"steps": [step]})[NAME]
    assert isinstance(fact, Succeeded)
    assert fact.metrics == {"a": 0.5}


def test_a_job_of_an_unknown_type_is_left_out() -> None:
    """What this version cannot look at it does not remember."""
    steps = [{"awsName": "x", "type": "Rocket", "state": "InProgress"}, {"awsName": NAME, "type": "TrainingJob", "state": "InProgress"}]
    assert recorded_active({"steps": steps}) == {NAME: (JobType.TRAINING_JOB, "", None)}


@pytest.mark.parametrize("text", ["yesterday", "", None, 5, "2026-11-21T10:00:00"])
def test_a_time_that_is_none_is_no_time(text: object) -> None:
    """Also one without a zone, which could not be compared."""
    assert moment(text) is None


def test_a_time_is_read() -> None:
    """As this operator writes them."""
    assert moment("2026-11-21T10:00:00Z") == datetime(2026, 11, 21, 10, tzinfo=UTC)
