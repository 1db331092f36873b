"""`detstream info`: what a model is and how large."""

import sys
from typing import Annotated, Any, Final

import typer

EXAMPLE: Final = "Example: [bold]detstream info --model demo --json[/]"

_LABELS: Final = {
    "model": "model",
    "layout": "layout",
    "classes": "classes",
    "named_by": "classes named by",
    "input_size": "input size (height, width)",
    "layers": "layers, fused",
    "parameters": "parameters, fused",
    "weights": "parameters in the weights",
    "gflops": "GFLOPs (multiply-add = 2)",
    "conf": "default confidence",
    "iou": "default overlap",
    "class_agnostic": "classes suppress each other",
    "sha256": "SHA-256",
}


def info(
    model: Annotated[str, typer.Option(help="A name or a file of weights.")] = "demo",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a model finds, how large it is, and what one image costs."""
    import json

    facts = _facts(model)
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key, label in _LABELS.items():
        table.add_row(label, _shown(facts[key]))
    Console().print(table, markup=False, highlight=False)


def _facts(model: str) -> dict[str, Any]:
    from dataclasses import asdict

    from detstream.network import network_size
    from stages.detector.yolo_nas.card import fingerprint, read_card

    card = read_card(model)
    about = {"model": model, "layout": card.layout, "classes": list(card.class_names), "named_by": card.named_by}
    defaults = {"conf": card.conf, "iou": card.iou, "class_agnostic": card.class_agnostic}
    size = {"input_size": card.input_size, **asdict(network_size(card))}
    return about | size | defaults | {"sha256": fingerprint(model)}


def _shown(value: Any) -> str:
    from rich.markup import escape

    if isinstance(value, list | tuple):
        rest = f", … ({len(value)})" if len(value) > 10 else ""
        return escape(", ".join(map(str, value[:10])) + rest)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if value < 1 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
