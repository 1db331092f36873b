"""The network as one runs it unprepared, to compare with."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard

if TYPE_CHECKING:
    from torch import nn


class NaiveTorch:
    """PyTorch as the libraries use it: branches not fused, float32 (B, 3, H, W), torch's own choice of threads.

    One batch after the other; pictures are made floats by torch, where the network is.
    """

    in_flight = parallel = 1
    max_batch = 256

    def __init__(self, network: "nn.Module", card: ModelCard, device: str) -> None:
        self._network = network
        self._device = device
        self.card = card
        self.name = f"naive torch {device}"

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        import torch

        check_batch(images, self.card, self.max_batch)
        with torch.no_grad():
            bgr = torch.from_numpy(np.stack(images)).to(self._device)
            planes = bgr.flip(-1).permute(0, 3, 1, 2).contiguous().float() / 255
            boxes, scores = (output.cpu().numpy() for output in self._network(planes))
        answer: Future[list[RawBoxes]] = Future()
        answer.set_result([RawBoxes(*pair) for pair in zip(boxes, scores, strict=True)])
        return answer

    def close(self) -> None:
        """Nothing to do: one process, one network."""


def naive_torch(model: str, input_size: tuple[int, int], device: str) -> NaiveTorch:
    """Return a model by name for images of a size (height, width), on `cpu` or `cuda`."""
    from stages.detector.yolo_nas.weights import load_model

    network, card = load_model(model)
    return NaiveTorch(network.to(device), replace(card, input_size=input_size), device)
