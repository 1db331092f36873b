"""The search, on measures that are made up."""

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.detector.int8.search import Measure, Selection, select

COSTS = {"stem": 1, "stage": 8, "neck": 0, "head": 4, "pred": 2}


class Measured:
    """Remembers what it was asked."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self.asked: list[frozenset[str]] = []

    def __call__(self, in_float: Collection[str]) -> float:
        self.asked.append(frozenset(in_float))
        return self._measure(in_float)


def additive(costs: Mapping[str, int]) -> Measured:
    return Measured(lambda in_float: sum(cost for block, cost in costs.items() if block not in in_float))


def search(measure: Measured, max_drop: float, blocks: Collection[str] = tuple(COSTS)) -> Selection:
    return select(tuple(blocks), measure, max_drop, lambda done, total: None)


def _alike(in_float: frozenset[str]) -> float:
    raise NotImplementedError


def test_nothing_is_kept_in_float_and_measured_once_where_all_may_be_in_int8() -> None:
    measure = additive(COSTS)
    assert search(measure, 15) == Selection((), 15, {})
    assert measure.asked == [frozenset()]


def test_blocks_of_greatest_gain_are_kept_in_the_order_of_the_network() -> None:
    found = search(additive(dict(reversed(COSTS.items()))), 3)
    assert found.in_float == ("stage", "head")
    assert found.drop == 3
    assert found.gains == COSTS


def test_block_that_is_taken_but_not_needed_is_left_out_again() -> None:
    def measure(in_float: Collection[str]) -> float:
        return 0 if {"a", "b"} <= set(in_float) else 9 - {"c": 3, "a": 2, "b": 1}.get("".join(in_float), 4)

    assert search(Measured(measure), 1, ("a", "b", "c")).in_float == ("a", "b")


def test_all_is_in_float_where_nothing_holds() -> None:
    found = search(Measured(lambda in_float: 1.0), 0.5)
    assert (found.in_float, found.drop) == (tuple(COSTS), 1.0)


def test_each_block_that_is_measured_by_itself_is_told() -> None:
    told: list[tuple[int, int]] = []
    select(tuple(COSTS), additive(COSTS), 3, lambda done, total: told.append((done, total)))
    assert told == [(count, 5) for count in range(1, 6)]


@pytest.mark.parametrize("max_drop", [0, 1, 3, 7])
def test_additive_search_takes_no_more_than_three_measurements_a_block(max_drop: int) -> None:
    measure = additive(COSTS)
    search(measure, max_drop)
    assert len(measure.asked) <= 3 * len(COSTS)


@given(
    measure=st.functions(like=_alike, returns=st.integers(0, 4), pure=True),
    count=st.integers(1, 6),
    max_drop=st.integers(0, 3),
)
def test_whatever_is_measured_no_block_that_is_kept_can_be_left_out_and_nothing_is_measured_twice(
    measure: Measure, count: int, max_drop: int
) -> None:
    blocks = tuple("abcdef"[:count])

    def measured(in_float: Collection[str]) -> float:
        return 0 if len(in_float) == count else measure(frozenset(in_float))

    counted = Measured(measured)
    found = search(counted, max_drop, blocks)
    assert found.drop <= max_drop
    assert len(counted.asked) == len(set(counted.asked))
    for block in found.in_float:
        assert counted([other for other in found.in_float if other != block]) > max_drop
