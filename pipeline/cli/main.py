"""The command line: `detstream run`, `stage`, `predict`, `info`; what is heavy is imported by the one that needs it."""

import json
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.cli import benchmark, export, info, predict, val, weights
from pipeline.cli.arguments import Classes, Confidence, Half, ImageSize, Int8, Names, Overlap, Sources
from pipeline.errors import BrokerUnreachableError, ConfigError, DetstreamError, ModelError
from pipeline.signals import stop_on_signals

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class EngineName(StrEnum):
    """The engines that can be chosen by name."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TORCH = "torch"


class StageName(StrEnum):
    """The four stages."""

    DECODER = "decoder"
    DETECTOR = "detector"
    TRACKER = "tracker"
    ANNOTATOR = "annotator"


_WRONG_USAGE: Final = (ConfigError, ModelError, BrokerUnreachableError)
_RUN_EXAMPLE: Final = "Example: [bold]detstream run gate=gate.mp4 recordings/ --output out/ --classes car,person[/]"
_STAGE_EXAMPLE: Final = (
    "Example: [bold]DETSTREAM_REDIS__URL=redis://localhost detstream stage detector --config stages.yaml[/]"
)


def main() -> None:
    """Run the command line; an error that we know is one line and an exit code, never a traceback."""
    try:
        app()
    except DetstreamError as error:
        sys.stderr.write(f"detstream: {error}\n")
        sys.exit(2 if isinstance(error, _WRONG_USAGE) else 1)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"detstream {version('detstream')}\n")
        raise typer.Exit


@app.callback()
def _detstream(
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn recordings into ordered streams of object detections."""


@app.command(epilog=_RUN_EXAMPLE)
def run(
    sources: Sources = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the outputs. [default: out]", file_okay=False)] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (YAML); arguments and environment go over it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A name or a file of weights. [default: demo]")] = None,
    engine: Annotated[EngineName | None, typer.Option(help="What runs the network. [default: auto]")] = None,
    imgsz: ImageSize = None,
    half: Half = False,
    int8: Int8 = False,
    detectors: Annotated[int, typer.Option(min=1, max=64, help="Detector processes; they share the work.")] = 1,
    conf: Confidence = None,
    iou: Overlap = None,
    names: Names = None,
    classes: Classes = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Whether to write an annotated video.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object on stdout.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite outputs of an earlier run.")] = False,
) -> None:
    """Detect and track objects in recordings; write JSON lines, annotated videos and a manifest."""
    stop = stop_on_signals()  # first: a Ctrl-C while the rest is imported counts too

    from rich.console import Console

    from pipeline.cli.config import RunOptions, resolve
    from pipeline.cli.display import Display, show
    from pipeline.cli.run import run as run_all

    network = (model, engine, imgsz, half, int8)
    options = RunOptions(tuple(sources or ()), output, config, *network, detectors, conf, iou, names, classes, video)
    outcome, manifest = run_all(resolve(options), detectors, Display(Console(stderr=True)), stop, force=force)
    if as_json:
        sys.stdout.write(json.dumps(manifest, ensure_ascii=False) + "\n")
    else:
        show(outcome.reports, Console())
    if outcome.error:
        sys.stderr.write(f"detstream: {outcome.error}\n")
    raise typer.Exit(outcome.exit_code)


@app.command(epilog=_STAGE_EXAMPLE)
def stage(
    name: Annotated[StageName, typer.Argument(help="Which of the four.")],
    config: Annotated[Path | None, typer.Option(help="Settings file (YAML), the same for all stages.")] = None,
) -> None:
    """Run one stage as a process of its own, on the Redis at DETSTREAM_REDIS__URL."""
    from importlib import import_module

    raise typer.Exit(import_module(f"stages.{name}.__main__").main(config))


app.command(epilog=predict.EXAMPLE)(predict.predict)
app.command(epilog=info.EXAMPLE)(info.info)
app.command(epilog=val.EXAMPLE)(val.val)
app.command(epilog=export.EXAMPLE)(export.export)
app.command(epilog=benchmark.EXAMPLE)(benchmark.benchmark)
app.add_typer(weights.app, name="weights", help="List, fetch and find original weights.")


if __name__ == "__main__":
    main()
