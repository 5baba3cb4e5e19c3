"""The operator judges every field that the admission policies judge: the same cases go to the API server in tests/system."""

from __future__ import annotations

import pytest

from tests.system.fence_cases import FenceCase, fence_cases, operator_paths


@pytest.mark.parametrize("case", [*fence_cases()], ids=lambda case: case.id)
def test_the_operator_judges_the_field(case: FenceCase) -> None:
    """Outside is found at that field; inside is not."""
    found = operator_paths(case.kind, case.spec)
    here = [path for path in found if case.path.startswith(path) or path.startswith(case.path.removesuffix("[]"))]
    assert bool(here) == case.refused, found
