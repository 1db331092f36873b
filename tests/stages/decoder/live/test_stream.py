"""What a stream makes of packets that are lost, damaged or odd; the packets are real, the way to them is not."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.errors import CameraError
from stages.decoder.address import parse
from stages.decoder.live.captured import Captured
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.stream import LiveStream, Patience
from tests.clips import DEMO, write_clip


def stream_of(packets: "Iterable[Packet[VideoStream]]", lossy: bool = False, stall_s: float = 10.0) -> LiveStream:
    patience = Patience(10.0, stall_s)
    return LiveStream(parse("rtsp://cam/x", {}), packets, patience, CaptureClock(), codec="h264", fps=12.5, lossy=lossy)


def frames(stream: LiveStream) -> list[Captured]:
    found: list[Captured] = []
    with pytest.raises(CameraError) as caught:
        for captured in stream:
            found.append(captured)
    assert caught.value.code == "gone"
    return found


def packets(path: Path, without: int = -1, most: int = 100) -> "Iterator[Packet[VideoStream]]":
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        for number, packet in enumerate(container.demux(stream)):
            if number < most and number != without:
                yield packet


def test_frame_lost_on_the_way_taints_all_until_the_next_keyframe() -> None:
    found = frames(stream_of(packets(DEMO, without=30), lossy=True))
    assert [number for number, captured in enumerate(found) if captured.corrupt] == list(range(30, 59))


def test_nothing_lost_is_nothing_tainted() -> None:
    assert {captured.corrupt for captured in frames(stream_of(packets(DEMO), lossy=True))} == {None}


def test_frames_without_a_time_get_one_after_the_one_before() -> None:
    def timeless() -> "Iterator[Packet[VideoStream]]":
        for number, packet in enumerate(packets(DEMO, most=20)):
            if number < 3:
                packet.pts = packet.dts = None
            yield packet

    found = frames(stream_of(timeless()))
    assert [captured.pts_s for captured in found[:4]] == pytest.approx([0.0, 0.08, 0.16, 0.24])
    assert all(after.timestamp_s > before.timestamp_s for before, after in pairwise(found))


def test_camera_whose_times_go_back_goes_on(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 20)

    def twice() -> "Iterator[Packet[VideoStream]]":
        yield from packets(clip)
        yield from packets(clip)

    found = frames(stream_of(twice()))
    assert len(found) >= 34
    assert all(after.timestamp_s > before.timestamp_s for before, after in pairwise(found))


def test_counts_tell_what_came(tmp_path: Path) -> None:
    stream = stream_of(packets(write_clip(tmp_path / "clip.mp4", 60), without=10))
    found = frames(stream)
    assert stream.counts.captured == len(found)
    assert stream.counts.corrupt == sum(captured.corrupt is not None for captured in found) > 0
    assert stream.counts.errors > 0
