"""C-BIoU: overlap of boxes that are made larger; for objects that move far between two frames."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.settings import Section

if TYPE_CHECKING:
    from trackers import CBIoUTracker
    from trackers.core.botsort.tracklet import BoTSORTTracklet


class CBIoUSettings(Section):
    """C-BIoU (Yang et al. 2023), as implemented by `trackers`."""

    kind: Literal["cbiou"]
    activation: float = Field(default=0.45, ge=0, le=1)
    """Least confidence that begins a track."""
    high_confidence: float = Field(default=0.4, ge=0, le=1)
    """From here on a detection is matched in the first round, below in the second."""
    first_buffer: float = Field(default=0.3, ge=0, le=2)
    """By how much of their size boxes grow in the first round."""
    second_buffer: float = Field(default=0.5, ge=0, le=2)
    """The same in the second round."""
    consecutive_frames: int = Field(default=2, ge=1)
    """Detections before a track gets its number."""
    lost_s: float = Field(default=1.0, ge=0)
    """How long a track without detections is kept."""

    def build(self, fps: float) -> "CBIoUTracker":
        """Return a tracker for one source of so many frames a second."""
        from trackers import CBIoUTracker

        return CBIoUTracker(
            lost_track_buffer=round(30 * self.lost_s),  # `trackers` counts it in frames of 1/30 s
            frame_rate=fps,
            track_activation_threshold=self.activation,
            minimum_consecutive_frames=self.consecutive_frames,
            high_conf_det_threshold=self.high_confidence,
            instant_first_frame_activation=False,
            buffer_ratio_first=self.first_buffer,
            buffer_ratio_second=self.second_buffer,
        )

    def tracklet(self) -> "BoTSORTTracklet":
        """Return a track of no object in particular, to be given its state."""
        import numpy as np
        from trackers.core.botsort.tracklet import BoTSORTTracklet
        from trackers.utils.state_representations import XCYCWHStateEstimator

        return BoTSORTTracklet(np.array([0.0, 0.0, 1.0, 1.0]), XCYCWHStateEstimator)
