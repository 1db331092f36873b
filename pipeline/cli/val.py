"""`detstream val`: how well a model finds the labelled objects of a data set."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pipeline.cli.arguments import Engine, Half, ImageSize, Int8, Model, Names
from pipeline.cli.models import opened

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from detstream.metrics import Metrics

EXAMPLE: Final = "Example: [bold]detstream val --data demo/held-out/data.yaml --json[/]"


def val(
    data: Annotated[Path, typer.Option(help="An Ultralytics data YAML, or a COCO JSON.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of a COCO JSON's pictures. [default: as COCO has them]")
    ] = None,
    model: Model = "demo",
    engine: Engine = "auto",
    names: Names = None,
    imgsz: ImageSize = None,
    half: Half = False,
    int8: Int8 = False,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least confidence.")] = 0.01,
    iou: Annotated[float, typer.Option(min=0, max=1, help="Overlap for suppression.")] = 0.7,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a model on a labelled data set: COCO's average precision (AP), in all and of each class."""
    from rich.console import Console

    from pipeline import log

    log.configure("val", level="warning")
    with opened(model, engine, imgsz, names, half=half, int8=int8) as network:
        metrics = _measured(network, Console(stderr=True), {"data": data, "images": images, "conf": conf, "iou": iou})
        ran_on = network.engine
    if as_json:
        told = {"data": str(data), "model": model, "engine": ran_on, "conf": conf, "iou": iou, **metrics.to_dict()}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    console = Console()
    console.print(_table(metrics))
    took = ", ".join(f"{name} {spent:.1f} ms" for name, spent in metrics.speed.items())
    console.print(f"a picture: {took}; {ran_on}", markup=False, highlight=False, soft_wrap=True)


def _measured(network: Any, console: "Console", options: dict[str, Any]) -> "Metrics":
    from pipeline.cli.progress import Bar

    with Bar(console) as bar:
        metrics: Metrics = network.val(
            **options, progress=lambda done, total: bar.step(done, total, f"{done} of {total} pictures")
        )
    return metrics


def _table(metrics: "Metrics") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{metrics.images} pictures", title_justify="left", box=None)
    for heading in ("class", "objects", "AP", "AP50", "AP75"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    mean = (metrics.map, metrics.map50, metrics.map75)
    table.add_row("all", str(metrics.objects), *(f"{value:.4f}" for value in mean), style="bold")
    for name, of_class in metrics.per_class.items():
        values = (of_class.ap, of_class.ap50, of_class.ap75)
        table.add_row(escape(name), str(of_class.objects), *(f"{value:.4f}" for value in values))
    return table
