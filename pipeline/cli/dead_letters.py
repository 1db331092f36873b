"""`detstream dead-letters`: what nobody could deal with, looked at, tried again, removed."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_EXAMPLE: Final = "Example: [bold]detstream dead-letters retry --all --sink webhook --config run.yaml[/]"
_Run = Annotated[int | None, typer.Option(help="Process of the run, if there are several on this machine.")]
_Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `list` shows them.")]
_All = Annotated[bool, typer.Option("--all", help="All of them, or all of one sink.")]
_Sink = Annotated[str | None, typer.Option(help="Only of this sink.")]


@app.command("list")
def list_all(
    sink: _Sink = None,
    run: _Run = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, an object a letter.")] = False,
) -> None:
    """List the dead letters, the oldest first: when, of which sink or stream, what, and why."""
    from pipeline.cli.letters import rows_of, table_of
    from pipeline.cli.reach import reached

    with reached(run) as (broker, _):
        rows = rows_of(broker, sink)
    if as_json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
    elif rows:
        from rich.console import Console

        Console().print(table_of(rows))
    else:
        sys.stderr.write("no dead letters\n")


@app.command()
def show(letter: Annotated[str, typer.Argument(metavar="ID")], run: _Run = None) -> None:
    """Show one dead letter whole, as JSON."""
    from pipeline.cli.letters import found, shown
    from pipeline.cli.reach import reached

    with reached(run) as (broker, _):
        (one,) = found(broker, [letter], everything=False, sink=None)
    sys.stdout.write(json.dumps(shown(one), indent=2, ensure_ascii=False) + "\n")


@app.command(epilog=_EXAMPLE)
def retry(
    ids: _Ids = None,
    everything: _All = False,
    sink: _Sink = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file of the run, where its sinks are; for what a sink could not send.")
    ] = None,
    run: _Run = None,
) -> None:
    """Try again, and remove what works: send it through its sink, or put it back into its work queue."""
    from pipeline.cli.letters import found
    from pipeline.cli.letters_again import Again
    from pipeline.cli.reach import reached

    with reached(run) as (broker, _):
        chosen = found(broker, ids or [], everything=everything, sink=sink)
        with Again(broker, config) as again:
            failed = [letter for letter in chosen if not again.tried(letter)]
    sys.stderr.write(f"{len(chosen) - len(failed)} of {len(chosen)} done\n")
    raise typer.Exit(1 if failed else 0)


@app.command()
def purge(ids: _Ids = None, everything: _All = False, sink: _Sink = None, run: _Run = None) -> None:
    """Remove dead letters for good."""
    from pipeline import keys
    from pipeline.cli.letters import found
    from pipeline.cli.reach import reached

    with reached(run) as (broker, _):
        chosen = found(broker, ids or [], everything=everything, sink=sink)
        removed = broker.remove(keys.DEAD_LETTERS, [letter.id for letter in chosen])
    sys.stderr.write(f"{removed} removed\n")
