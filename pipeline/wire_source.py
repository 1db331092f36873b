"""What becomes of a source as plain maps, and back: its end, and a camera's states."""

from collections.abc import Mapping
from typing import Any

from pipeline.messages import EndOfSource, SourceState
from pipeline.packing import as_count, as_integer, as_number, as_text, optional
from pipeline.wire_event import happened_fields, read_happened


def end_fields(end: EndOfSource) -> dict[str, Any]:
    """Return what is in an end."""
    plain = {name: getattr(end, name) for name in ("source", "epoch", "frames", "error", "last")}
    return plain | happened_fields(end)


def read_end(fields: Mapping[str, Any]) -> EndOfSource:
    """Return the end in a map; MessageError or KeyError if it is none."""
    return EndOfSource(
        source=as_text(fields["source"]),
        epoch=as_count(fields["epoch"]),
        frames=as_count(fields["frames"]),
        error=optional(as_text, fields["error"]),
        last=optional(as_integer, fields.get("last")),
        **read_happened(fields),
    )


def state_fields(state: SourceState) -> dict[str, Any]:
    """Return what is in a state."""
    return {name: getattr(state, name) for name in SourceState.__slots__}


def read_state(fields: Mapping[str, Any]) -> SourceState:
    """Return the state in a map; MessageError or KeyError if it is none."""
    return SourceState(
        source=as_text(fields["source"]),
        epoch=as_count(fields["epoch"]),
        state=as_text(fields["state"]),
        since_ns=as_count(fields["since_ns"]),
        code=optional(as_text, fields["code"]),
        error=optional(as_text, fields["error"]),
        fps=as_number(fields["fps"]),
        **{name: as_count(fields[name]) for name in ("reconnects", "captured", "corrupt", "offered", "skipped")},
    )
