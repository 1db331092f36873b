from random import Random

import pytest

from stages.decoder.live.backoff import Backoff


class Longest(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_double_up_to_half_a_minute() -> None:
    backoff = Backoff(Longest())
    assert [backoff.after("timeout") for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.failures == 8


def test_wrong_password_is_not_tried_again_within_a_minute() -> None:
    backoff = Backoff(Random(3))
    waits = [backoff.after("auth") for _ in range(20)]
    assert min(waits) >= 60 and max(waits) <= 600


def test_waits_are_spread_and_the_same_for_the_same_seed() -> None:
    first, second = ([backoff.after("gone") for _ in range(50)] for backoff in (Backoff(Random(1)), Backoff(Random(1))))
    assert first == second
    assert len({round(wait) for wait in first[10:]}) > 10


@pytest.mark.parametrize(("live_s", "wait_s"), [(29.0, 2.0), (30.0, 0.5)])
def test_failures_are_forgotten_after_it_was_live_for_a_while(live_s: float, wait_s: float) -> None:
    backoff = Backoff(Longest())
    backoff.after("gone")
    backoff.after("gone")
    assert backoff.after("gone", live_s) == wait_s


def test_another_failure_begins_anew() -> None:
    backoff = Backoff(Longest())
    for _ in range(5):
        backoff.after("auth")
    assert backoff.after("refused") == 0.5


def test_years_of_failures_overflow_nothing() -> None:
    backoff = Backoff(Longest())
    assert {backoff.after("gone") for _ in range(5000)} <= {0.5, 1, 2, 4, 8, 16, 30}
