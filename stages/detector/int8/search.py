"""Which blocks to keep in float, so that a network in INT8 finds what it found before."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Measure: TypeAlias = Callable[[Collection[str]], float]
"""Returns how much worse the network is than in float, in points of average precision, with these blocks in float."""

Step: TypeAlias = Callable[[int, int], None]
"""Is told how many blocks are measured, and how many there are."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a search found."""

    in_float: tuple[str, ...]
    """The blocks to keep in float, in the order of the network: without any one of them, it would be too much worse."""
    drop: float
    """How much worse the network is then, points."""
    gains: Mapping[str, float]
    """Points that each block gives back by itself, if kept in float while all others are not; {} if not measured."""


def select(blocks: Sequence[str], measure: Measure, max_drop: float, step: Step) -> Selection:
    """Return a small set of blocks in float with which the network is at most ``max_drop`` points worse.

    Each block is measured by itself; they are taken in the order of their gains until the rest holds, and then left out
    again, those of least gain first, where it holds without them too. Nothing is measured twice.
    """
    measure = _once(measure)
    full = measure(())
    if full <= max_drop:
        return Selection((), full, {})
    gains = _gains(blocks, measure, full, step)
    order = sorted(blocks, key=lambda block: -gains[block])
    taken = _pruned(_taken(order, measure, max_drop), measure, max_drop)
    return Selection(tuple(block for block in blocks if block in taken), measure(taken), gains)


def _once(measure: Measure) -> Measure:
    known: dict[frozenset[str], float] = {}

    def remembered(in_float: Collection[str]) -> float:
        key = frozenset(in_float)
        if key not in known:
            known[key] = measure(in_float)
        return known[key]

    return remembered


def _gains(blocks: Sequence[str], measure: Measure, full: float, step: Step) -> dict[str, float]:
    gains = {}
    for count, block in enumerate(blocks, 1):
        gains[block] = full - measure((block,))
        step(count, len(blocks))
    return gains


def _taken(order: Sequence[str], measure: Measure, max_drop: float) -> list[str]:
    """Return the shortest head of ``order`` that holds; all of it, which is the network in float, if none does."""
    return next((list(order[:n]) for n in range(1, len(order)) if measure(order[:n]) <= max_drop), list(order))


def _pruned(taken: list[str], measure: Measure, max_drop: float) -> list[str]:
    left = taken
    for block in reversed(taken):
        without = [other for other in left if other != block]
        if measure(without) <= max_drop:
            left = without
    # Once more if there are fewer: a block that was needed beside the others may be in the way without them.
    return left if left == taken else _pruned(left, measure, max_drop)
