"""The tracker's settings; the kinds of trackers that there are."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.plugins import kinds_of, with_plug_ins
from pipeline.settings import KernelSettings, Section
from pipeline.wire import Wire
from stages.tracker.places import Lines, Zones, overlap
from stages.tracker.trackers.bytetrack import ByteTrackSettings
from stages.tracker.trackers.cbiou import CBIoUSettings
from stages.tracker.trackers.ocsort import OcSortSettings
from stages.tracker.trackers.sort import SortSettings

EventKind: TypeAlias = Literal[
    "enter", "exit", "dwell", "crossed", "count", "appeared", "disappeared", "track_started", "track_ended"
]
TrackingSettings: TypeAlias = ByteTrackSettings | SortSettings | OcSortSettings | CBIoUSettings


def _kind(given: Any) -> str:
    """Return which tracker settings are of: ByteTrack's, unless they say another."""
    kind = given.get("kind", "bytetrack") if isinstance(given, dict) else getattr(given, "kind", "bytetrack")
    return str(kind)


def _tagged() -> Any:
    """Return the union of all kinds, those of plug-ins too, each with its tag."""
    kinds = with_plug_ins(TrackingSettings, "detstream.trackers", Section, "build")
    return reduce(or_, (Annotated[model, Tag(tag)] for model in get_args(kinds) for tag in kinds_of(model)))


if TYPE_CHECKING:
    _Tracking: TypeAlias = TrackingSettings
else:
    _Tracking = Annotated[_tagged(), Discriminator(_kind)]


class TrackerSettings(Section):
    """How frames are ordered, tracked and published, and what is told of them."""

    tracking: _Tracking | None = ByteTrackSettings()
    """None: no tracker numbers, and no events."""
    zones: Zones = ()
    lines: Lines = ()
    track_events: bool = True
    """Whether the begin and the end of each track is an event."""
    snapshots: tuple[EventKind, ...] = ()
    """Of which kinds of events the sink `events` writes a picture."""
    minutes: bool = True
    """Whether objects are counted by class and zone, minute by minute."""
    patience_s: float = Field(default=2.0, gt=0, le=60)
    """Of a camera: how long an answer is waited for when a later one is there. A recording's is waited for for ever."""
    wire: Wire = "msgpack"
    """How the bodies of public entries are written: `json` is twice as large, and read by anything."""

    @model_validator(mode="after")
    def _has_tracks_for_its_zones(self) -> Self:
        both = [zone for zone in self.zones for line in self.lines if zone.name == line.name and overlap(zone, line)]
        if both:
            raise ValueError(f"a zone and a line are called {both[0].name!r}: events could not be told apart")
        if self.tracking is None and (self.zones or self.lines):
            raise ValueError("zones and lines need tracks: give tracking, or leave them out")
        return self


class TrackerRoot(KernelSettings):
    """The whole settings file, as the tracker sees it."""

    tracker: TrackerSettings = TrackerSettings()
    decoder: Any = None
    detector: Any = None
    annotator: Any = None

    @model_validator(mode="after")
    def _has_pictures_for_its_snapshots(self) -> Self:
        if self.tracker.snapshots and not self.flow.full_size:
            raise ValueError("tracker.snapshots needs the full-size pictures: set flow.full_size: true")
        return self
