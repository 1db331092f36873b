import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as opset

from pipeline.errors import EngineError, ModelError
from stages.detector.yolo_nas import ir
from stages.detector.yolo_nas.card import ModelCard, read_card
from stages.detector.yolo_nas.ir import converted


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one entry; converting is quick, as the graph is a toy's (the engines' tests convert real ones)."""
    monkeypatch.setattr(ir, "convert", toy)
    converted("random:n", read_card("random:n"), tmp_path)
    return tmp_path


def toy(model: str, card: ModelCard) -> Any:
    x = opset.parameter([1, 3, *card.input_size], np.float32)
    return openvino.Model([opset.add(x, np.ones((1, 3, 1, 1), np.float32))], [x], model)


def test_second_use_takes_what_the_first_one_made(cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    path = converted("random:n", read_card("random:n"), cache)
    assert path.is_file()
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


@pytest.mark.parametrize("part", ["model.bin", "model.xml", "sha256"])
def test_damaged_entry_is_made_anew(cache: Path, part: str) -> None:
    file = converted("random:n", read_card("random:n"), cache).with_name(part)
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: size // 2])
    converted("random:n", read_card("random:n"), cache)
    assert file.stat().st_size == size
    assert [entry.name for entry in (cache / "openvino").iterdir()] == [file.parent.name]


def test_other_input_size_is_another_entry(cache: Path) -> None:
    card = read_card("random:n")
    assert converted("random:n", replace(card, input_size=(64, 64)), cache) != converted("random:n", card, cache)


def test_two_that_start_at_once_get_the_same_entry(cache: Path) -> None:
    card = replace(read_card("random:n"), input_size=(64, 64))
    together = threading.Barrier(2)
    paths: list[Path] = []

    def start() -> None:
        together.wait()
        paths.append(converted("random:n", card, cache))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 2 and paths[0] == paths[1]
    assert len(list((cache / "openvino").iterdir())) == 2


def test_cache_that_can_not_be_written_is_named(tmp_path: Path, small_model: str) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(EngineError, match=r"cache of converted models .*file can't be written"):
        converted(small_model, read_card(small_model), blocked)


def test_failed_conversion_leaves_nothing_behind(tmp_path: Path, small_model: str) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(Path(small_model).read_bytes()[:-100])
    card = read_card(small_model)
    with pytest.raises(ModelError):
        converted(str(damaged), card, tmp_path / "cache")
    assert list((tmp_path / "cache" / "openvino").iterdir()) == []
