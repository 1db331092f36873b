"""A recording's sound is copied beside its pictures: what flashes beeps, whatever the container and the part."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
import pytest
import structlog
from av.audio.stream import AudioStream

from pipeline.messages import Detections, FrameMeta
from stages.annotator.sinks.video import VideoSink
from stages.decoder.picture import from_bgr
from tests.planes import planar

RATE: Final = 48_000
FLASHES: Final = (0.8, 2.0)
"""When the picture is white and there is a tone, for a tenth of a second, seconds of the pictures' clock."""
STEADY: Final = tuple(number / 25 for number in range(75))
UNEVEN: Final = tuple(sorted({*STEADY[::3], *STEADY[18:26], *STEADY[45:60]}))
NEAR_S: Final = 0.03


def record(
    path: Path, times_s: Sequence[float] = STEADY, codec: str = "aac", sound: tuple[float, float] = (0.0, 3.0)
) -> Path:
    """Write a recording that flashes and beeps; `sound`: from when to when it goes."""
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "10", "bf": "2"})
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = Fraction(1, 90_000)
        audio = cast(AudioStream, output.add_stream(codec, rate=RATE))
        for packet in [packet for at_s in times_s for packet in pictures.encode(_picture(at_s))]:
            output.mux(packet)
        output.mux(pictures.encode(None))
        output.mux(audio.encode(_tone(*sound, str(audio.format.name))))
        output.mux(audio.encode(None))
    return path


def _picture(at_s: float) -> av.VideoFrame:
    white = any(begin <= at_s < begin + 0.1 for begin in FLASHES)
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 235 if white else 16, np.uint8), "bgr24")
    frame = frame.reformat(format="yuv420p")
    frame.pts, frame.time_base = round(at_s * 90_000), Fraction(1, 90_000)
    return frame


def _tone(begin_s: float, end_s: float, layout: str) -> av.AudioFrame:
    at_s = begin_s + np.arange(round((end_s - begin_s) * RATE)) / RATE
    loud = np.any([(begin <= at_s) & (at_s < begin + 0.1) for begin in FLASHES], axis=0)
    wave = 0.8 * loud * np.sin(2 * np.pi * 1000 * at_s)
    samples = (wave * 32767).astype(np.int16) if layout.startswith("s16") else wave.astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], layout, "mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, round(begin_s * RATE), Fraction(1, RATE)
    return frame


def annotated(recording: Path, folder: Path, begin_s: float = 0.0, end_s: float = 1e9) -> Path:
    """Make the annotated video of a recording, or of a part of it."""
    with av.open(str(recording)) as container:
        stream = container.streams.video[0]
        frames = [(float(frame.time or 0), frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
    sink = VideoSink(preset="ultrafast").build(folder, "gate", recording)
    for seq, (at_s, image) in enumerate(frames):
        if begin_s <= at_s < end_s:
            sink.write(Detections.none(FrameMeta("gate", 0, seq, at_s, 64, 48)), from_bgr(np.asarray(image, np.uint8)))
    sink.finish(len(frames), None)
    return folder / "gate.mp4"


def flashes(path: Path) -> list[float]:
    """Return when the picture becomes white."""
    with av.open(str(path)) as container:
        shown = [
            (float(frame.time or 0), frame.to_ndarray(format="gray").mean() > 120)
            for frame in container.decode(video=0)
        ]
    return [at_s for (at_s, white), (_, before) in zip(shown[1:], shown, strict=False) if white and not before]


def beeps(path: Path) -> list[float]:
    """Return when a tone begins."""
    with av.open(str(path)) as container:
        heard = [(float(frame.time or 0), frame.to_ndarray()) for frame in container.decode(audio=0)]
    scale = 32768.0 if heard[0][1].dtype == np.int16 else 1.0
    loud = np.concatenate([np.abs(samples).reshape(-1) / scale > 0.2 for _, samples in heard])
    at_s = np.concatenate([begin + np.arange(samples.size) / RATE for begin, samples in heard])[loud]
    return [float(at_s[0]), *(float(later) for before, later in pairwise(at_s) if later > before + 0.3)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "aac"), ("a.mkv", "aac"), ("a.ts", "aac"), ("a.mov", "pcm_s16le"), ("a.mkv", "flac"), ("a.avi", "aac")],
)
def test_what_flashes_beeps_in_every_container(name: str, codec: str, tmp_path: Path) -> None:
    recording = record(tmp_path / name, codec=codec)
    video = annotated(recording, tmp_path)
    assert len(flashes(video)) == len(beeps(video)) == len(FLASHES)
    assert _apart(video) == pytest.approx(_apart(recording), abs=NEAR_S)


