"""The network with the deterministic weights of the conformance data."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from stages.detector.yolo_nas.layouts import LayoutName
from stages.detector.yolo_nas.model import YoloNas, build

BOX_TOLERANCE = 5e-3
SCORE_TOLERANCE = 2e-5


def fill_module(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", shared / "conformance" / "fill.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state_dict_table(shared: Path, layout: LayoutName) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype of each key of the original's state dict."""
    lines = (shared / "conformance" / f"{layout.upper()}_state_dict.tsv").read_text().splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return {key: (() if shape == "scalar" else tuple(map(int, shape.split("x"))), dtype) for key, shape, dtype in rows}


def filled(shared: Path, layout: LayoutName, num_classes: int = 80) -> YoloNas:
    """Return the network in eval mode with the weights that ``fill.py`` makes from the key names."""
    network = build(layout, num_classes)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    weights = fill_module(shared).fill(shapes)
    network.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in weights.items()})
    return network.eval()
