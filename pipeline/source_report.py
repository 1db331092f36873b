"""What became of a source: counts that must add up."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline import keys
from pipeline.broker import Broker
from pipeline.ledger import Ledger, Standing
from pipeline.metrics import LatencyHistogram

Status = Literal["ok", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What became of one source."""

    source: str
    path: str
    status: Status
    error: str | None
    frames: int
    """Decoded, or found undecodable, each with a number of its own; of a camera: captured."""
    expected: int | None
    """That the container claims to have."""
    detected: int
    failed: int
    dropped: int
    skipped: int
    detections: int
    wall_s: float
    """Of this run, seconds."""
    fps: float
    """Of the frames that this run has made."""
    latency_p50_s: float | None
    """From the packet's reading to the publication."""
    latency_p95_s: float | None
    codec: str
    width: int
    height: int
    files: tuple[str, ...]
    live: bool = False
    """Whether it was a camera: what was dropped there, was because something newer came."""
    size: int | None = None
    """Of the recording's file, bytes."""
    sha256: str | None = None
    """Of the recording's file, if it was asked for."""
    started: str | None = None
    """When its first frame was read, ISO 8601, UTC."""
    finished: str | None = None
    """When its last output had its final form."""
    deliveries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of each sink that sends: how many frames and events were `sent`, `missed` (left out) and `refused` for good."""


def report_source(
    broker: Broker, source: str, path: str, files: Sequence[str], *, interrupted: bool, finished: bool | None = None
) -> SourceReport:
    """Return a source's report, with an error where its counts don't add up.

    `finished`: whether all is written; as the ledger says if not given.
    """
    ledger = Ledger(broker, source).read()
    tracked = broker.get_fields(keys.checkpoint(source))
    counts = {name: int(tracked.get(name, 0)) for name in ("ok", "failed", "objects")}
    finished = ledger.finished((keys.ANNOTATOR,)) if finished is None else finished
    error = ledger.error or (_difference(ledger.fields, ledger.frames or 0, counts) if finished else None)
    ended_ns = ledger.number("finished_ns", time.time_ns())
    wall_s = max(ended_ns - ledger.number("started_ns", ended_ns), 1) / 1e9
    made = max(counts["ok"] + counts["failed"] - ledger.number("resumed", 0), 0)
    unfinished: Status = "interrupted" if interrupted else "failed"
    return SourceReport(
        source=source,
        path=path,
        status="failed" if error else "ok" if finished else unfinished,
        error=error or (None if finished else "not finished"),
        frames=ledger.decoded,
        expected=ledger.number("expected", 0) or None,
        detected=counts["ok"],
        failed=counts["failed"],
        dropped=0,
        skipped=0,
        detections=counts["objects"],
        wall_s=round(wall_s, 3),
        fps=round(made / wall_s, 2),
        files=tuple(files),
        size=ledger.number("size", 0) or None,
        sha256=ledger.text("sha256") or None,
        **_facts(ledger, tracked),
    )


def report_camera(broker: Broker, source: str, address: str, files: Sequence[str]) -> SourceReport:
    """Return a camera's report; it failed if it gave no frame, or was not back at the end."""
    ledger = Ledger(broker, source).read()
    tracked = broker.get_fields(keys.checkpoint(source))
    counts = {name: int(tracked.get(name, 0)) for name in ("ok", "failed", "skipped", "objects")}
    captured, published = ledger.number("captured", 0), counts["ok"] + counts["failed"] + counts["skipped"]
    error = ledger.text("state_error") or (None if captured else "it gave no frame")
    started_ns = ledger.number("started_ns", time.time_ns())
    wall_s = max(ledger.number("ended_ns", time.time_ns()) - started_ns, 1) / 1e9
    return SourceReport(
        source=source,
        path=address,
        status="failed" if error else "ok",
        error=error,
        frames=captured,
        expected=None,
        detected=counts["ok"],
        failed=counts["failed"],
        dropped=max(captured - published, 0),
        skipped=counts["skipped"],
        detections=counts["objects"],
        wall_s=round(wall_s, 3),
        fps=round(counts["ok"] / wall_s, 2),
        files=tuple(files),
        live=True,
        **_facts(ledger, tracked),
    )


def _facts(standing: Standing, tracked: Mapping[str, bytes]) -> dict[str, Any]:
    latency = LatencyHistogram(tracked.get("latency", b""))
    return {
        "latency_p50_s": _rounded(latency.quantile_s(0.5)),
        "latency_p95_s": _rounded(latency.quantile_s(0.95)),
        "codec": standing.text("codec"),
        "width": standing.number("width", 0),
        "height": standing.number("height", 0),
        "started": _at(standing, "started_ns"),
        "finished": _at(standing, "finished_ns"),
        "deliveries": _deliveries(standing),
    }


def _deliveries(standing: Standing) -> dict[str, dict[str, int]]:
    """Return what the sinks that send have told."""
    names = [name.removeprefix("sent.") for name in standing.fields if name.startswith("sent.")]
    counted = ("sent", "missed", "refused")
    return {name: {count: standing.number(f"{count}.{name}", 0) for count in counted} for name in sorted(names)}


def _at(standing: Standing, field: str) -> str | None:
    at_ns = standing.number(field, 0)
    return iso(at_ns / 1e9) if at_ns else None


def iso(seconds: float) -> str:
    """Return a time, seconds since 1970, as text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _difference(fields: Mapping[str, bytes], frames: int, counts: Mapping[str, int]) -> str | None:
    """Return where frames were lost, None if decoded = detected + failed = written."""
    published = counts["ok"] + counts["failed"]
    if published != frames:
        return f"accounting: {frames} frames decoded, but {counts['ok']} detected + {counts['failed']} failed"
    for name, value in fields.items():
        if name.startswith("written.") and int(value) != frames:
            return f"accounting: {frames} frames decoded, but {int(value)} written to {name.removeprefix('written.')}"
    return None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
