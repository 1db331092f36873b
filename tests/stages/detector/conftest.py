"""The reference network, built once, and one thread for torch: two wait for each other on a busy machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.detector.yolo_nas.card import ModelCard
from stages.detector.yolo_nas.model import YoloNas
from stages.detector.yolo_nas.weights import save
from tests.stages.detector.reference import filled


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def reference_s(shared: Path) -> YoloNas:
    """YOLO-NAS S, unfused, as in the conformance data."""
    return filled(shared, "s")


@pytest.fixture(scope="session")
def small_model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weights file of layout N, 3 classes, 96x128: quick to compile and to run."""
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save(path, filled(shared, "n", 3), ModelCard("n", ("car", "bus", "truck"), (96, 128)))
    return str(path)


@pytest.fixture(scope="session")
def converted_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of converted models: converting takes seconds."""
    return tmp_path_factory.mktemp("converted")
