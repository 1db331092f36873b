"""SORT: a Kalman filter and overlap, one round; the simplest, for detections of even confidence."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.settings import Section

if TYPE_CHECKING:
    from trackers import SORTTracker
    from trackers.core.sort.tracklet import SORTTracklet


class SortSettings(Section):
    """SORT (Bewley et al. 2016), as implemented by `trackers`."""

    kind: Literal["sort"]
    activation: float = Field(default=0.4, ge=0, le=1)
    """Least confidence that begins a track."""
    least_iou: float = Field(default=0.2, ge=0, le=1)
    """Least overlap of a detection with the place that its track predicts."""
    consecutive_frames: int = Field(default=2, ge=1)
    """Detections before a track gets its number."""
    lost_s: float = Field(default=1.0, ge=0)
    """How long a track without detections is kept."""

    def build(self, fps: float) -> "SORTTracker":
        """Return a tracker for one source of so many frames a second."""
        from trackers import SORTTracker

        return SORTTracker(
            lost_track_buffer=round(30 * self.lost_s),  # `trackers` counts it in frames of 1/30 s
            frame_rate=fps,
            track_activation_threshold=self.activation,
            minimum_consecutive_frames=self.consecutive_frames,
            minimum_iou_threshold=self.least_iou,
        )

    def tracklet(self) -> "SORTTracklet":
        """Return a track of no object in particular, to be given its state."""
        import numpy as np
        from trackers.core.sort.tracklet import SORTTracklet

        return SORTTracklet(np.array([0.0, 0.0, 1.0, 1.0]))
