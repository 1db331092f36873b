"""Settings of a live source."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_serializer

from stages.decoder.address import shown


class MotionSettings(BaseModel):
    """When a picture is worth looking at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    threshold: int = Field(default=20, ge=1, le=255)
    """By how many of 255 grey levels a pixel must differ from the background."""
    min_area: float = Field(default=0.0005, gt=0, le=1)
    """The part of the picture that must differ."""
    force_every_s: float = Field(default=10.0, gt=0)
    """At the latest after so long one is looked at without motion."""


def _motion(wanted: Any) -> Any:
    switches = {"on": True, "off": False, True: True, False: False}
    known = isinstance(wanted, str | bool) and wanted in switches
    return {"enabled": switches[wanted]} if known else wanted


def _roi(wanted: Any) -> Any:
    if wanted is None:
        return None
    try:
        left, top, right, bottom = (float(side) for side in (wanted.split(",") if isinstance(wanted, str) else wanted))
    except (TypeError, ValueError) as error:
        raise ValueError("write LEFT,TOP,RIGHT,BOTTOM, in pixels or in parts of 1, as in 0,0.4,1,1") from error
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError("left is less than right, top less than bottom, none below 0")
    return left, top, right, bottom


class LiveSettings(BaseModel):
    """Settings of a camera, or of what is played as if it were one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr
    """As it was given, `${NAME}` not yet put in."""
    fps: float | None = Field(default=None, gt=0, le=1000)
    """Most frames a second that are looked at; as many as come if not given."""
    roi: Annotated[tuple[float, float, float, float] | None, BeforeValidator(_roi)] = None
    """Left, top, right and bottom of the part that is looked at: in parts of 1 if none is greater, else in pixels."""
    transport: Literal["tcp", "udp", "auto"] = "tcp"
    """Of RTSP; auto: UDP first, as cameras like it, then TCP."""
    connect_s: float = Field(default=10.0, gt=0, le=300)
    read_s: float = Field(default=10.0, gt=0, le=300)
    """Longest wait for a packet."""
    stall_s: float = Field(default=10.0, gt=0, le=300)
    """Longest time without a frame, whatever comes."""
    probe_s: float = Field(default=1.0, gt=0, le=30)
    """Longest look at the stream before the first frame; more for cameras with rare keyframes in no standard."""
    hwaccel: Literal["auto", "cuda", "vaapi", "none"] = "none"
    keyframes_only: bool = False
    threads: int = Field(default=1, ge=1, le=64)
    """That decode this camera, by slices."""
    motion: Annotated[MotionSettings, BeforeValidator(_motion)] = MotionSettings()
    """`on`, `off`, or how to look for it: where nothing moves, nobody looks."""
    corrupt: Literal["drop", "mark"] = "drop"
    """Whether damaged frames are looked at (and marked), or not."""

    @field_serializer("url", when_used="json")
    def _without_secret(self, url: SecretStr) -> str:
        return shown(url.get_secret_value())
