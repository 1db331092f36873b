"""`detstream export`: a model for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

EXAMPLE: Final = "Example: [bold]detstream export --model demo --format onnx --nms --dynamic[/]"


class FormatName(StrEnum):
    """The formats that there are."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    TENSORRT = "tensorrt"


def export(
    model: Annotated[str, typer.Option(help="A name or a file of weights.")] = "demo",
    format: Annotated[FormatName, typer.Option(help="What to make of it.")] = FormatName.ONNX,
    output: Annotated[
        Path | None, typer.Option(help="File, or for openvino folder. [default: here, named after the model]")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Compute in float16; openvino: store in it.")] = False,
    nms: Annotated[bool, typer.Option("--nms", help="Suppress boxes in the graph, as detstream does; onnx.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Any batch and size of images.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 1,
    imgsz: Annotated[
        str | None, typer.Option(help="Input of the network: 640, or HEIGHTxWIDTH. [default: the model's]")
    ] = None,
    conf: Annotated[float | None, typer.Option(min=0, max=1, help="Least confidence, with --nms.")] = None,
    iou: Annotated[float | None, typer.Option(min=0, max=1, help="Overlap for suppression, with --nms.")] = None,
    names: Annotated[
        str | None, typer.Option(help="Names of the classes: a file, or car,bus. [default: the model's]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an earlier export.")] = False,
) -> None:
    """Write a model for other programs: network, preprocessing and class names in one; print where.

    Images go in as uint8 BGR (batch, height, width, 3), as OpenCV reads them, letterboxed to the size of the input.
    """
    from rich.console import Console

    from detstream.options import input_size
    from stages.detector.export import Export
    from stages.detector.export import export as write
    from stages.detector.yolo_nas.class_names import read_names

    sides = input_size(imgsz)
    wanted = Export(
        format.value, half, nms, dynamic, batch, sides, conf, iou, None if names is None else read_names(names)
    )
    with Console(stderr=True).status(f"exporting {model} to {format}"):
        path = write(model, wanted, output, force=force)
    typer.echo(path)
