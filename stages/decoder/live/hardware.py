"""Decoding on a device, where there is one."""

from typing import Final

import structlog
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

_TRIED: Final = {"auto": ("cuda", "vaapi"), "cuda": ("cuda",), "vaapi": ("vaapi",), "none": ()}


def device_for(wanted: str, camera: str) -> HWAccel | None:
    """Return the device to decode on, or None with one line in the log where there is none that works."""
    for kind in _TRIED[wanted]:
        if kind in hwdevices_available() and _works(kind):
            return HWAccel(kind, allow_software_fallback=True)
    if wanted != "none":
        structlog.get_logger().warning("no device decodes: the processor does", wanted=wanted, camera=camera)
    return None


def _works(kind: str) -> bool:
    try:
        CodecContext.create("h264", "r", hwaccel=HWAccel(kind, allow_software_fallback=False))  # makes the device
    except (FFmpegError, RuntimeError, ValueError, NotImplementedError, OSError):
        return False
    return True
