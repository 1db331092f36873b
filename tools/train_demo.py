"""Train the demo weights from two clips of static cameras: ``python -m tools.train_demo --videos DIR``."""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer

from stages.detector.yolo_nas.card import DEMO, ModelCard, locate
from stages.detector.yolo_nas.model import YoloNas, build
from stages.detector.yolo_nas.weights import load, save
from tools.demo.evaluate import detect, precisions
from tools.demo.labels import CARS, CLASS_NAMES, PEOPLE, Image, Labelled
from tools.demo.scenes import SIDE, Studio
from tools.demo.sheets import found_sheet, label_sheet, picture_sheet
from tools.demo.sources import prepare
from tools.demo.train import Plan, train

CARD = ModelCard("n", CLASS_NAMES, (SIDE, SIDE), conf=0.5, iou=0.45, class_agnostic=True)
EVERY = 50
WEIGHTS = locate(DEMO)


def main(
    videos: Annotated[Path, typer.Option(help=f"Folder with {PEOPLE.file} and {CARS.file}.")],
    output: Annotated[Path, typer.Option(help="Where the weights go.")] = WEIGHTS,
    sheets: Annotated[Path | None, typer.Option(help="Folder for contact sheets of labels, pictures, results.")] = None,
    iterations: Annotated[int, typer.Option(help="Batches to train on; 0 only labels and evaluates.")] = 2400,
    seed: Annotated[int, typer.Option(help="Of the network's first weights and of the pictures.")] = 0,
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    start: Annotated[Path | None, typer.Option(help="Weights to go on from, at the full height at once.")] = None,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 1.5e-3,
) -> None:
    """Label the clips, train on their first four fifths, write the weights, evaluate them on the rest."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    materials, held_out = zip(*(prepare(videos, scene) for scene in (PEOPLE, CARS)), strict=True)
    if sheets is not None:
        studio = Studio(materials, seed)
        _write(sheets / "labels.png", label_sheet([frame for material in materials for frame in material.busy]))
        _write(sheets / "pictures.png", picture_sheet([studio.picture(SIDE) for _ in range(48)]))
    if iterations:
        network = load(start)[0] if start else build(CARD.layout, len(CLASS_NAMES))
        plan = Plan(iterations, rate=rate, low=0.0) if start else Plan(iterations, rate=rate)
        train(network, Studio(materials, seed), plan, _Log(output, iterations))
    _evaluate(output, [frame for frames in held_out for frame in frames], sheets)


class _Log:
    """Prints the loss and writes the weights now and then, so that an early stop leaves usable ones."""

    def __init__(self, output: Path, iterations: int) -> None:
        self._output, self._iterations = output, iterations
        self._losses: list[float] = []

    def __call__(self, iteration: int, loss: float, average: YoloNas) -> None:
        """Note one iteration."""
        self._losses.append(loss)
        done = iteration + 1
        if done % EVERY == 0 or done == self._iterations:
            typer.echo(f"{done}/{self._iterations}: loss {np.mean(self._losses[-EVERY:]):.3f}")
            save(self._output, average, CARD, torch.float16)


def _evaluate(weights: Path, frames: list[Labelled], sheets: Path | None) -> None:
    network, card = load(weights)
    for iou in (0.5, 0.75):
        for name, value in precisions(network, card, frames, iou).items():
            typer.echo(f"AP{iou * 100:.0f} {name}: {value:.3f} on {len(frames)} held-out frames")
    if sheets is not None:
        found = [detect(network, card, frame.image, card.conf) for frame in frames]
        _write(sheets / "found.png", found_sheet(frames, found))


def _write(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


if __name__ == "__main__":
    typer.run(main)
