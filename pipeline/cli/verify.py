"""`detstream verify`: proves that a run's outputs are complete, in order and as they were written."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipeline.cli.verify_subject import Run
    from pipeline.cli.verifying import Verified

EXAMPLE: Final = "Example: [bold]detstream verify results/ --decode[/]"
_MOST_ROWS: Final = 100
_STYLES: Final = {"proved": "green", "wrong": "red", "unfinished": "yellow", "camera": "dim"}


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The --output folder of a run.")],
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode the recordings anew, and compare each frame.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove that a run's outputs are complete, in order and as they were written: against manifest and recordings."""
    from rich.console import Console

    from pipeline.cli.verify_subject import read_run

    run = read_run(folder)
    found = _verified(run, Console(stderr=True), decode=decode)
    right = (run.endless or not run.unfinished) and all(item.verdict in ("proved", "camera") for item in found)
    if as_json:
        told: dict[str, Any] = {"folder": str(folder), "proved": right, "unfinished": run.unfinished}
        sys.stdout.write(json.dumps(told | {"sources": [asdict(item) for item in found]}, ensure_ascii=False) + "\n")
    else:
        _show(run, found, Console(), decode=decode)
    raise typer.Exit(0 if right else 1)


def _verified(run: "Run", console: "Console", *, decode: bool) -> "Sequence[Verified]":
    from pipeline.cli.progress import Bar
    from pipeline.cli.verifying import verify, work_s

    done_s, total = 0.0, max(round(work_s(run, decode=decode) * 1000), 1)
    with Bar(console) as bar:

        def tell(what: str, spent_s: float) -> None:
            nonlocal done_s
            before, done_s = done_s, done_s + spent_s
            if int(before * 100) != int(done_s * 100):
                bar.step(min(round(done_s * 1000), total), total, what)

        return list(verify(run, tell, decode=decode))


def _show(run: "Run", found: "Sequence[Verified]", console: "Console", *, decode: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("source", "verdict", "status", "frames", "files", "MB"):
        table.add_column(heading, justify="left" if heading in ("source", "verdict", "status") else "right")
    for item in _worth_a_row(found):
        verdict = f"[{_STYLES[item.verdict]}]{item.verdict}[/]"
        numbers = (f"{item.frames:,}", str(item.files), f"{item.bytes / 1e6:,.1f}")
        table.add_row(escape(item.source), verdict, escape(item.status), *numbers)
    console.print(table)
    for item in found:
        failed = [f"failed when it was run: {item.error}"] if item.status == "failed" and item.error else []
        for line in (*failed, *item.findings):
            console.print(f"{item.source}: {line}", markup=False, highlight=False, soft_wrap=True)
    console.print(_conclusion(run, found, decode=decode), markup=False, highlight=False, soft_wrap=True)


def _worth_a_row(found: "Sequence[Verified]") -> "Sequence[Verified]":
    """Return all sources, or, of very many, those that somebody has to look at."""
    if len(found) <= _MOST_ROWS:
        return found
    return [item for item in found if item.verdict not in ("proved", "camera") or item.status != "ok"][:_MOST_ROWS]


def _conclusion(run: "Run", found: "Sequence[Verified]", *, decode: bool) -> str:
    count = {verdict: sum(item.verdict == verdict for item in found) for verdict in _STYLES}
    findings = sum(len(item.findings) for item in found)
    if findings:
        return f"{findings} finding{'' if findings == 1 else 's'} in {count['wrong']} of {len(found)} sources"
    if count["unfinished"] or (run.unfinished and not run.endless):
        done = f"{count['proved']} of {len(found)} recordings are done and proved"
        how = "go on with it by the same `detstream run` and --resume" if run.unfinished else "run them again"
        return f"{run.folder} holds an unfinished run, {done}: {how}"
    if not count["proved"]:
        return "there is no recording here, and what a camera has dropped nobody can count again: nothing is proved"
    frames = sum(item.frames for item in found if item.verdict == "proved")
    how = "each decoded anew and compared" if decode else "with --decode each is compared with its recording, too"
    recordings = f"{count['proved']} recording{'' if count['proved'] == 1 else 's'}"
    return f"every frame once, in order, as it was written: {recordings}, {frames:,} frames; {how}"
