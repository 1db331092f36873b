"""ByteTrack: two rounds, those with high confidence first; the one that is taken unless another is asked for."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.settings import Section

if TYPE_CHECKING:
    from trackers import ByteTrackTracker
    from trackers.core.bytetrack.tracklet import ByteTrackTracklet


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

    def tracklet(self) -> "ByteTrackTracklet":
        """Return a track of no object in particular, to be given its state."""
        import numpy as np
        from trackers.core.bytetrack.tracklet import ByteTrackTracklet

        return ByteTrackTracklet(np.array([0.0, 0.0, 1.0, 1.0]))
