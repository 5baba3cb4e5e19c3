"""The store of metrics: windows, resolution, retention, percentiles."""

from __future__ import annotations

import pytest

from local_aws.metric_store import Distribution, Metric, MetricStore

METRIC = Metric("N", "m", frozenset())
DAY = 86_400


def test_a_window_ends_before_its_end() -> None:
    """By minute, or by second for a high resolution."""
    store = MetricStore()
    for at in (59.9, 60.0, 119.0, 120.0):
        store.put(METRIC, at, 1.0)
    minute = store.window(METRIC, 60, 120)
    assert minute is not None
    assert minute.count == 2
    store.put(METRIC, 65.5, 1.0, resolution=1)
    second = store.window(METRIC, 65, 66)
    assert second is not None
    assert second.count == 1
    assert store.window(METRIC, 240, 300) is None


def test_old_values_are_forgotten() -> None:
    """After fifteen days."""
    store = MetricStore()
    store.put(METRIC, 0.0, 1.0)
    store.put(METRIC, 16.0 * DAY, 1.0)
    assert store.window(METRIC, 0, DAY) is None
    assert store.span(METRIC) == (16.0 * DAY, 16.0 * DAY)


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 2.0), (75, 6.0), (100, 10.0)])
def test_percentiles_know_how_often_a_value_was_put(percent: float, value: float) -> None:
    """1, 1, 2, 6, 10 with interpolation."""
    data = Distribution()
    data.add(1.0, 2.0)
    for each in (10.0, 2.0, 6.0):
        data.add(each)
    assert data.percentile(percent) == value
