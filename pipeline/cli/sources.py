"""`detstream sources`: which cameras there are, how they do, and changes to them while all goes on."""

import json
import sys
from typing import Annotated, Any, Final

import typer

from pipeline.cli.command_line import hide_secrets

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_EXAMPLE: Final = "Example: [bold]detstream sources add 'gate=rtsp://joe:${GATE_PASSWORD}@cam1/stream1' --fps 5[/]"
_Run = Annotated[int | None, typer.Option(help="Process of the run, if there are several on this machine.")]
_Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_all(
    run: _Run = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a camera.")] = False
) -> None:
    """List the cameras: state, since when, rates, what was dropped, what went wrong last."""
    from rich.console import Console

    from pipeline.cli.reach import reached
    from pipeline.cli.standing import camera_rows, camera_table, troubles

    with reached(run) as (broker, _):
        rows = camera_rows(broker)
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        console = Console()
        console.print(camera_table(rows))
        for line in troubles(rows):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command(epilog=_EXAMPLE)
def add(
    source: Annotated[str, typer.Argument(metavar="NAME=URL", help="A name, and where the camera is.")],
    fps: Annotated[float | None, typer.Option(min=0.01, help="Most frames a second to look at.")] = None,
    roi: Annotated[
        str | None, typer.Option(help="Part to look at: LEFT,TOP,RIGHT,BOTTOM, in pixels or in parts of 1.")
    ] = None,
    motion: Annotated[bool | None, typer.Option("--motion/--no-motion", help="Look only when something moves.")] = None,
    transport: Annotated[str | None, typer.Option(help="Of RTSP: tcp, udp or auto.")] = None,
    keyframes_only: Annotated[bool, typer.Option("--keyframes-only", help="Decode keyframes only.")] = False,
    hwaccel: Annotated[str | None, typer.Option(help="Decode on: auto, cuda, vaapi or none.")] = None,
    corrupt: Annotated[str | None, typer.Option(help="Damaged frames: drop or mark.")] = None,
    run: _Run = None,
) -> None:
    """Add a camera, or change one; nothing is restarted but that camera."""
    hide_secrets()
    from pipeline.cli.reach import reached
    from pipeline.registry import Registry
    from stages.decoder.wishes import parsed, wish_of

    given = {"fps": fps, "roi": roi, "motion": motion, "transport": transport, "hwaccel": hwaccel, "corrupt": corrupt}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    name, camera = parsed(source, options | ({"keyframes_only": True} if keyframes_only else {}))
    with reached(run) as (broker, seal):
        Registry(broker).put(wish_of(name, camera, seal))
    sys.stderr.write(f"{name}: added\n")


@app.command()
def remove(name: _Name, run: _Run = None) -> None:
    """Remove a camera; what it has given stays."""
    _change(name, run, "removed", removed=True)


@app.command()
def pause(name: _Name, run: _Run = None) -> None:
    """Let a camera rest: it is not even connected to."""
    _change(name, run, "paused", paused=True)


@app.command()
def resume(name: _Name, run: _Run = None) -> None:
    """Go on with a camera that was paused."""
    _change(name, run, "goes on", paused=False)


def _change(name: str, run: int | None, told: str, **changes: bool) -> None:
    from pipeline.cli.reach import reached
    from pipeline.registry import Registry

    with reached(run) as (broker, _):
        Registry(broker).change(name, **changes)
    sys.stderr.write(f"{name}: {told}\n")
