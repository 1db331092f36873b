"""Variants of the demo's network: what is in float computes as before, what is in INT8 nearly so."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from pipeline.errors import EngineError
from stages.detector.engine import RawBoxes
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.int8 import calibrated
from stages.detector.int8.onnx import OnnxInt8
from stages.detector.int8.store import Runtime
from tests.small_int8 import BOTH, SIZE, graph, images, quantized, saved

DEADLINE_S = 60
BOX_TOLERANCE = 1e-3
SCORE_TOLERANCE = 1e-5
INT8_BOX_TOLERANCE = 4.0
INT8_SCORE_TOLERANCE = 0.3


def raw(path: Path) -> RawBoxes:
    settings = OpenVinoEngine(streams=1) if path.suffix == ".xml" else OnnxRuntimeEngine(device="cpu", streams=1)
    with closing(settings.build(str(path))) as engine:
        return engine.submit([images()[3]]).result(DEADLINE_S)[0]


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir())


@pytest.fixture(scope="module")
def expected() -> RawBoxes:
    """What the float network gives."""
    with closing(TorchEngine(device="cpu").build("demo", SIZE)) as engine:
        return engine.submit([images()[3]]).result(DEADLINE_S)[0]


@pytest.mark.parametrize("runtime", BOTH)
def test_with_all_blocks_in_float_it_is_the_float_network(runtime: Runtime, expected: RawBoxes, tmp_path: Path) -> None:
    found = raw(saved(runtime, quantized(runtime).blocks, tmp_path))
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=BOX_TOLERANCE)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=SCORE_TOLERANCE)


@pytest.mark.parametrize("runtime", BOTH)
def test_with_no_block_in_float_it_is_a_third_as_large_and_finds_nearly_the_same(
    runtime: Runtime, expected: RawBoxes, tmp_path: Path
) -> None:
    whole, path = saved(runtime, quantized(runtime).blocks, tmp_path / "float"), saved(runtime, (), tmp_path / "int8")
    assert size(path) < size(whole) / 3
    found = raw(path)
    best = expected.scores.max(1).argsort()[-5:]
    assert np.abs(found.boxes - expected.boxes).max() > BOX_TOLERANCE
    assert np.abs(found.boxes - expected.boxes)[best].max() < INT8_BOX_TOLERANCE
    assert np.abs(found.scores - expected.scores).max() < INT8_SCORE_TOLERANCE


@pytest.mark.parametrize("runtime", BOTH)
def test_variant_is_the_same_whatever_was_made_before(runtime: Runtime, tmp_path: Path) -> None:
    some = quantized(runtime).blocks[2:5]
    before = raw(saved(runtime, some, tmp_path / "first"))
    saved(runtime, quantized(runtime).blocks, tmp_path / "all")
    saved(runtime, (), tmp_path / "none")
    after = raw(saved(runtime, tuple(reversed(some)), tmp_path / "again"))
    np.testing.assert_array_equal(before.boxes, after.boxes)
    np.testing.assert_array_equal(before.scores, after.scores)


@pytest.mark.parametrize("runtime", BOTH)
def test_block_in_float_makes_the_file_larger_by_its_weights_alone(runtime: Runtime, tmp_path: Path) -> None:
    sizes = [
        size(saved(runtime, in_float, tmp_path / str(number)))
        for number, in_float in enumerate(((), ("backbone.stage4.blocks",), quantized(runtime).blocks))
    ]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1] < sizes[2] * 0.7


@pytest.mark.parametrize("share", [0, 1, 2])
def test_onnx_checker_passes_each(share: int) -> None:
    blocks = quantized("onnx").blocks
    onnx.checker.check_model(quantized("onnx").variant(blocks[: share * len(blocks) // 2]), full_check=True)


def test_both_have_the_same_blocks() -> None:
    assert quantized("openvino").blocks == quantized("onnx").blocks


def test_without_nncf_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrated, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"NNCF is needed: pip install 'detstream\[int8\]'"):
        OnnxInt8(graph(), images())


def test_pictures_of_another_size_are_an_error_of_ours() -> None:
    wrong: Sequence[NDArray[np.uint8]] = [np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(EngineError, match="NNCF can't quantize"):
        OnnxInt8(graph(), wrong)
