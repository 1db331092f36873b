"""OC-SORT: trusts what was seen more than what is predicted; for objects that turn, or hide behind others."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.settings import Section

if TYPE_CHECKING:
    from trackers import OCSORTTracker
    from trackers.core.ocsort.tracklet import OCSORTTracklet


class OcSortSettings(Section):
    """OC-SORT (Cao et al. 2023), as implemented by `trackers`."""

    kind: Literal["ocsort"]
    least_confidence: float = Field(default=0.4, ge=0, le=1)
    """A detection below has no part in any track."""
    least_iou: float = Field(default=0.2, ge=0, le=1)
    """Least overlap of a detection with the place that its track predicts."""
    direction_weight: float = Field(default=0.2, ge=0, le=1)
    """How much it counts that an object goes on in its direction."""
    velocity_frames: int = Field(default=3, ge=1, le=30)
    """Over how many frames a direction is measured."""
    consecutive_frames: int = Field(default=2, ge=1)
    """Frames in a row before a track gets its number."""
    lost_s: float = Field(default=1.0, ge=0)
    """How long a track without detections is kept."""

    def build(self, fps: float) -> "OCSORTTracker":
        """Return a tracker for one source of so many frames a second."""
        from trackers import OCSORTTracker

        return OCSORTTracker(
            lost_track_buffer=round(30 * self.lost_s),  # `trackers` counts it in frames of 1/30 s
            frame_rate=fps,
            minimum_consecutive_frames=self.consecutive_frames,
            minimum_iou_threshold=self.least_iou,
            direction_consistency_weight=self.direction_weight,
            high_conf_det_threshold=self.least_confidence,
            delta_t=self.velocity_frames,
        )

    def tracklet(self) -> "OCSORTTracklet":
        """Return a track of no object in particular, to be given its state."""
        import numpy as np
        from trackers.core.ocsort.tracklet import OCSORTTracklet

        return OCSORTTracklet(np.array([0.0, 0.0, 1.0, 1.0]), delta_t=self.velocity_frames)
