"""Plug-ins are found by their entry points; a broken one is told to whoever asks for it, and to nobody else."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from pipeline.plugins import with_plug_ins

GROUP = "detstream.tests"


class One(BaseModel):
    kind: Literal["one"] = "one"

    def build(self) -> None: ...


class Other(BaseModel):
    kind: Literal["other"] = "other"

    def build(self) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a package of one module with one entry point."""
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])

    def put(kind: str, code: str) -> None:
        (tmp_path / f"my_{kind}.py").write_text(code)
        about = tmp_path / f"my_{kind}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: my-{kind}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{kind} = my_{kind}:Mine\n")

    return put


def chosen(value: dict[str, Any]) -> Any:
    union = with_plug_ins(One | Other, GROUP, BaseModel, "build")
    kinds: Any = Annotated[union, Field(discriminator="kind")]
    return TypeAdapter(kinds).validate_python(value)


CODE = """
from typing import Literal
from pydantic import BaseModel
class Mine(BaseModel):
    kind: Literal["{kind}"] = "{kind}"
    size: int = 3
    def {method}(self): ...
"""


PROMISED = """
from abc import abstractmethod
from typing import Literal
from pydantic import BaseModel
class Mine(BaseModel):
    kind: Literal["b5"] = "b5"
    @abstractmethod
    def build(self): ...
"""


def test_without_plug_ins_there_is_what_is_built_in() -> None:
    assert isinstance(chosen({"kind": "one"}), One)
    with pytest.raises(ValidationError, match="expected tags: 'one', 'other'"):
        chosen({"kind": "mine"})


def test_a_plug_in_is_a_kind_like_any_other(install: Callable[[str, str], None]) -> None:
    install("fine", CODE.format(kind="fine", method="build"))
    assert chosen({"kind": "fine", "size": 5}).size == 5 and isinstance(chosen({"kind": "other"}), Other)
    with pytest.raises(ValidationError, match="expected tags: 'one', 'other', 'fine'"):
        chosen({"kind": "mine"})


def test_what_is_built_in_is_not_replaced(install: Callable[[str, str], None]) -> None:
    install("one", CODE.format(kind="one", method="build"))
    assert isinstance(chosen({"kind": "one"}), One)


@pytest.mark.parametrize(
    ("kind", "code", "complaint"),
    [
        ("b1", "import nothing_like_that", "'b1' of my-b1 can't be imported: ModuleNotFoundError"),
        ("b2", "Mine = 3", "my_b2:Mine is no pydantic.main.BaseModel with a method build"),
        ("b3", CODE.format(kind="b3", method="other"), "with a method build"),
        ("b5", PROMISED, "with a method build"),
        ("b4", CODE.format(kind="else", method="build"), 'needs kind: Literal\\["b4"\\]'),
    ],
)
def test_a_broken_one_is_told_to_whoever_asks_for_it(
    install: Callable[[str, str], None], kind: str, code: str, complaint: str
) -> None:
    install(kind, code)
    assert isinstance(chosen({"kind": "one"}), One)
    with pytest.raises(ValidationError, match=complaint):
        chosen({"kind": kind})
