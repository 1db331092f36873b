"""In whatever order processes get their turns, die and are replaced, and if the broker forgets: nothing changes."""

import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stages.annotator import writer
from stages.decoder import epoch
from stages.tracker import publication
from tests.stages.test_whole import MEMORY
from tests.stages.whole import hurried
from tests.stages.works import CLAIM_S, LEASE_S, PROCESSES, SOURCES, Works

_PATIENCE_S: Final = (LEASE_S + 1, CLAIM_S + 1)


class Schedule(RuleBasedStateMachine):
    """A run whose processes are resumed, killed and replaced as hypothesis likes."""

    works: Works

    @initialize(window=st.integers(1, 8), lag=st.integers(0, 4))
    def begin(self, window: int, lag: int) -> None:
        undisturbed()  # it goes by a clock of its own
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        self.works = begun(Path(folder), self._stack, window, lag)

    @rule(name=st.sampled_from(PROCESSES), calls=st.integers(1, 30))
    def one_goes_on(self, name: str, calls: int) -> None:
        for _ in range(calls):
            self.works.resume(name)

    @rule(names=st.permutations(PROCESSES), rounds=st.integers(1, 60))
    def all_go_on(self, names: list[str], rounds: int) -> None:
        for _ in range(rounds):
            for name in names:
                self.works.resume(name)

    @rule(name=st.sampled_from(PROCESSES))
    def one_dies(self, name: str) -> None:
        self.works.kill(name)

    @rule()
    def all_die(self) -> None:
        for name in PROCESSES:
            self.works.kill(name)

    @rule(seconds=st.sampled_from(_PATIENCE_S))
    def leases_and_claims_fall_due(self, seconds: float) -> None:
        self.works.pass_time(seconds)

    @rule()
    def the_broker_forgets(self) -> None:
        self.works.forget()

    @invariant()
    def what_is_written_is_the_beginning_of_what_is_to_be_written(self) -> None:
        if hasattr(self, "works"):
            for source, (text, _) in undisturbed().items():
                assert text.startswith(self.works.text(source))

    def teardown(self) -> None:
        if hasattr(self, "works"):
            try:
                self.works.run_to_the_end()
                self._compare()
            finally:
                self._stack.close()

    def _compare(self) -> None:
        for source, (text, record) in undisturbed().items():
            assert self.works.text(source) == text
            assert self.works.record(source) == record
            disk, opener = self.works.disks[source], SOURCES[source]
            assert disk.seqs == list(range(opener.frames))
            assert [entry.colour for entry in disk.written] == [
                None if seq in opener.broken else seq for seq in range(opener.frames)
            ]


def begun(folder: Path, stack: ExitStack, window: int = 5, lag: int = 2) -> Works:
    """Return a run that is about to begin; nothing in it waits for the clock."""
    stack.enter_context(hurried())
    for module, name, value in ((writer, "_KEEP_S", 0.0), (publication, "STATE_EVERY", 4), (epoch, "_CHECK_S", 0.0)):
        stack.enter_context(patch.object(module, name, value))
    works = Works(folder, window, lag)
    stack.enter_context(works.clock.installed())
    stack.callback(works.close)
    return works


@cache
def undisturbed() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Return lines and record of each source when all get their turns and nobody dies."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        works = begun(Path(folder), stack)
        works.run_to_the_end()
        return {source: (works.text(source), works.record(source)) for source in SOURCES}


TestSchedule = Schedule.TestCase
TestSchedule.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a schedule takes many minutes
)


def test_undisturbed_every_frame_is_there_once() -> None:
    for source, (text, record) in undisturbed().items():
        frames = SOURCES[source].frames
        assert (len(text.splitlines()), record["frames"]) == (frames, frames)
        assert record["error"] == (SOURCES[source].fails_at and f"the file ends at frame {frames}")
