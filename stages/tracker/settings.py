"""The tracker's settings."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.settings import KernelSettings, Section
from pipeline.wire import Wire

if TYPE_CHECKING:
    from trackers import ByteTrackTracker


class ByteTrackSettings(Section):
    """ByteTrack (Zhang et al. 2022), as implemented by `trackers`."""

    kind: Literal["bytetrack"] = "bytetrack"
    activation: float = Field(default=0.45, ge=0, le=1)
    """Least confidence that begins a track."""
    high_confidence: float = Field(default=0.4, ge=0, le=1)
    """From here on a detection is matched in the first round, below in the second."""
    least_iou: float = Field(default=0.1, ge=0, le=1)
    """Least overlap of a detection with the place that its track predicts."""
    consecutive_frames: int = Field(default=2, ge=1)
    """Frames in a row before a track gets its number."""
    lost_s: float = Field(default=1.0, ge=0)
    """How long a track without detections is kept."""

    def build(self, fps: float) -> "ByteTrackTracker":
        """Return a tracker for one source of so many frames a second."""
        from trackers import ByteTrackTracker

        return ByteTrackTracker(
            lost_track_buffer=round(30 * self.lost_s),  # `trackers` counts it in frames of 1/30 s
            frame_rate=fps,
            track_activation_threshold=self.activation,
            minimum_consecutive_frames=self.consecutive_frames,
            minimum_iou_threshold=self.least_iou,
            high_conf_det_threshold=self.high_confidence,
        )


class TrackerSettings(Section):
    """How frames are ordered, tracked and published."""

    tracking: ByteTrackSettings | None = ByteTrackSettings()
    """None: no tracker numbers."""
    patience_s: float = Field(default=2.0, gt=0, le=60)
    """Of a camera: how long an answer is waited for when a later one is there. A recording's is waited for for ever."""
    wire: Wire = "msgpack"
    """How the bodies of public entries are written: `json` is twice as large, and read by anything."""


class TrackerRoot(KernelSettings):
    """The whole settings file, as the tracker sees it."""

    tracker: TrackerSettings = TrackerSettings()
    decoder: Any = None
    detector: Any = None
    annotator: Any = None
