"""Which frames are taken depends on their times and order alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.decoder.sampling import Sampler, Sampling

TIMES = st.lists(st.floats(0.001, 0.3), min_size=1, max_size=80).map(
    lambda steps: [round(sum(steps[: place + 1]), 4) for place in range(len(steps))]
)


def taken(sampling: Sampling, times: list[float], start_s: float = 0.0, after_s: float | None = None) -> list[float]:
    sampler = Sampler(sampling, start_s, after_s)
    return [at_s for at_s in times if sampler.takes(at_s)]


@given(TIMES, st.integers(1, 9))
def test_every_nth_counts_from_the_first_frame_that_is_wanted(times: list[float], every: int) -> None:
    assert taken(Sampling(every=every), times) == times[::every]
    begin_s = times[len(times) // 2]
    assert taken(Sampling(every=every, from_s=begin_s), times) == times[len(times) // 2 :][::every]


@given(TIMES, st.floats(0.2, 20))
def test_so_many_a_second_are_the_first_of_each_interval(times: list[float], fps: float) -> None:
    found = taken(Sampling(fps=fps), times)
    slots = [int((at_s + 5e-4) * fps) for at_s in found]
    assert slots == sorted(set(slots)) and set(slots) == {int((at_s + 5e-4) * fps) for at_s in times}
    assert len(found) <= (times[-1] - times[0]) * fps + 2


@given(TIMES, st.sampled_from([{"every": 3}, {"fps": 4.0}, {"fps": 0.5, "from_s": 1.0}, {"to_s": 5.0}]), st.data())
def test_behind_a_frame_that_was_taken_it_goes_on_as_if_all_had_been_asked_about(
    times: list[float], wish: dict[str, float], data: st.DataObject
) -> None:
    sampling = Sampling.model_validate(wish)
    whole = taken(sampling, times)
    if not whole:
        return
    place = data.draw(st.integers(0, len(whole) - 1))
    first = data.draw(st.integers(0, times.index(whole[place])))
    sampler = Sampler(sampling, 0.0, whole[place])
    assert [at_s for at_s in times[first:] if sampler.takes(at_s)] == whole[place + 1 :]
    assert not sampler.astray


@given(TIMES, st.floats(0.2, 5))
def test_nothing_is_taken_before_it_is_due(times: list[float], fps: float) -> None:
    sampler = Sampler(Sampling(fps=fps, from_s=0.5), 0.0)
    for at_s in times:
        due_s = sampler.due_s
        assert not sampler.takes(at_s) or at_s >= due_s - 1e-5


def test_times_rounded_to_milliseconds_make_no_beat() -> None:
    times = [round(number / 30, 3) for number in range(300)]
    assert taken(Sampling(fps=10), times) == times[::3]


def test_a_recording_that_begins_late_is_counted_from_its_beginning() -> None:
    times = [1000 + number / 10 for number in range(50)]
    assert taken(Sampling(from_s=2.0, to_s=3.0), times, 1000.0) == times[20:30]
    assert taken(Sampling(fps=1), times, 1000.0) == times[::10]


def test_who_does_not_come_by_the_frame_is_astray() -> None:
    sampler = Sampler(Sampling(every=2), 0.0, 1.0)
    assert not sampler.takes(0.9) and not sampler.astray
    assert not sampler.takes(1.1) and sampler.astray


@pytest.mark.parametrize(
    ("wish", "frames"),
    [({}, 1000), ({"every": 3}, 1000 / 3), ({"fps": 5.0}, 200), ({"from_s": 30.0}, 250), ({"to_s": 10, "fps": 1}, 10)],
)
def test_how_many_will_be_taken_is_known_beforehand(wish: dict[str, float], frames: float) -> None:
    assert Sampling.model_validate(wish).of(1000, 40.0) == pytest.approx(frames)
    assert Sampling(every=4).of(1000, None) == 250
