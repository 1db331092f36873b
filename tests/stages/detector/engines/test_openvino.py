import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import EngineError
from stages.detector.cores import usable_cores
from stages.detector.engines.openvino import OpenVinoEngine

ROOT = Path(__file__).parents[4]
DEADLINE_S = 60

SECOND_START = """
import hashlib, sys
from pathlib import Path
import numpy as np
from stages.detector.engines.openvino import OpenVinoEngine
engine = OpenVinoEngine(streams=int(sys.argv[3]), cache_dir=Path(sys.argv[1])).build(sys.argv[2])
image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
raw = engine.submit([image]).result(60)[0]
assert "torch" not in sys.modules, "a second start must not need torch"
print(hashlib.sha256(raw.boxes.tobytes() + raw.scores.tobytes()).hexdigest())
engine.close()
"""


TWO_LIVES = """
import os, signal, sys
from pathlib import Path
from stages.detector.engines.openvino import OpenVinoEngine
told = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
engines = [OpenVinoEngine(streams=1, cache_dir=Path(sys.argv[1])).build(sys.argv[2]) for _ in range(2)]
while engines:
    engines.pop(0).close()
os.kill(os.getpid(), signal.SIGTERM)
assert told == [signal.SIGTERM]
"""


def test_signals_arrive_after_engines_have_gone_in_the_order_in_which_they_came(
    converted_models: Path, small_model: str
) -> None:
    OpenVinoEngine(streams=1, cache_dir=converted_models).build(small_model).close()
    command = [sys.executable, "-c", TWO_LIVES, str(converted_models), small_model]
    assert subprocess.run(command, cwd=ROOT, timeout=DEADLINE_S, check=False).returncode == 0


def run(cache: Path, model: str, streams: int) -> subprocess.Popen[str]:
    """Start a process that prints the digest of its result."""
    command = [sys.executable, "-c", SECOND_START, str(cache), model, str(streams)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_results_are_the_same_to_the_last_bit_in_every_process_and_with_any_number_of_streams(
    converted_models: Path, small_model: str
) -> None:
    OpenVinoEngine(streams=1, cache_dir=converted_models).build(small_model).close()
    processes = [run(converted_models, small_model, streams) for streams in (1, 2)]
    digests = [process.communicate(timeout=DEADLINE_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert digests[0] == digests[1] != ""


def test_stream_per_core_unless_told_otherwise(converted_models: Path, small_model: str) -> None:
    engine = OpenVinoEngine(cache_dir=converted_models).build(small_model)
    assert engine.in_flight == usable_cores() + 1
    engine.close()


def test_latency_is_one_inference_on_all_threads_and_finds_the_same(converted_models: Path, small_model: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    wide = OpenVinoEngine(hint="latency", streams=2, cache_dir=converted_models).build(small_model)
    narrow = OpenVinoEngine(hint="latency", streams=1, cache_dir=converted_models).build(small_model)
    assert (wide.name, wide.in_flight) == ("openvino cpu, 1 x 2 threads", 2)
    assert narrow.name == "openvino cpu, 1 x 1 thread"
    (ours,), (theirs,) = wide.submit([image]).result(DEADLINE_S), narrow.submit([image]).result(DEADLINE_S)
    np.testing.assert_allclose(ours.boxes, theirs.boxes, rtol=0, atol=5e-3)
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=2e-5)
    wide.close()
    narrow.close()


def test_failed_inference_fails_its_future_only(converted_models: Path, small_model: str) -> None:
    engine = OpenVinoEngine(streams=1, cache_dir=converted_models).build(small_model)
    card = engine.card
    engine._card = type(card)(card.layout, card.class_names, (64, 64))  # lets an image pass that the network refuses
    wrong: NDArray[np.uint8] = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(EngineError, match="OpenVINO failed"):
        engine.submit([wrong]).result(DEADLINE_S)
    engine._card = card
    assert len(engine.submit([np.zeros((96, 128, 3), np.uint8)]).result(DEADLINE_S)) == 1
    engine.close()
