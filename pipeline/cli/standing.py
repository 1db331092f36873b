"""How the cameras do, as a table or as data."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.display import CAMERA_STYLES
from pipeline.ledger import Ledger, Standing
from pipeline.metrics import LatencyHistogram
from pipeline.registry import Registry, Wish

_WORKING: Final = ("connecting", "live", "stalled", "reconnecting")
_SILENT_S: Final = 15.0
"""A decoder says how its cameras do every second: one of which nothing is said for so long has none."""
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def camera_rows(broker: Broker) -> list[dict[str, Any]]:
    """Return what is known of each camera that is wished for."""
    wishes = sorted(Registry(broker).read().items())
    return [_row(broker, wish) for _, wish in wishes if not wish.removed]


def camera_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rows as a table."""
    table = Table(box=None, header_style="bold")
    for heading in ("source", "state", "for", "fps", "captured", "looked at", "dropped", "skipped", "reconnects"):
        table.add_column(heading, justify="left" if heading in ("source", "state") else "right")
    table.add_column("p50 ms", justify="right")
    table.add_column("address", overflow="fold")
    for row in rows:
        state = str(row["state"])
        numbers = (row["captured"], row["detected"], row["dropped"], row["skipped"], row["reconnects"])
        latency = "-" if row["latency_p50_s"] is None else f"{row['latency_p50_s'] * 1000:.0f}"
        table.add_row(
            escape(str(row["source"])),
            f"[{CAMERA_STYLES.get(state, 'dim')}]{state}[/]",
            _span(row["since_s"]),
            f"{row['fps']:.1f}",
            *map(str, numbers),
            latency,
            escape(str(row["address"])),
        )
    return table


def troubles(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each camera with something wrong, now or before."""
    return [f"{row['source']}: last error {row['last_code']}: {row['last_error']}" for row in rows if row["last_code"]]


def _row(broker: Broker, wish: Wish) -> dict[str, Any]:
    ledger, tracked = Ledger(broker, wish.name).read(), broker.get_fields(keys.checkpoint(wish.name))
    counts = {name: int(tracked.get(name, 0)) for name in ("ok", "failed", "skipped")}
    captured, since_ns = ledger.number("captured", 0), ledger.number("since_ns", 0)
    state = _state(wish, ledger)
    return {
        "source": wish.name,
        "address": wish.shown,
        "state": state,
        "since_s": round(time.time() - since_ns / 1e9, 1) if since_ns else None,
        "fps": 0.0 if state == "waiting" else float(ledger.fields.get("rate", 0.0)),
        "captured": captured,
        "detected": counts["ok"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "dropped": max(captured - sum(counts.values()), 0),
        "corrupt": ledger.number("corrupt", 0),
        "reconnects": ledger.number("reconnects", 0),
        "latency_p50_s": LatencyHistogram(tracked.get("latency", b"")).quantile_s(0.5),
        "code": ledger.text("code") or None,
        "last_code": ledger.text("last_code") or None,
        "last_error": ledger.text("last_error") or None,
    }


def _state(wish: Wish, ledger: Standing) -> str:
    if wish.paused:
        return "paused"
    state, silent_s = ledger.text("state"), time.time() - ledger.number("seen_ns", 0) / 1e9
    return "waiting" if not state or (state in _WORKING and silent_s > _SILENT_S) else state


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds / size:.0f} {unit}"
