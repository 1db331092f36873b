"""What is found again, by whom, and what isn't."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from pipeline.errors import EngineError
from stages.detector.int8.store import PARTS, REPORT, Report, Variant, demand, find, kept, read
from stages.detector.yolo_nas.card import ModelCard

CARD: Final = ModelCard("n", ("car",), (64, 96))
REPORTED: Final = Report(
    "my.safetensors",
    "onnx",
    (64, 96),
    12,
    "data.yaml",
    0.5,
    {"float": Variant(10.0, 400, 0.8, 0.9), "int8": Variant(30.5, None)},
    ("neck.conv", "heads.head1.stem"),
    {"neck.conv": 0.25},
    passed=True,
)

Put = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "my.safetensors"
    path.write_bytes(b"weights")
    return str(path)


@pytest.fixture
def put(tmp_path: Path, model: str) -> Put:
    """Put an entry there, each newer than the one before, and return it."""
    made: list[Path] = []

    def put(key: str, *, passed: bool = False, card: ModelCard = CARD) -> Path:
        def make(folder: Path) -> None:
            (folder / PARTS["onnx"][0]).write_text(f"graph {key}")
            (folder / REPORT).write_text(replace(REPORTED, passed=passed).to_json())

        entry = kept(tmp_path / "cache", "onnx", model, card, (key,), make)
        made.append(entry)
        os.utime(entry, ns=(0, len(made)))
        return entry

    return put


@pytest.fixture
def found(tmp_path: Path, model: str) -> Callable[..., str | None]:
    """Return what the network that is found says."""

    def found(*, passed: bool = False, card: ModelCard = CARD) -> str | None:
        path = find(tmp_path / "cache", "onnx", model, card, passed=passed)
        return None if path is None else path.read_text()

    return found


Found = Callable[..., str | None]


def test_report_is_read_as_it_was_written() -> None:
    assert Report.from_json(REPORTED.to_json()) == REPORTED


def test_nothing_is_found_where_nothing_was_made(found: Found) -> None:
    assert found() is None


def test_newest_is_found_whatever_else_the_card_says(put: Put, found: Found) -> None:
    put("old")
    put("new")
    assert found() == found(card=replace(CARD, class_names=("bus",), conf=0.9)) == "graph new"


def test_what_was_asked_for_last_is_the_newest_also_if_it_was_there(
    put: Put, found: Found, tmp_path: Path, model: str
) -> None:
    put("first")
    put("second")

    def refuse(folder: Path) -> None:
        raise AssertionError("it is there")

    kept(tmp_path / "cache", "onnx", model, CARD, ("first",), refuse)
    assert found() == "graph first"


def test_only_what_passed_its_check_is_found_if_that_is_asked_for(put: Put, found: Found) -> None:
    put("unchecked")
    assert found(passed=True) is None
    put("checked", passed=True)
    put("unchecked again")
    assert (found(passed=True), found()) == ("graph checked", "graph unchecked again")


def test_demand_takes_one_that_passed_before_newer_ones(put: Put, tmp_path: Path, model: str) -> None:
    put("checked", passed=True)
    put("unchecked")
    assert demand(tmp_path / "cache", "onnx", model, CARD).read_text() == "graph checked"


def test_demand_is_content_with_one_that_is_not_checked(put: Put, tmp_path: Path, model: str) -> None:
    put("unchecked")
    assert demand(tmp_path / "cache", "onnx", model, CARD).read_text() == "graph unchecked"


def test_other_weights_size_and_runtime_are_not_mistaken(put: Put, found: Found, tmp_path: Path, model: str) -> None:
    put("mine")
    assert found(card=replace(CARD, input_size=(96, 64))) is None
    assert find(tmp_path / "cache", "openvino", model, CARD, passed=False) is None
    Path(model).write_bytes(b"other weights")
    assert found() is None


def test_same_weights_under_another_name_are_found(put: Put, tmp_path: Path, model: str) -> None:
    put("mine")
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(Path(model).read_bytes())
    assert find(tmp_path / "cache", "onnx", str(copy), CARD, passed=False) is not None


@pytest.mark.parametrize("part", ["model.onnx", REPORT, "sha256"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["missing", "cut"])
def test_damaged_entries_are_passed_over(put: Put, found: Found, part: str, damage: Callable[[Path], None]) -> None:
    put("whole", passed=True)
    damage(put("damaged", passed=True) / part)
    assert found() == found(passed=True) == "graph whole"


def test_entries_that_are_being_written_and_strange_files_are_passed_over(put: Put, found: Found) -> None:
    entry = put("whole")
    entry.rename(entry.with_name(".new-abc"))
    (entry.parent / "notes.txt").write_text("not an entry")
    assert found() is None


def test_report_of_another_version_is_not_taken_for_one_that_passed(found: Found, tmp_path: Path, model: str) -> None:
    def make(folder: Path) -> None:
        (folder / PARTS["onnx"][0]).write_text("graph of tomorrow")
        (folder / REPORT).write_text('{"passed": true, "verdict": "good"}')

    entry = kept(tmp_path / "cache", "onnx", model, CARD, ("tomorrow",), make)
    assert (found(passed=True), found()) == (None, "graph of tomorrow")
    with pytest.raises(EngineError, match="is damaged: delete it"):
        read(entry)


def test_demand_says_how_to_make_one(tmp_path: Path, model: str) -> None:
    with pytest.raises(
        EngineError, match=r"detstream export --model .*my\.safetensors --format onnx --int8 --imgsz 64x96"
    ):
        demand(tmp_path, "onnx", model, CARD)


def test_demand_refuses_an_export(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="exported already"):
        demand(tmp_path, "onnx", str(tmp_path / "my.onnx"), CARD)
