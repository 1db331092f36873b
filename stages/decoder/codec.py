"""What FFmpeg's decoders have in common, and what they don't."""

import os
from collections.abc import Sequence
from contextlib import suppress

from av.codec.context import ThreadType
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


def frame_threads(codec: VideoCodecContext) -> int:
    """Return how many threads work on frames of their own."""
    return (codec.thread_count or os.cpu_count() or 1) if codec.thread_type & ThreadType.FRAME else 0


def emptied(stream: VideoStream) -> Sequence[VideoFrame]:
    """Return what a stream's decoder keeps back, and make it begin anew."""
    codec = stream.codec_context
    depth, frames = codec.reorder_depth, []
    with suppress(FFmpegError):
        frames = stream.decode(None)
    codec.flush_buffers()
    codec.reorder_depth = depth  # it may have been found out by what was decoded, and be forgotten with it
    return frames
