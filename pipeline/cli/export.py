"""`detstream export`: a model for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pipeline.cli.arguments import ImageSize, Model, Names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stages.detector.int8.store import Report
    from stages.detector.yolo_nas.card import ModelCard

EXAMPLE: Final = "Example: [bold]detstream export --model demo --format onnx --nms --dynamic[/]"


class FormatName(StrEnum):
    """The formats that there are."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    TENSORRT = "tensorrt"


_Output = Annotated[
    Path | None, typer.Option(help="File, or for openvino folder. [default: here, named after the model]")
]
_Half = Annotated[bool, typer.Option("--half", help="Compute in float16; openvino: store in it.")]
_Int8 = Annotated[bool, typer.Option("--int8", help="8-bit integers; takes minutes, once.")]
_Calibration = Annotated[
    str | None, typer.Option(metavar="VIDEO|DIR", help="For --int8: pictures like those that will come.")
]
_Data = Annotated[Path | None, typer.Option(help="For --int8: labelled pictures to check its accuracy on, as for val.")]
_MaxDrop = Annotated[
    float | None, typer.Option(min=0, help="For --int8: points of AP that it may lose on --data. [default: 0.5]")
]
_Nms = Annotated[bool, typer.Option("--nms", help="Suppress boxes in the graph, as detstream does; onnx.")]
_Dynamic = Annotated[bool, typer.Option("--dynamic", help="Any batch and size of images.")]
_Batch = Annotated[int, typer.Option(min=1, help="Images at once.")]
_Conf = Annotated[float | None, typer.Option(min=0, max=1, help="Least confidence, with --nms.")]
_Iou = Annotated[float | None, typer.Option(min=0, max=1, help="Overlap for suppression, with --nms.")]


def export(
    model: Model = "demo",
    format: Annotated[FormatName, typer.Option(help="What to make of it.")] = FormatName.ONNX,
    output: _Output = None,
    half: _Half = False,
    int8: _Int8 = False,
    calibration: _Calibration = None,
    data: _Data = None,
    max_drop: _MaxDrop = None,
    nms: _Nms = False,
    dynamic: _Dynamic = False,
    batch: _Batch = 1,
    imgsz: ImageSize = None,
    conf: _Conf = None,
    iou: _Iou = None,
    names: Names = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an earlier export.")] = False,
) -> None:
    """Write a model for other programs: network, preprocessing and class names in one; print where.

    Images go in as uint8 BGR (batch, height, width, 3), as OpenCV reads them, letterboxed to the size of the input.
    """
    from rich.console import Console

    from detstream.exporting import ExportOptions, exported
    from pipeline.cli.progress import Bar

    options = ExportOptions(
        output=output, half=half, int8=int8, nms=nms, dynamic=dynamic, batch=batch, imgsz=imgsz, conf=conf, iou=iou,
        calibration=calibration, data=data, force=force,
    )  # fmt: skip
    if max_drop is not None:
        options["max_drop"] = max_drop
    console = Console(stderr=True)
    with Bar(console) as bar:
        made = exported(
            model, _card(model, names), format.value, options, lambda what, done, total: bar.step(done, total, what)
        )
    _show(made.int8, console)
    typer.echo(made.path)


def _card(model: str, names: str | None) -> "ModelCard":
    from stages.detector.yolo_nas.card import read_card, with_names
    from stages.detector.yolo_nas.class_names import read_names

    card = read_card(model)
    return card if names is None else with_names(card, read_names(names))


def _show(report: "Report | None", console: "Console") -> None:
    if report is None:
        return
    console.print(_table(report))
    if report.in_float:
        console.print(f"in float: {', '.join(report.in_float)}", markup=False, highlight=False, soft_wrap=True)
    console.print(_verdict(report), markup=False, highlight=False, soft_wrap=True)


def _verdict(report: "Report") -> str:
    if report.data is None:
        return "its accuracy is not checked, so the engine auto won't use it: check it with --data"
    if not report.passed:
        return f"it loses more than {report.max_drop:g} points: the engine auto won't use it"
    use = "the engine auto uses it from now on" if report.runtime == "openvino" else "onnxruntime uses it with --int8"
    return f"it loses at most {report.max_drop:g} points of AP and AP50: {use}"


def _table(report: "Report") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    height, width = report.input_size
    title = escape(f"{report.model} at {height}x{width}, {report.runtime}")
    table = Table(title=title, title_justify="left", box=None)
    for number, heading in enumerate(("", "images/s", "ratio", "MB", "AP", "AP50")):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    before = report.variants["float"].images_s
    for name, each in report.variants.items():
        size = "" if each.size is None else f"{each.size / 1e6:.1f}"
        shares = ("" if value is None else f"{value:.4f}" for value in (each.ap, each.ap50))
        table.add_row(name, f"{each.images_s:.1f}", f"{each.images_s / before:.2f}", size, *shares)
    return table
