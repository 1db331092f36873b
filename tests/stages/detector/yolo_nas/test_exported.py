import sys
from contextlib import suppress
from pathlib import Path
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import read_card
from stages.detector.yolo_nas.exported import largest_batch, read_exported


def written(path: Path, strings: dict[str, str]) -> Path:
    model = helper.make_model(helper.make_graph([], "nothing", [], []), producer_name="me", doc_string="x" * 3000)
    for key, value in strings.items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def test_strings_of_an_onnx_file_are_read_back(tmp_path: Path) -> None:
    strings = {"class_names": '["Fußgänger", "car"]', "empty": "", "long": "y" * 70_000}
    assert read_exported(written(tmp_path / "m.onnx", strings)) == strings


def test_file_of_another_program_has_none_and_is_no_model_for_us(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", {})
    assert read_exported(path) == {}
    with pytest.raises(ModelError, match=r"m\.onnx: not written by detstream"):
        read_card(str(path))
    ir = tmp_path / "m.xml"
    ir.write_text("<net><rt_info><conversion value='x'/></rt_info></net>")
    with pytest.raises(ModelError, match=r"m\.xml: not written by detstream"):
        read_card(str(ir))


def test_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("none.onnx", "none.xml"):
        with pytest.raises(ModelError, match=f"no weights file .*{name}"):
            read_card(str(tmp_path / name))


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_file_that_ends_early_is_damaged(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "m.onnx", {"a": "b"})
    whole = path.read_bytes() if name == "m.onnx" else b"<net><rt_info>"
    (tmp_path / name).write_bytes(whole[:-2])
    with pytest.raises(ModelError, match="is damaged"):
        read_exported(tmp_path / name)


@given(content=st.binary(max_size=60))
def test_any_bytes_are_strings_or_an_error_of_ours(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    with suppress(ModelError):
        assert isinstance(read_exported(path), dict)


@pytest.mark.parametrize(
    ("strings", "resized", "message"),
    [
        ({"nms": "true", "batch": "any"}, False, "suppresses boxes itself"),
        ({"nms": "false", "batch": "4"}, False, "batches of exactly 4"),
        ({"nms": "false", "batch": "any", "any_size": "false"}, True, "another size"),
    ],
)
def test_form_that_engines_can_not_use_is_refused_with_the_remedy(
    tmp_path: Path, strings: dict[str, str], resized: bool, message: str
) -> None:
    path = written(tmp_path / "m.onnx", strings)
    with pytest.raises(ModelError, match=f"{message}.*export it with"):
        largest_batch(path, 16, resized=resized)


def test_batch_is_that_of_the_engine_where_the_model_takes_any(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", {"nms": "false", "batch": "any", "any_size": "true"})
    assert largest_batch(path, 16, resized=True) == 16
    assert largest_batch(written(path, {"nms": "false", "batch": "1"}), 16, resized=False) == 1


def test_reading_a_card_needs_no_runtime(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom stages.detector.yolo_nas.card import read_card\n"
        "try: read_card(sys.argv[1])\nexcept Exception as error: print(type(error).__name__)\n"
        "assert not {'torch', 'onnx', 'onnxruntime', 'openvino'} & set(sys.modules)"
    )
    path = written(tmp_path / "m.onnx", {})
    root = Path(__file__).parents[4]
    ended = run([sys.executable, "-c", script, path], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "ModelError"
