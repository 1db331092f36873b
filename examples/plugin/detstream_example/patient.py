"""A tracker: ByteTrack for what is often hidden for long, as behind a fence."""

from typing import Literal

from stages.tracker.trackers.bytetrack import ByteTrackSettings


class PatientTracking(ByteTrackSettings):
    """Settings of the tracker; a wholly different one has `build`, `tracklet` and `lost_s` of its own."""

    kind: Literal["patient"] = "patient"  # type: ignore[assignment]
    lost_s: float = 10.0
    least_iou: float = 0.05
