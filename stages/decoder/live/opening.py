"""Cameras opened, with time-outs on everything."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, cast

import av
from av.codec.context import CodecContext, ThreadType
from av.container import Flags, InputContainer
from av.error import FFmpegError
from av.stream import Discard
from av.video.stream import VideoStream

from stages.decoder.address import Address
from stages.decoder.live.captured import LiveVideo
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.failures import code_of, failure
from stages.decoder.live.hardware import device_for
from stages.decoder.live.images import glob_images
from stages.decoder.live.recording import Paced
from stages.decoder.live.settings import LiveSettings
from stages.decoder.live.sim import SimSettings, SimulatedCamera
from stages.decoder.live.stream import LiveStream, Patience
from stages.decoder.opening import released

_FPS_UNKNOWN: Final = 25.0
_MICRO: Final = 1_000_000
_REORDER_S: Final = 0.3
"""Longest wait for an RTP packet that others have overtaken (UDP)."""
_LOCAL_PROTOCOLS: Final = "file"
_PROTOCOLS: Final = "rtsp,rtsps,rtp,rtmp,rtmps,rtmpt,http,https,httpproxy,tcp,tls,udp,srt,crypto,data,hls"
"""Not `file`: a playlist of somebody else's must not read ours."""


@contextmanager
def opened(address: Address, settings: LiveSettings, clock: CaptureClock, start: int = 0) -> Iterator[LiveVideo]:
    """Open a live source; `clock` is its own and lives over reconnects, `start` is the number of its next frame.

    Raises:
        CameraError: it can't be opened; its code says why.
        ConfigError: a local source's options are wrong.
    """
    if address.scheme == "images":
        yield glob_images(address, clock)
        return
    if address.scheme == "sim":
        yield SimulatedCamera(SimSettings.parse(address.url), clock, start)
        return
    av.logging.set_level(None)  # FFmpeg's own messages hold URLs
    container = _connected(address, settings)
    with released(container):
        yield _stream(container, address, settings, clock)


def _connected(address: Address, settings: LiveSettings) -> InputContainer:
    started_s = time.monotonic()
    format_name = "v4l2" if address.scheme == "v4l2" else None
    try:
        return av.open(
            _ffmpeg_url(address),
            "r",
            format=format_name,
            options=_options(address, settings),
            timeout=None if address.scheme == "play" else (settings.connect_s, settings.read_s),
            hwaccel=device_for(settings.hwaccel, address.shown),
        )
    except (FFmpegError, OSError, ValueError) as error:
        # What FFmpeg was doing when the time was up decides on its error; some say "invalid data".
        late = time.monotonic() - started_s >= settings.connect_s
        raise failure("timeout" if late else code_of(error, address)) from None


def _stream(container: InputContainer, address: Address, settings: LiveSettings, clock: CaptureClock) -> LiveStream:
    container.flags &= ~cast(int, Flags.gen_pts.value)  # PyAV sets it; made-up times are none
    stream = _video_stream(container)
    _set_up(stream.codec_context, settings)
    for other in container.streams:
        other.discard = Discard.none if other.index == stream.index else Discard.all
    played = address.scheme == "play"
    packets = Paced(container, stream, address.looped) if played else container.demux(stream)
    return LiveStream(
        address,
        packets,
        Patience(settings.read_s, settings.stall_s),
        clock,
        codec=stream.codec_context.name,
        fps=float(stream.average_rate or stream.guessed_rate or _FPS_UNKNOWN),
        lossy=address.scheme == "udp" or (address.scheme == "rtsp" and settings.transport != "tcp"),
        ends=played and not address.looped,
    )


def _video_stream(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise failure("format")
    if stream.codec_context is None:
        raise failure("codec")
    return stream


def _set_up(decoder: CodecContext, settings: LiveSettings) -> None:
    # Frames' threads hold back as many frames as there are threads: freshness is worth more.
    decoder.thread_type, decoder.thread_count = ThreadType.SLICE, settings.threads
    # Else the decoder paints over damage, and PyAV doesn't tell where.
    decoder.options = {"err_detect": "explode"}
    if settings.keyframes_only:
        decoder.skip_frame = "NONKEY"


def _ffmpeg_url(address: Address) -> str:
    if address.scheme == "play":
        return f"file:{address.path}"
    return address.path if address.scheme == "v4l2" else address.url


def _options(address: Address, settings: LiveSettings) -> dict[str, str]:
    """Return FFmpeg's options. `fflags=nobuffer` is not among them: it throws away the first keyframe."""
    if address.scheme in ("play", "v4l2"):
        return {"protocol_whitelist": _LOCAL_PROTOCOLS} if address.scheme == "play" else {}
    options: Mapping[str, str] = {
        "protocol_whitelist": _PROTOCOLS,
        "analyzeduration": str(round(settings.probe_s * _MICRO)),
        "fpsprobesize": "1",  # else it waits for 20 frames to find their rate: opening took 2.2 s, takes 0.7 s
    }
    if address.scheme not in ("rtsp", "rtsps"):
        return dict(options)
    transport = {"auto": {}, "tcp": {"rtsp_transport": "tcp"}, "udp": {"rtsp_transport": "udp"}}[settings.transport]
    # PyAV's time-outs cover all; where FFmpeg's own comes first, it says "invalid data" of an answer that is late.
    longest_s = max(settings.connect_s, settings.read_s)
    waits = {"timeout": str(round(longest_s * _MICRO)), "max_delay": str(round(_REORDER_S * _MICRO))}
    return {**options, **transport, **waits, "allowed_media_types": "video"}
