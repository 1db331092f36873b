import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import ModelCard, fingerprint, locate, read_card, read_metadata

CARD = ModelCard("n", ("car", "vélo"), (384, 640), conf=0.4, iou=0.65, class_agnostic=True)


def test_card_survives_the_way_through_a_header() -> None:
    assert ModelCard.from_metadata(CARD.to_metadata()) == CARD


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"layout": "x"}, "layout 'x'"),
        ({"class_names": ()}, "class name"),
        ({"input_size": (640, 600)}, "multiples of 32"),
        ({"conf": 1.5}, "conf 1.5"),
    ],
)
def test_impossible_card_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        replace(CARD, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["layout", "class_names", "input_size", "conf", "iou", "class_agnostic"])
def test_header_without_an_entry_is_damaged(key: str) -> None:
    metadata = CARD.to_metadata()
    del metadata[key]
    with pytest.raises(ModelError, match="damaged"):
        ModelCard.from_metadata(metadata)


def test_card_of_a_file_is_read_without_torch(small_model: str) -> None:
    code = (
        "import sys; from pathlib import Path; from stages.detector.yolo_nas.card import read_metadata;"
        "assert read_metadata(Path(sys.argv[1])).class_names == ('car', 'bus', 'truck');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, small_model], check=True, cwd=Path(__file__).parents[4])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights file .*nowhere\.safetensors"):
        read_metadata(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a torch checkpoint", b'\x10\0\0\0\0\0\0\0{"broken": true}'])
def test_file_that_is_no_safetensors_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"odd\.safetensors"):
        read_metadata(path)


def test_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder: name a file of weights in it"):
        read_metadata(tmp_path)
    with pytest.raises(ModelError, match="can't be read"):
        fingerprint(str(tmp_path))


def test_demo_is_packaged_beside_the_network_and_other_names_are_paths(tmp_path: Path) -> None:
    assert locate("demo").parts[-3:] == ("yolo_nas", "weights", "demo.safetensors")
    assert locate(str(tmp_path / "mine.safetensors")) == tmp_path / "mine.safetensors"


def test_folder_of_an_openvino_export_means_the_export(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path
    (tmp_path / "model.xml").touch()
    assert locate(str(tmp_path)) == tmp_path / "model.xml"


def test_random_models_have_a_card_and_other_random_names_are_refused() -> None:
    card = read_card("random:m")
    assert (card.layout, card.input_size, len(card.class_names)) == ("m", (640, 640), 80)
    with pytest.raises(ModelError, match="n, s, m, l"):
        read_card("random:xl")


def test_fingerprint_tells_models_apart(small_model: str) -> None:
    assert len({fingerprint(small_model), fingerprint("random:s"), fingerprint("random:m")}) == 3
