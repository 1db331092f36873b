"""Figures of several rounds, on the terminal and in a file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return least, median and most."""
    return {"min": round(min(values), 3), "median": round(median(values), 3), "max": round(max(values), 3)}


def ratios(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Return the spread of the rounds' ratios: what disturbs a round disturbs both."""
    return spread([first / second for first, second in zip(over, under, strict=True)])


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table of spreads."""
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for heading in ("min", "median", "max"):
        table.add_column(heading, justify="right")
    for name, values in rows.items():
        table.add_row(name, *(f"{values[heading]:.2f}" for heading in ("min", "median", "max")))
    console = Console()
    console.print(f"\n{title}", style="bold", soft_wrap=True)
    console.print(table)


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result with what it depends on."""
    packages = ("detstream", "av", "numpy", "opencv-python", "openvino", "supervision", "trackers")
    machine = {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "python": platform.python_version()}
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"machine": machine, "versions": {name: version(name) for name in packages}}
    path.write_text(json.dumps({**facts, **result}, indent=2) + "\n")
    Console().print(f"\nwritten to {path}", soft_wrap=True)
