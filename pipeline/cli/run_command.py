"""`detstream run`: its options."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pipeline.cli.arguments import Classes, Confidence, Half, ImageSize, Int8, Names, Overlap, Sources
from pipeline.cli.command_line import hide_secrets
from pipeline.signals import stop_on_signals

if TYPE_CHECKING:
    from threading import Event

    from pipeline.cli.config import RunOptions

EXAMPLE: Final = "Example: [bold]detstream run gate=rtsp://cam1/stream1 recordings/ --output out/ --classes car[/]"


class EngineName(StrEnum):
    """The engines that can be chosen by name."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TORCH = "torch"


_Output = Annotated[Path | None, typer.Option(help="Folder of the outputs. [default: out]", file_okay=False)]
_Config = Annotated[Path | None, typer.Option(help="Settings file (YAML); arguments and environment go over it.")]
_Model = Annotated[str | None, typer.Option(help="A name or a file of weights. [default: demo]")]
_Engine = Annotated[EngineName | None, typer.Option(help="What runs the network. [default: auto]")]
_Detectors = Annotated[int, typer.Option(min=1, max=64, help="Detector processes; they share the work.")]
_FRAMES: Final = "Which frames"
_Fps = Annotated[
    float | None, typer.Option(min=0.001, help="Most frames a second to look at, evenly.", rich_help_panel=_FRAMES)
]
_Every = Annotated[
    int | None, typer.Option(min=1, help="Of recordings: look at each N-th frame.", rich_help_panel=_FRAMES)
]
_From = Annotated[
    str | None, typer.Option("--from", help="Of recordings: begin there: 00:10:00, 90s.", rich_help_panel=_FRAMES)
]
_To = Annotated[str | None, typer.Option("--to", help="Of recordings: end there.", rich_help_panel=_FRAMES)]
_Motion = Annotated[
    bool | None,
    typer.Option("--motion/--no-motion", help="Of cameras: look only when something moves.", rich_help_panel=_FRAMES),
]
_RECORDINGS: Final = "Many recordings"
_Join = Annotated[
    bool, typer.Option("--join", help="A folder is one recording, in pieces.", rich_help_panel=_RECORDINGS)
]
_Watch = Annotated[
    list[Path] | None,
    typer.Option(help="Take the recordings of this folder as they come, without end.", rich_help_panel=_RECORDINGS),
]
_Parallel = Annotated[
    str | None, typer.Option(help="Recordings read at once. [default: auto]", rich_help_panel=_RECORDINGS)
]
_Hash = Annotated[
    bool, typer.Option("--hash", help="Note each recording's SHA-256 in the manifest.", rich_help_panel=_RECORDINGS)
]
_DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only show what would be done, of which recordings.", rich_help_panel=_RECORDINGS),
]
_Duration = Annotated[str | None, typer.Option(help="End after a time: 90s, 10m, 1h. [default: cameras never end]")]
_Video = Annotated[bool, typer.Option("--video/--no-video", help="Whether to write an annotated video.")]
_Format = Annotated[
    str | None,
    typer.Option("--format", help="Outputs: any of jsonl,mp4,parquet,coco,report. [default: jsonl,mp4]"),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object on stdout.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run; or do what has come since.")]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs of an earlier run.")]


def run(
    sources: Sources = None,
    output: _Output = None,
    config: _Config = None,
    model: _Model = None,
    engine: _Engine = None,
    imgsz: ImageSize = None,
    half: Half = False,
    int8: Int8 = False,
    detectors: _Detectors = 1,
    conf: Confidence = None,
    iou: Overlap = None,
    names: Names = None,
    classes: Classes = None,
    fps: _Fps = None,
    every: _Every = None,
    begin: _From = None,
    end: _To = None,
    motion: _Motion = None,
    join: _Join = False,
    watch: _Watch = None,
    parallel: _Parallel = None,
    hash: _Hash = False,
    dry_run: _DryRun = False,
    duration: _Duration = None,
    video: _Video = True,
    formats: _Format = None,
    as_json: _Json = False,
    resume: _Resume = False,
    force: _Force = False,
) -> None:
    """Detect and track objects in recordings and cameras; write JSON lines, annotated videos and a manifest."""
    given = dict(locals())
    stop = stop_on_signals()  # first: a Ctrl-C while the rest is imported counts too
    hide_secrets()
    options = _options(given)
    if dry_run:
        raise typer.Exit(_show_plan(options, as_json=as_json))
    how = {"detectors": detectors, "force": force, "resume": resume, "duration": duration}
    raise typer.Exit(_run(options, stop, how, as_json=as_json))


def _options(given: dict[str, Any]) -> "RunOptions":
    """Return what was given on the command line that changes settings."""
    from pipeline.cli.config import RunOptions
    from pipeline.cli.times import moment

    given |= {"from_s": given["begin"] and moment(given["begin"]), "to_s": given["end"] and moment(given["end"])}
    given |= {"sources": tuple(given["sources"] or ()), "watch": tuple(given["watch"] or ())}
    return RunOptions(**{name: given[name] for name in RunOptions.__slots__})


def _show_plan(options: "RunOptions", *, as_json: bool) -> int:
    """Show what would be done, and return the exit code."""
    from rich.console import Console

    from pipeline.cli.config import resolve
    from pipeline.cli.dry_run import planned, table

    found = planned(resolve(options), Console(stderr=True))
    if as_json:
        sys.stdout.write(json.dumps(found.as_dict(), ensure_ascii=False) + "\n")
    else:
        Console().print(table(found))
        for line in found.lines:
            Console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 1 if found.unreadable else 0


def _run(options: "RunOptions", stop: "Event", how: dict[str, Any], *, as_json: bool) -> int:
    """Run, show what came of it, and return the exit code."""
    from rich.console import Console

    from pipeline.cli.config import resolve
    from pipeline.cli.display import Display
    from pipeline.cli.outcome import show
    from pipeline.cli.run import How
    from pipeline.cli.run import run as run_all
    from pipeline.cli.times import seconds

    duration = how.pop("duration")
    terms = How(**how, duration_s=None if duration is None else seconds(duration))
    settings = resolve(options)
    outcome, manifest = run_all(settings, terms, Display(Console(stderr=True)), stop)
    if as_json:
        sys.stdout.write(json.dumps(manifest, ensure_ascii=False) + "\n")
    else:
        show(outcome.reports, Console(stderr=settings.annotator.speaks))
    if outcome.error:
        sys.stderr.write(f"detstream: {outcome.error}\n")
    return outcome.exit_code
