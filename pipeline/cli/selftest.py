"""`detstream selftest`: whether this machine detects the right pixels, in order, and how fast."""

import json
import sys
from typing import Annotated, Final

import typer

from pipeline.signals import stop_on_signals

EXAMPLE: Final = "Example: [bold]detstream selftest --duration 20s --cameras 2[/]"


def selftest(
    duration: Annotated[str, typer.Option(help="How long: 20s, 5m.")] = "20s",
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Simulated cameras.")] = 1,
    fps: Annotated[float, typer.Option(min=0.1, max=1000, help="Of each camera.")] = 25,
    size: Annotated[str, typer.Option(help="Of each camera's pictures.")] = "1280x720",
    engine_ms: Annotated[float, typer.Option(min=0, help="What the simulated network takes a batch.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Run simulated cameras whose pictures carry their number, and check that each answer is of its own frame."""
    stop = stop_on_signals()
    from rich.console import Console

    from pipeline.cli.selftesting import Trial, result_table, run_trial
    from pipeline.cli.times import seconds

    trial = Trial(seconds(duration), cameras, fps, size, engine_ms)
    result = run_trial(trial, Console(stderr=True), stop)
    if as_json:
        sys.stdout.write(json.dumps(result.as_dict()) + "\n")
    else:
        Console().print(result_table(result))
    raise typer.Exit(0 if result.passed else 1)
