"""The command line: `detstream run`, `stage`, `predict`, `info`; what is heavy is imported by the one that needs it."""

import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.cli import (
    benchmark,
    dead_letters,
    export,
    info,
    predict,
    run_command,
    selftest,
    sources,
    subscribe,
    val,
    verify,
    weights,
    zones,
)
from pipeline.errors import BrokerUnreachableError, ConfigError, DetstreamError, ModelError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class StageName(StrEnum):
    """The four stages."""

    DECODER = "decoder"
    DETECTOR = "detector"
    TRACKER = "tracker"
    ANNOTATOR = "annotator"


_WRONG_USAGE: Final = (ConfigError, ModelError, BrokerUnreachableError)
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
    """Turn cameras and recordings into ordered streams of object detections."""


app.command(epilog=run_command.EXAMPLE)(run_command.run)


@app.command(epilog=_STAGE_EXAMPLE)
def stage(
    name: Annotated[StageName, typer.Argument(help="Which of the four.")],
    config: Annotated[Path | None, typer.Option(help="Settings file (YAML), the same for all stages.")] = None,
) -> None:
    """Run one stage as a process of its own, on the Redis at DETSTREAM_REDIS__URL."""
    from importlib import import_module

    raise typer.Exit(import_module(f"stages.{name}.__main__").main(config))


app.command(epilog=subscribe.EXAMPLE)(subscribe.subscribe)
app.command(epilog=verify.EXAMPLE)(verify.verify)
app.command(epilog=predict.EXAMPLE)(predict.predict)
app.command(epilog=info.EXAMPLE)(info.info)
app.command(epilog=val.EXAMPLE)(val.val)
app.command(epilog=export.EXAMPLE)(export.export)
app.command(epilog=benchmark.EXAMPLE)(benchmark.benchmark)
app.command(epilog=selftest.EXAMPLE)(selftest.selftest)
app.add_typer(sources.app, name="sources", help="List, add, remove and pause cameras while they are looked at.")
app.add_typer(zones.app, name="zones", help="Place zones and lines.")
app.add_typer(dead_letters.app, name="dead-letters", help="List, show, retry and remove what nobody could deal with.")
app.add_typer(weights.app, name="weights", help="List, fetch and find original weights.")


if __name__ == "__main__":
    main()
