"""What the layer contracts in pyproject.toml don't say: sizes, cycles, and that the kernel stays light."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import grimp
import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("pipeline", "stages", "detstream")
LONGEST_FILE: Final = 250
LONGEST_FUNCTION: Final = 40
HEAVY: Final = {"av", "cv2", "openvino", "supervision", "torch", "trackers"}
PROGRAMS: Final = ("detstream", "pipeline.cli", "pipeline.client", "pipeline.supervisor")


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def files() -> list[Path]:
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the number of lines of each function of a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def is_program(module: str) -> bool:
    return any(module == program or module.startswith(f"{program}.") for program in PROGRAMS)


def test_no_file_is_longer_than_250_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    lengths = {f"{file.relative_to(ROOT)}:{name}": length for file in files() for name, length in functions(file)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_modules_import_each_other_in_no_circle() -> None:
    ours = {name for name in graph().modules if name.split(".")[0] in PACKAGES}
    imports = {name: graph().find_modules_directly_imported_by(name) & ours for name in ours}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", sorted(HEAVY))
def test_kernel_does_not_reach_the_heavy_libraries(package: str) -> None:
    kernel = {name for name in graph().modules if name.split(".")[0] == "pipeline" and not name.startswith(PROGRAMS)}
    reached = graph().find_downstream_modules(package) if package in graph().modules else set()
    assert kernel & reached == set()


def test_stages_are_reached_from_the_programs_only() -> None:
    stages = {name for name in graph().modules if name.split(".")[0] == "stages"}
    importers = {by for name in stages for by in graph().find_modules_that_directly_import(name)}
    assert {name for name in importers - stages if not is_program(name)} == set()
