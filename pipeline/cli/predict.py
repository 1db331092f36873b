"""`detstream predict`: the detector by itself, on images and videos."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pipeline.cli.arguments import Classes, Confidence, Engine, Half, ImageSize, Int8, Model, Names, Overlap
from pipeline.signals import stop_on_signals

EXAMPLE: Final = "Example: [bold]detstream predict bus.jpg clip.mp4 --conf 0.4 --classes car --save --output seen/[/]"


def predict(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="An image, a video, a folder or a glob.")],
    model: Model = "demo",
    engine: Engine = "auto",
    conf: Confidence = None,
    iou: Overlap = None,
    names: Names = None,
    classes: Classes = None,
    imgsz: ImageSize = None,
    half: Half = False,
    int8: Int8 = False,
    save: Annotated[bool, typer.Option("--save", help="Write annotated images and videos.")] = False,
    save_json: Annotated[bool, typer.Option("--save-json", help="Write detections.jsonl, a line a picture.")] = False,
    show_table: Annotated[bool, typer.Option("--show-table", help="Print a table of each source.")] = False,
    output: Annotated[Path, typer.Option(help="Folder of what is written.", file_okay=False)] = Path("out"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what an earlier run wrote.")] = False,
) -> None:
    """Detect objects in images and videos, without tracking; say what is in each."""
    stop = stop_on_signals()
    from pipeline.cli.looking import Files, look
    from pipeline.cli.models import naming_hint, opened

    network = opened(model, engine, imgsz, names, half=half, int8=int8)
    if hint := naming_hint(network.card):
        sys.stderr.write(f"detstream: {hint}\n")
    options: dict[str, Any] = {"conf": conf, "iou": iou, "classes": _words(classes)}
    files = Files(output, images=save, lines=save_json, force=force)
    raise typer.Exit(look(sources, network, options, files, stop, show_table=show_table))


def _words(text: str | None) -> tuple[str, ...] | None:
    words = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    return words or None
