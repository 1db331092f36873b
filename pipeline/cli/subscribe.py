"""`detstream subscribe`: what is detected, as it comes or from a time on."""

from enum import StrEnum
from typing import Annotated, Final

import typer

EXAMPLE: Final = "Example: [bold]detstream subscribe 'gate*' --since -5m --where 'confidence > 0.8'[/]"


class Format(StrEnum):
    """How it is printed."""

    JSONL = "jsonl"
    TABLE = "table"
    CSV = "csv"


def subscribe(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE…", help="Names, or patterns such as 'gate*'. [default: all]"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="From when on: -5m, 07:30, 2026-11-25T07:30, earliest, an entry's ID. [default: now]"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Up to when: now, a time, or end: when all sources have ended. [default: Ctrl-C]")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Only these, by number or name: 2,7 or car,truck.")] = None,
    where: Annotated[
        str | None, typer.Option(help="Only objects for which this holds, such as 'confidence > 0.8'.")
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Events instead of frames.")] = False,
    form: Annotated[Format, typer.Option("--format", help="JSON lines, words for people, or CSV.")] = Format.JSONL,
    speed: Annotated[str | None, typer.Option(help="Replay as fast as it was, or 2x, 0.5x. [default: at once]")] = None,
    redis: Annotated[str | None, typer.Option(help="URL of Redis. [default: that of the run on this machine]")] = None,
    run: Annotated[int | None, typer.Option(help="Process of the run, if there are several on this machine.")] = None,
) -> None:
    """Print what is detected, live or from a time on; gaps, cameras' states and ends too."""
    from pipeline.cli.subscribing import Shown, show

    raise typer.Exit(
        show(Shown(tuple(sources or ()), since, until, classes, where, events, form.value, speed), redis, run)
    )
