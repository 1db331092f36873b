"""Cameras, and what is played as if by one: whatever does not wait."""

from typing import Literal

from stages.decoder.live.settings import LiveSettings


class CameraSource(LiveSettings):
    """Settings of a live source; it is opened by its `url` (`stages.decoder.live.opening`)."""

    kind: Literal["camera"] = "camera"