@pytest.mark.parametrize("sound", [(-0.5, 3.0), (0.5, 3.0), (0.0, 5.0), (0.5, 2.4)])
def test_sound_may_begin_and_end_earlier_or_later(sound: tuple[float, float], tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mkv", times_s=[at + 1 for at in STEADY] if sound[0] < 0 else STEADY, sound=sound)
    video = annotated(recording, tmp_path)
    assert beeps(video)[-len(flashes(video)) :] == pytest.approx(flashes(video), abs=NEAR_S)
    assert _packets(video, "audio") == _packets(recording, "audio")


def test_a_variable_rate_stays_variable_and_in_time(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mp4", UNEVEN)
    video = annotated(recording, tmp_path)
    assert beeps(video) == pytest.approx(flashes(video), abs=NEAR_S)
    assert _times(video) == pytest.approx(_times(recording), abs=1e-4)


@pytest.mark.parametrize(("offset_s", "name"), [(0.0, "a.mp4"), (100.0, "a.ts"), (100.0, "a.mkv")])
def test_of_a_part_the_sound_is_of_that_part(offset_s: float, name: str, tmp_path: Path) -> None:
    times_s = [at_s + offset_s for at_s in STEADY]
    recording = _moved(record(tmp_path / f"at-0-{name}"), tmp_path / name, offset_s)
    start_s = _times(recording)[0]
    assert start_s == pytest.approx(times_s[0], abs=2)
    video = annotated(recording, tmp_path, start_s + 1.0, start_s + 2.5)
    assert len(_times(video)) == 37 or len(_times(video)) == 38
    assert beeps(video) == pytest.approx(flashes(video), abs=NEAR_S) and len(flashes(video)) == 1
    with av.open(str(video)) as container:
        heard = [float(frame.time or 0) for frame in container.decode(audio=0)]
    assert _times(video)[0] - 0.03 <= heard[0] and heard[-1] <= _times(video)[-1] + 0.04


def test_a_codec_that_an_mp4_does_not_take_is_left_out_with_a_warning(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mov", codec="pcm_mulaw")
    with structlog.testing.capture_logs() as lines:
        video = annotated(recording, tmp_path)
    assert len(_times(video)) == len(STEADY)
    assert _packets(video, "audio") == 0
    (line,) = lines
    assert line["log_level"] == "warning" and "pcm_mulaw" in line["why"] and line["recording"] == str(recording)


def test_sound_that_ends_in_damage_costs_no_picture(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mkv")
    whole = annotated(recording, tmp_path / "whole")
    cut = recording.read_bytes()
    sink = VideoSink(preset="ultrafast").build(tmp_path, "gate", recording)
    for seq, at_s in enumerate(STEADY):
        sink.write(Detections.none(FrameMeta("gate", 0, seq, at_s, 64, 48)), planar(16, 64, 48))
    recording.write_bytes(cut[: len(cut) * 2 // 3])
    sink.finish(len(STEADY), None)
    assert _times(tmp_path / "gate.mp4") == pytest.approx(_times(whole), abs=1e-4)
    assert 0 <= _packets(tmp_path / "gate.mp4", "audio") < _packets(whole, "audio")


def test_a_recording_that_is_gone_costs_its_sound_only(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mp4")
    sink = VideoSink(preset="ultrafast").build(tmp_path, "gate", recording)
    sink.write(Detections.none(FrameMeta("gate", 0, 0, 0.0, 64, 48)), planar(16, 64, 48))
    recording.unlink()
    with structlog.testing.capture_logs() as lines:
        sink.finish(1, None)
    assert _times(tmp_path / "gate.mp4") == [0.0]
    assert [line["event"] for line in lines] == ["audio left out"]


def test_the_sound_can_be_declined(tmp_path: Path) -> None:
    sink = VideoSink(preset="ultrafast", audio=False).build(tmp_path, "gate", record(tmp_path / "a.mp4"))
    sink.write(Detections.none(FrameMeta("gate", 0, 0, 0.0, 64, 48)), planar(16, 64, 48))
    sink.finish(1, None)
    assert _packets(tmp_path / "gate.mp4", "audio") == 0


def _moved(recording: Path, target: Path, offset_s: float) -> Path:
    """Copy a recording with all its times moved."""
    with av.open(str(recording)) as source, av.open(str(target), "w") as output:
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts is not None:
                offset = round(offset_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    return target


def _apart(path: Path) -> list[float]:
    """Return by how much tones come after flashes."""
    return [heard - shown for heard, shown in zip(beeps(path), flashes(path), strict=True)]


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def _packets(path: Path, kind: str) -> int:
    with av.open(str(path)) as container:
        streams = getattr(container.streams, kind)
        return sum(packet.size > 0 for packet in container.demux(*streams)) if streams else 0
