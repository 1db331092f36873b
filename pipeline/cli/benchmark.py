"""`detstream benchmark`: the engines that can run a model here, side by side."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pipeline.cli.arguments import Half, ImageSize, Model

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from detstream.benchmark import Report, Row

EXAMPLE: Final = "Example: [bold]detstream benchmark --engines openvino,torch --batch 1,4 --seconds 5[/]"

_SECONDS: Final = 10.0
_HEADINGS: Final = ("engine", "batch", "p50 ms", "p95 ms", "images/s", "MB")


def benchmark(
    model: Model = "demo",
    engines: Annotated[
        str,
        typer.Option(
            help="Some of torch, onnxruntime, onnxruntime-int8, openvino, openvino-latency, openvino-int8, torch-cuda, "
            "onnxruntime-cuda, tensorrt: a,b,c. Those in INT8 need detstream export --int8 first."
        ),
    ] = "all",
    batch: Annotated[str, typer.Option(help="Images at once, as in 1,4,16.")] = "1",
    imgsz: ImageSize = None,
    half: Half = False,
    data: Annotated[
        Path | None, typer.Option(help="Also measure average precision (AP): an Ultralytics data YAML, or a COCO JSON.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="To measure each engine with each batch: 10 if not given.")
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="As many at least instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the speed of all engines on this machine, in turns: the network alone, no decoding, no suppression.

    A batch is timed from its submit to its results, alone in the engine; images/s with as many in flight as it takes.
    """
    from rich.console import Console

    from pipeline import log

    log.configure("benchmark", level="warning")
    options = {"imgsz": imgsz, "half": half, "data": data, "seconds": seconds, "images": images}
    report = _measured(model, _names(engines), _numbers(batch), Console(stderr=True), options)
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict() | {"data": data and str(data)}, ensure_ascii=False) + "\n")
    else:
        _show(report, Console())
    if not report.rows:
        sys.stderr.write("detstream: none of these engines can run here\n")
        raise typer.Exit(1)


def _measured(
    model: str, engines: list[str], batches: list[int], console: "Console", options: dict[str, Any]
) -> "Report":
    from detstream.benchmark import benchmark as run
    from detstream.datasets import read_dataset
    from detstream.measuring import Effort
    from detstream.options import input_size
    from pipeline.cli.progress import Bar
    from pipeline.errors import ConfigError

    seconds, images, data = options["seconds"], options["images"], options["data"]
    if seconds is not None and images is not None:
        raise ConfigError("seconds, images: choose one of them")
    with Bar(console) as bar:
        return run(
            model,
            engines,
            batches,
            input_size=input_size(options["imgsz"]),
            half=options["half"],
            dataset=None if data is None else read_dataset(data),
            effort=Effort(_SECONDS if seconds is None else seconds, images),
            progress=bar.step,
        )


def _names(text: str) -> list[str]:
    """Return what `--engines` says, each once."""
    from detstream.engines import ENGINES

    words = [word.strip() for word in text.split(",") if word.strip()]
    return list(ENGINES) if "all" in words or not words else list(dict.fromkeys(words))


def _numbers(text: str) -> list[int]:
    """Return what `--batch` says, in rising order.

    Raises:
        ConfigError: it isn't numbers.
    """
    from pipeline.errors import ConfigError

    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and len(word) < 9 for word in words):
        raise ConfigError(f"batch: {text!r:.100}: give numbers of images, as in 1,4,16")
    return sorted({int(word) for word in words})


def _show(report: "Report", console: "Console") -> None:
    height, width = report.input_size
    console.print(
        f"{report.model} at {height}x{width}{', float16' if report.half else ''}; milliseconds an image, MB on disk",
        markup=False,
        style="bold",
    )
    if report.rows:
        console.print(_table(report))
    for name, ran_on in {row.engine: row.ran_on for row in report.rows}.items():
        console.print(f"{name}: {ran_on}", markup=False, highlight=False, soft_wrap=True)
    for refusal in report.refusals:
        where = f"{refusal.engine}{f', batch {refusal.batch}' if refusal.batch else ''}"
        console.print(f"{where}: not measured: {refusal.reason}", markup=False, highlight=False, soft_wrap=True)


def _table(report: "Report") -> "Table":
    from rich.table import Table

    judged = any(row.map is not None for row in report.rows)
    table = Table(box=None)
    for number, heading in enumerate((*_HEADINGS, *(("AP", "AP50") if judged else ()))):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in report.rows:
        table.add_row(row.engine, *_cells(row), *(_shares(row) if judged else ()))
    return table


def _cells(row: "Row") -> list[str]:
    batch = str(row.batch) if row.submits == 1 else f"{row.batch} ({row.submits} x {-(-row.batch // row.submits)})"
    size = "" if row.size is None else f"{row.size / 1e6:.1f}"
    return [batch, f"{row.ms_p50:.2f}", f"{row.ms_p95:.2f}", f"{row.images_s:.1f}", size]


def _shares(row: "Row") -> list[str]:
    return ["" if value is None else f"{value:.4f}" for value in (row.map, row.map50)]
