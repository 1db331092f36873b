"""What README shows works."""

import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clips import write_clip

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the examples name, in the current folder."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/held-out").symlink_to(ROOT / "demo/held-out")
    write_clip(tmp_path / "demo/car-park.mp4", 4, first=70)
    shutil.copy(ROOT / "demo/held-out/images/car-0342.jpg", tmp_path / "bus.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_lines_of_python_run_as_they_stand_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    with names["model"] as model:
        assert "parameters" in capsys.readouterr().out
        assert names["result"].frame == 3 and model.names == {0: "person", 1: "car"}
        assert len(names["results"]) == 1
        assert names["metrics"].map50 > 0.9 and names["metrics"].per_class["car"].ap > 0.5
    assert (folder / "demo.onnx").is_file()
