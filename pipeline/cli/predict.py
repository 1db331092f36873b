"""`detstream predict`: the detector by itself, on images and videos."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pipeline.signals import stop_on_signals

EXAMPLE: Final = "Example: [bold]detstream predict bus.jpg clip.mp4 --conf 0.4 --classes car --save --output seen/[/]"


def predict(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="An image, a video, a folder or a glob.")],
    model: Annotated[str, typer.Option(help="A name or a file of weights.")] = "demo",
    engine: Annotated[
        str, typer.Option(help="What runs the network: auto, openvino, onnxruntime, tensorrt, torch.")
    ] = "auto",
    conf: Annotated[float | None, typer.Option(min=0, max=1, help="Least confidence. [default: the model's]")] = None,
    iou: Annotated[
        float | None, typer.Option(min=0, max=1, help="Overlap for suppression. [default: the model's]")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(help="Names of the classes: a,b,c, or a file, as of a data set. [default: the model's]"),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Only these, by number or name: 2,7 or car,truck.")] = None,
    imgsz: Annotated[
        str | None, typer.Option(help="Input of the network: 640, or HEIGHTxWIDTH. [default: the model's]")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Compute in float16, where the engine can.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Write annotated images and videos.")] = False,
    save_json: Annotated[bool, typer.Option("--save-json", help="Write detections.jsonl, a line a picture.")] = False,
    show_table: Annotated[bool, typer.Option("--show-table", help="Print a table of each source.")] = False,
    output: Annotated[Path, typer.Option(help="Folder of what is written.", file_okay=False)] = Path("out"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what an earlier run wrote.")] = False,
) -> None:
    """Detect objects in images and videos, without tracking; say what is in each."""
    stop = stop_on_signals()
    from pipeline.cli.looking import Files, look

    options: dict[str, Any] = {"conf": conf, "iou": iou, "classes": _words(classes)}
    files = Files(output, images=save, lines=save_json, force=force)
    ended = look(sources, _model(model, engine, imgsz, half, names), options, files, stop, show_table=show_table)
    raise typer.Exit(ended)


def _model(model: str, engine: str, imgsz: str | None, half: bool, names: str | None) -> Any:
    from detstream import NAS

    return NAS(model, engine=engine, imgsz=None if imgsz is None else size(imgsz), half=half, names=names)


def _words(text: str | None) -> tuple[str, ...] | None:
    words = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    return words or None


def size(text: str) -> int | tuple[int, int]:
    """Return what `--imgsz` says: a side, or height and width.

    Raises:
        ConfigError: it isn't one or two numbers.
    """
    from pipeline.errors import ConfigError

    sides = text.lower().replace(",", "x").split("x")
    if len(sides) not in (1, 2) or not all(side.strip().isdecimal() for side in sides):
        raise ConfigError(f"imgsz: {text!r}: give a side as 640, or HEIGHTxWIDTH as 384x640")
    height, width = int(sides[0]), int(sides[-1])
    return height if len(sides) == 1 else (height, width)
