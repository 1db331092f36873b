"""Quantiles that are right to 5 %, from a histogram that can be stored."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics import LatencyHistogram


def test_without_latencies_there_is_no_quantile() -> None:
    assert LatencyHistogram().quantile_s(0.5) is None


@given(st.lists(st.floats(1.1e-4, 500), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_right_to_five_percent(latencies: list[float], share: float) -> None:
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.add(latency)
    found = histogram.quantile_s(share)
    exact = float(np.quantile(latencies, share, method="inverted_cdf"))
    assert found is not None and abs(found / exact - 1) < 0.06


@given(st.floats(-1e12, 1e12))
def test_latencies_out_of_range_count_as_the_nearest(latency: float) -> None:
    histogram = LatencyHistogram()
    histogram.add(latency)
    found = histogram.quantile_s(0.5)
    assert found is not None and 1e-4 < found < 620


@given(st.lists(st.floats(0, 600), max_size=30), st.lists(st.floats(0, 600), max_size=30))
def test_a_stored_histogram_goes_on_where_it_was(before: list[float], after: list[float]) -> None:
    whole, first = LatencyHistogram(), LatencyHistogram()
    for latency in before:
        whole.add(latency)
        first.add(latency)
    second = LatencyHistogram(first.to_bytes())
    for latency in after:
        whole.add(latency)
        second.add(latency)
    assert second.to_bytes() == whole.to_bytes()
    assert second.quantile_s(0.95) == whole.quantile_s(0.95)
