from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.settings import KernelSettings, bare_environment, load, weights_folder
from stages.detector.yolo_nas.card import fingerprint, locate, read_card


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder; the current folder is another, empty one."""
    (tmp_path / "here").mkdir()
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DETSTREAM_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.mark.parametrize("name", ["yolo_nas_s", "yolo_nas_s.pt", "yolo_nas_s.safetensors"])
@pytest.mark.parametrize("there", ["yolo_nas_s.pt", "yolo_nas_s.pth", "yolo_nas_s.safetensors"])
def test_known_name_means_its_file_in_the_weights_folder_whatever_its_suffix(
    folder: Path, name: str, there: str
) -> None:
    (folder / there).touch()
    assert locate(name) == folder / there


def test_other_names_mean_exactly_their_file(folder: Path) -> None:
    (folder / "mine.pt").touch()
    assert locate("mine") == locate("mine.pt") == folder / "mine.pt"
    assert locate("mine.pth") == Path("mine.pth")
    assert locate("./mine.pt") == Path("mine.pt")


def test_file_in_the_current_folder_comes_first(folder: Path) -> None:
    (folder / "yolo_nas_s.pt").touch()
    Path("yolo_nas_s.pt").touch()
    assert locate("yolo_nas_s.pt") == Path("yolo_nas_s.pt")


def test_model_in_the_weights_folder_is_read_by_its_name(folder: Path, small_model: str) -> None:
    (folder / "gate.safetensors").write_bytes(Path(small_model).read_bytes())
    assert read_card("gate") == read_card(small_model)
    assert fingerprint("gate") == fingerprint(small_model)


def test_missing_original_weights_come_with_the_way_to_get_them(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_card("yolo_nas_s.pt")
    assert f"neither here nor in {folder}: get it by `detstream weights fetch yolo_nas_s " in str(caught.value)
    with pytest.raises(ModelError, match="give a path, demo, or one of yolo_nas_s, yolo_nas_m, yolo_nas_l"):
        read_card("yolov8n.pt")
    with pytest.raises(ModelError, match=r"no weights file /nowhere/yolo_nas_s\.pt$"):
        read_card("/nowhere/yolo_nas_s.pt")


def test_folder_is_in_the_users_cache_unless_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DETSTREAM_WEIGHTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert weights_folder() == tmp_path / ".cache" / "detstream" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative is to be ignored")
    assert weights_folder() == tmp_path / ".cache" / "detstream" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert weights_folder() == Path("/cache/detstream/weights")
    monkeypatch.setenv("DETSTREAM_WEIGHTS", "~/w")
    assert weights_folder() == tmp_path / "w"


def test_variable_of_the_folder_is_no_unknown_setting_and_reaches_the_stages(folder: Path) -> None:
    load(KernelSettings, None)
    assert bare_environment()["DETSTREAM_WEIGHTS"] == str(folder)


def test_misspelt_variable_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_WEIGHT", "x")
    with pytest.raises(ConfigError, match="DETSTREAM_WEIGHT is no setting"):
        load(KernelSettings, None)
