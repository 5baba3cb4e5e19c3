"""Requests that come at the same moment, before anything is compiled, are all read and answered whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import Shape, StructureShape

from local_aws import wire
from local_aws.compiled import Compiled
from local_aws.model import operation_model
from local_aws.validate import Validator

PATIENCE = 0.3


class Slow:
    """Stops the first thread that asks for the members of a structure until another one has had its chance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        members = StructureShape.__dict__["members"]

        def slowly(shape: Shape) -> Any:
            if not self.reached.is_set():
                self.reached.set()
                self.go_on.wait(10)
            return members.__get__(shape, StructureShape)

        monkeypatch.setattr(StructureShape, "members", property(slowly))

    def race(self, work: Callable[[], Any]) -> list[Any]:
        """What two threads get: the second begins while the first is compiling."""
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(work)
            assert self.reached.wait(10)
            second = threads.submit(work)
            threading.Timer(PATIENCE, self.go_on.set).start()
            return [first.result(10), second.result(10)]


def test_a_request_is_never_read_by_half_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    model = operation_model("sagemaker", "DescribeModelPackage")
    assert model is not None
    validator = Validator()
    made = Slow(monkeypatch).race(lambda: validator(model.input_shape, {"ModelPackageName": "digits"}))
    assert made == [{"ModelPackageName": "digits"}] * 2


def test_an_answer_is_never_written_by_half_a_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = operation_model("sagemaker", "DescribeEndpoint")
    assert model is not None
    monkeypatch.setattr(wire, "_writers", Compiled())
    result = {"EndpointName": "digits", "CreationTime": datetime(2026, 11, 21, tzinfo=UTC)}
    first, second = Slow(monkeypatch).race(lambda: wire.answer(model, result, "id", "json").body)
    assert first == second
    assert b"digits" in second


def test_what_could_not_be_made_is_made_anew() -> None:
    """A failure in the middle leaves nothing half made behind."""
    compiled: Compiled[str] = Compiled()

    def fails() -> str:
        compiled.register("outer", "half")
        raise ValueError

    with pytest.raises(ValueError):
        compiled.get("outer", fails)
    assert compiled.get("outer", lambda: "whole") == "whole"
