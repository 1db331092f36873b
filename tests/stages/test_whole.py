"""Whatever stage dies, whenever and however often, the outputs are those of a run in which nothing happened."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.source_report import report_source
from tests.stages.annotator.disk_sink import Written
from tests.stages.fuse import Fuse
from tests.stages.synthetic import SyntheticVideo
from tests.stages.tracker.scenes import published
from tests.stages.whole import MOST_LIVES, SOURCE, STAGES, Setup, Whole, hurried

FRAMES: Final = 30
BROKEN: Final = frozenset({4, 17})
POISON: Final = frozenset({9})
ENDS: Final = (None, 22)
"""Where the recording can't be read on, if at all."""

MEMORY: Final = Path("/dev/shm")
"""A disk makes each flush a hundred times slower, and is no part of what is tested."""

Death = tuple[int, bool]


def made(fails_at: int | None) -> SyntheticVideo:
    return SyntheticVideo(FRAMES, BROKEN, fails_at)


def ran(setup: Setup, seed: int, deaths: dict[str, Sequence[Death]]) -> tuple[Whole, bytes]:
    fuses = {stage: [Fuse(calls, after=after) for calls, after in lives] for stage, lives in deaths.items()}
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, hurried():
        whole = Whole(setup, Path(folder), np.random.default_rng(seed), fuses)
        whole.run()
        return whole, (Path(folder) / f"{SOURCE}.jsonl").read_bytes()


@cache
def undisturbed(fails_at: int | None) -> tuple[bytes, list[dict[str, object]]]:
    whole, text = ran(Setup(lambda: made(fails_at), poison=POISON), 0, {})
    assert whole.killed == 0
    return text, [{**entry, "frame": None, "epoch": None, "inferred_ns": None} for entry in published(whole.broker)]


lives = st.lists(st.tuples(st.integers(1, 70), st.booleans()), max_size=MOST_LIVES)


GAP: Final[dict[str, list[Death]]] = {
    **{stage: [] for stage in STAGES},
    "annotator": [(5, True), (9, False), (44, False)],
}
"""An annotator that died between telling where its outputs are and asking for the pixels that it had let go."""


@example(GAP, 0, {"window": 1, "max_batch": 1, "in_flight": 1, "lag": 1}, None)
@given(
    st.fixed_dictionaries(dict.fromkeys(STAGES, lives)),
    st.integers(0, 1 << 20),
    st.builds(
        dict, window=st.integers(1, 9), max_batch=st.integers(1, 4), in_flight=st.integers(1, 2), lag=st.integers(0, 4)
    ),
    st.sampled_from(ENDS),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_outputs_do_not_depend_on_who_dies_when(
    deaths: dict[str, list[Death]], seed: int, sizes: dict[str, int], fails_at: int | None
) -> None:
    setup = Setup(lambda: made(fails_at), poison=POISON, **sizes)
    whole, text = ran(setup, seed, {**deaths})
    frames, error = fails_at or FRAMES, fails_at and f"the file ends at frame {fails_at}"
    assert text == undisturbed(fails_at)[0]
    assert [entry.seq for entry in whole.disk.written] == list(range(frames))
    for entry in whole.disk.written:
        assert entry.colour == (None if entry.seq in BROKEN else entry.seq) or entry.seq in POISON
    assert whole.disk.end == (frames, error)
    report = report_source(whole.broker, SOURCE, "", (), interrupted=False)
    assert report.error == error
    assert (report.frames, report.detected + report.failed) == (frames, frames)
    assert report.failed == len([seq for seq in BROKEN | POISON if seq < frames])


def test_undisturbed_everything_is_there() -> None:
    whole, text = ran(Setup(lambda: made(None), poison=POISON), 3, {})
    assert whole.disk.written[5] == Written(5, 5, None)
    assert whole.disk.written[4] == Written(4, None, "frame 4 is damaged")
    assert len(text.splitlines()) == FRAMES
    assert len(whole.broker.stream(keys.FRAMES).groups[keys.DETECTORS].pending) == 0
    assert len(whole.broker.stream(keys.RAW).groups[keys.TRACKER].pending) == 0
