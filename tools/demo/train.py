"""Training of the network on pictures that are made as it goes."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.detector.yolo_nas.model import YoloNas
from tools.demo.loss import Targets, loss
from tools.demo.scenes import SIDE, Picture, Studio


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to train."""

    iterations: int
    batch: int = 8
    rate: float = 1.5e-3
    warm_up: int = 100
    weight_decay: float = 0.01
    keep: float = 0.998
    clip: float = 10.0
    low: float = 0.6
    """Share of the iterations with pictures ``low_rows`` high: a third less of grey border to compute, same grid."""
    low_rows: int = 192

    def rows(self, iteration: int) -> int:
        """Return the height of the pictures of an iteration."""
        return self.low_rows if iteration < self.low * self.iterations else SIDE

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate: a linear rise, then half a cosine down to 1 % of the top."""
        rise = min(1.0, (iteration + 1) / self.warm_up)
        fall = 0.5 * (1 + math.cos(math.pi * iteration / self.iterations))
        return self.rate * rise * (0.01 + 0.99 * fall)


Report = Callable[[int, float, YoloNas], None]


def train(network: YoloNas, studio: Studio, plan: Plan, report: Report) -> YoloNas:
    """Train the network in place and return its moving average; ``report`` gets iteration, loss and that average."""
    average = deepcopy(network).eval()
    optimizer = torch.optim.AdamW(_groups(network, plan.weight_decay), lr=plan.rate)
    network.train()
    for iteration, (images, targets) in enumerate(_batches(studio, plan)):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(iteration)
        value = loss(network(images), targets)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimizer.step()
        _follow(average, network, min(plan.keep, (1 + iteration) / (10 + iteration)))
        report(iteration, value.item(), average)
    return average


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay the weights of convolutions only: neither biases nor batch normalisation."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)


def _batches(studio: Studio, plan: Plan) -> Iterator[tuple[Tensor, list[Targets]]]:
    """Yield the batches, each made while the one before is learnt."""
    with ThreadPoolExecutor(1, "studio") as worker:
        ahead = worker.submit(_batch, studio, plan.batch, plan.rows(0))
        for iteration in range(plan.iterations):
            batch = ahead.result()
            ahead = worker.submit(_batch, studio, plan.batch, plan.rows(iteration + 1))
            yield batch


def _batch(studio: Studio, size: int, rows: int) -> tuple[Tensor, list[Targets]]:
    pictures: list[Picture] = [studio.picture(rows) for _ in range(size)]
    stacked = np.stack([picture.image for picture in pictures]).transpose(0, 3, 1, 2)
    images = torch.from_numpy(np.ascontiguousarray(stacked)).float() / 255.0
    targets = [Targets(torch.from_numpy(one.boxes), torch.from_numpy(one.classes)) for one in pictures]
    return images, targets
