"""`detstream zones`: help with placing zones and lines."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.cli.command_line import hide_secrets

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_EXAMPLE: Final = "Example: [bold]detstream zones draw gate --config zones.yaml --output gate.png[/]"


@app.command(epilog=_EXAMPLE)
def draw(
    source: Annotated[str, typer.Argument(help="A recording, a camera's URL, or a source's name in the settings.")],
    config: Annotated[Path | None, typer.Option(help="Settings file (YAML) with the zones and lines.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; NAME.zones.png if not given.")] = None,
    at: Annotated[float, typer.Option(min=0.0, help="Of a recording: seconds from its start.")] = 0.0,
) -> None:
    """Write a picture of a source, with a grid to read coordinates from, and the zones and lines that there are."""
    hide_secrets()
    from pipeline.cli.zones_drawing import drawn

    path = drawn(source, config, output, at)
    sys.stderr.write(f"{path} is written\n")


@app.callback()
def _zones() -> None:
    """Keep `draw` a command of its own, though there is no other."""
