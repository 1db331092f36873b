"""A clip, a model that needs no training, and a run of both that nothing disturbs."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stages.detector.yolo_nas.card import ModelCard
from tests.e2e.command import detstream

if TYPE_CHECKING:
    import torch

FRAMES: Final = 120
NAMES: Final = ("car", "person")
_SIDE: Final = 320
_HEADSTART: Final = 3.0


@dataclass(frozen=True, slots=True)
class Material:
    """What the runs of a test session share."""

    clip: Path
    model: Path


@dataclass(frozen=True, slots=True)
class Reference:
    """An undisturbed run."""

    folder: Path
    out: str


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for a run's temporary files, with a path short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own, for the cache of converted models."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def material(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Material:
    """The clip, and a network that finds something in it."""
    from tests.clips import write_clip

    folder = tmp_path_factory.mktemp("material")
    clip = write_clip(folder / "clip.mp4", FRAMES)
    return Material(clip, _write_model(folder / "model.safetensors", clip))


@pytest.fixture(scope="session")
def quick(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings without inference and video, for tests of what is around them; four objects a frame, two a class."""
    path = tmp_path_factory.mktemp("settings") / "quick.yaml"
    engine = f"detector: {{model: {material.model}, engine: {{kind: 'null', objects: 4}}}}\n"
    path.write_text(engine + "annotator: {sinks: [{kind: jsonl}]}\n")
    return path


@pytest.fixture(scope="session")
def reference(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The outputs of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("reference")
    ended = detstream("run", material.clip, "--model", material.model, "--output", folder, "--json")
    assert ended.code == 0, ended.err
    return Reference(folder, ended.out)


def _write_model(path: Path, clip: Path) -> Path:
    """Write an untrained network, its normalisations fit for the clip, with scores high enough to find things."""
    import torch  # by those tests only that need it: this module is loaded for every test
    from torch import nn

    from stages.detector.yolo_nas.model import build
    from stages.detector.yolo_nas.weights import save

    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        network = build("n", len(NAMES)).train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        network(_samples(clip))
        for name, values in network.named_parameters():
            if name.endswith("cls_pred.bias"):
                values.add_(_HEADSTART)
    save(path, network.eval(), ModelCard("n", NAMES, (_SIDE, _SIDE), conf=0.5, iou=0.3))
    return path


def _samples(clip: Path) -> "torch.Tensor":
    """Return a few pictures of a clip, float32 RGB in [0, 1], shape (B, 3, 320, 320)."""
    import av
    import numpy as np
    import torch

    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))[::30]
    images = [frame.to_ndarray(format="rgb24", width=_SIDE, height=_SIDE) for frame in frames]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
