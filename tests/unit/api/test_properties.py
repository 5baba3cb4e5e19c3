"""Whatever a spec holds, parsing answers with a model or with findings, never with another exception."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from api_cases import accepted
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gitops.api.fields import duration, seconds
from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.api.parse import ValidationFailed, parse
from sagemaker_gitops.api.template import problems, resolve

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(["${", "$${", "${parameters.x}", "s3://"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=8
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Path of every value inside `value`."""
    if not isinstance(value, dict | list):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _outcome(kind: str, spec: object) -> None:
    found = _findings(kind, spec)
    assert found is None or found
    assert all(path.startswith("spec") and message for path, message in found or ())


def _findings(kind: str, spec: object) -> tuple[tuple[str, str], ...] | None:
    try:
        parse(kind, spec)
    except ValidationFailed as error:
        return error.findings
    return None


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(spec=VALUES)
def test_any_value(kind: str, spec: object) -> None:
    """Random JSON in place of a spec."""
    _outcome(kind, spec)


@given(data=st.data())
def test_any_damage(data: st.DataObject) -> None:
    """A valid spec of which one value was replaced by random JSON."""
    case = data.draw(st.sampled_from(accepted()))
    spec = copy.deepcopy(case.spec)
    place = data.draw(st.sampled_from(_places(spec)[1:]))
    holder = spec
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = data.draw(VALUES)
    _outcome(case.kind, spec)


@given(st.integers(min_value=1, max_value=28 * 86_400))
def test_duration_round_trip(value: int) -> None:
    """What is printed as a duration is read as the same number of seconds."""
    assert seconds(duration(value)) == value


@given(st.text(alphabet="${}parmets.x ", max_size=30))
def test_templates_never_run_anything(text: str) -> None:
    """Text without a refused template keeps exactly the escaped ${."""
    if not list(problems(text, {})):
        assert resolve(text, {}).count("${") == text.count("$${")
