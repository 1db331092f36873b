"""Short recordings of many kinds, each picture of which carries its number; made by script, or cut from real ones."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline import strip

SIZE: Final = (256, 144)
"""Width and height."""
_TICKS: Final = 90_000


@dataclass(frozen=True, slots=True)
class Kind:
    """How a recording is written."""

    name: str
    """Of the file: the source is called by its stem."""
    codec: str
    frames: int
    times_s: Callable[[int], float]
    options: dict[str, str]
    muxer: dict[str, str]
    after: Callable[[Path], None] = lambda path: None
    """What is done to the file once it is written."""


def _steady(fps: float) -> Callable[[int], float]:
    return lambda seq: seq / fps


def _uneven(seq: int) -> float:
    """Return times with gaps of one to nine hundredths of a second, and half a second now and then."""
    pause_s = 0.5 * (seq // 47)
    return round(0.04 * seq + 0.02 * (seq * 7919 % 3) / 2 + pause_s, 3)


def _flip(path: Path) -> None:
    """Damage some of the pictures in the middle, and nothing of the index."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * 0.45), int(len(data) * 0.47)
    data[first:last] = bytes(byte ^ 0x5A for byte in data[first:last])
    path.write_bytes(data)


def _cut(path: Path) -> None:
    """Leave the end away."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])


def _double(path: Path) -> None:
    """Let it begin anew in the middle, clock and all, as files that were put together do."""
    data = path.read_bytes()
    path.write_bytes(data + data)


_X264: Final = {"preset": "ultrafast", "crf": "20"}
KINDS: Final = (
    Kind("bframes.mp4", "libx264", 180, _steady(25), _X264 | {"bf": "3", "g": "24"}, {"movflags": "faststart"}),
    Kind("run.ts", "libx264", 150, _steady(25), _X264 | {"bf": "2", "g": "30"}, {}),
    Kind("uneven.mkv", "libx264", 140, _uneven, _X264 | {"bf": "2", "g": "40"}, {}),
    Kind("twice.ts", "libx264", 40, _steady(25), _X264 | {"bf": "2", "g": "20"}, {}, _double),
    Kind(
        "pieces.mp4",
        "libx264",
        160,
        _steady(12.5),
        _X264 | {"bf": "2", "g": "25"},
        {"movflags": "frag_keyframe+empty_moov"},
    ),
    Kind("old.avi", "mpeg4", 150, _steady(30000 / 1001), {"g": "15", "b": "800k"}, {}),
    Kind("small.webm", "libvpx-vp9", 90, _steady(30), {"deadline": "realtime", "cpu-used": "8", "g": "30"}, {}),
    Kind("odd.mov", "libx264", 150, _steady(24000 / 1001), _X264 | {"bf": "3", "g": "48"}, {}),
    Kind("damaged.ts", "libx264", 150, _steady(25), _X264 | {"bf": "2", "g": "25"}, {}, _flip),
    Kind("cut.mkv", "libx264", 150, _steady(25), _X264 | {"bf": "2", "g": "25"}, {}, _cut),
)
SETS: Final[tuple[tuple[str, ...], ...]] = (
    ("bframes.mp4", "run.ts"),
    ("uneven.mkv", "twice.ts", "pieces.mp4"),
    ("old.avi", "small.webm", "damaged.ts"),
    ("odd.mov", "cut.mkv", "run.ts"),
    ("cars.mp4", "people.gif"),
)
"""Recordings that are run together."""


def write_all(folder: Path, shared: Path | None, names: Sequence[str] | None = None) -> dict[str, Path]:
    """Write the recordings, all or some, and return them by name; real ones are missing without the `shared` data."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        kind.name: _write(folder / kind.name, kind, tag)
        for tag, kind in enumerate(KINDS, 1)
        if names is None or kind.name in names
    }
    if shared is not None:
        made["cars.mp4"] = _first(shared / "videos/car-detection.mp4", folder / "cars.mp4", 200)
        made["people.gif"] = Path(shutil.copy(shared / "videos/people-detection.gif", folder / "people.gif"))
    return made


def _write(path: Path, kind: Kind, tag: int) -> Path:
    if path.exists():
        return path
    with av.open(str(path), "w", options=kind.muxer) as output:
        stream = cast(VideoStream, output.add_stream(kind.codec, rate=Fraction(30), options=kind.options))
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        tick = Fraction(1, _TICKS)
        if kind.codec == "mpeg4":  # MPEG-4 has 16 bits for the rate
            tick = Fraction(1001, 30000)
            stream.codec_context.framerate = 1 / tick
        stream.time_base = stream.codec_context.time_base = tick
        for seq in range(kind.frames):
            picture = VideoFrame.from_ndarray(_picture(tag, seq), "bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = round(kind.times_s(seq) / tick), tick
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    kind.after(path)
    return path


def _picture(tag: int, seq: int) -> NDArray[np.uint8]:
    """Return grey with a bright block that moves, so that no two pictures are the same to an encoder."""
    width, height = SIZE
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, :, 1] += (np.arange(width) // 4).astype(np.uint8)
    left = seq * 3 % (width - 40)
    image[60:90, left : left + 40] = np.random.default_rng((tag, seq)).integers(120, 220, (30, 40, 3), np.uint8)
    strip.stamp(image, strip.tagged(tag, seq))
    return image


def _first(source: Path, target: Path, frames: int) -> Path:
    """Copy the beginning of a recording, without encoding it again."""
    if target.exists():
        return target
    with av.open(str(source)) as given, av.open(str(target), "w") as output:
        stream = given.streams.video[0]
        copied = output.add_stream_from_template(stream)
        for number, packet in enumerate(given.demux(stream)):
            if number < frames and packet.dts is not None:
                packet.stream = copied
                output.mux(packet)
    return target


def shown(path: Path) -> list[tuple[float, int | None]]:
    """Return time (seconds) and number of each picture of a video; None: a picture without one."""
    with av.open(str(path)) as container:
        return [(float(frame.time), strip.read(_bgr(frame))) for frame in container.decode(video=0)]


def _bgr(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def complete(names: Sequence[str], made: dict[str, Path]) -> bool:
    """Return whether all of these recordings are there."""
    return all(name in made for name in names)
