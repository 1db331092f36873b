"""Files that are shorter than they say."""

import struct
from pathlib import Path
from typing import Any, Final

import pytest

from stages.decoder.extent import is_cut_off
from tests.stages.decoder.videos import make, steady

CODECS: Final[dict[str, dict[str, Any]]] = {".webm": {"codec": "libvpx-vp9"}, ".gif": {"codec": "gif"}}


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.gif"])
def test_a_byte_less_is_noticed(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, steady(20), **CODECS.get(Path(name).suffix, {}))
    assert not is_cut_off(path)
    data = path.read_bytes()
    for missing in (100, len(data) // 2):
        path.write_bytes(data[:-missing])
        assert is_cut_off(path)


def test_fragments_are_looked_at_one_by_one(tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = make(tmp_path / "a.mp4", steady(60), options=options, tune={"g": "10"})
    assert not is_cut_off(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"mdat") + 10])
    assert is_cut_off(path)
    middle = data.index(b"moof", len(data) // 2)
    path.write_bytes(data[: middle - 500] + data[middle - 400 :])
    assert is_cut_off(path)


def test_what_a_camera_puts_behind_an_mp4_is_its_own(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", steady(20))
    path.write_bytes(path.read_bytes() + bytes(range(255)))
    assert not is_cut_off(path)


def test_what_does_not_say_how_long_it_is_is_believed(tmp_path: Path) -> None:
    live = make(tmp_path / "live.mkv", steady(20), options={"live": "1"})
    live.write_bytes(live.read_bytes()[:-500])
    stream = make(tmp_path / "a.ts", steady(20))
    stream.write_bytes(stream.read_bytes()[:-500])
    unfinished = make(tmp_path / "a.avi", steady(20))
    data = bytearray(unfinished.read_bytes())
    data[4:8] = struct.pack("<I", 0)
    unfinished.write_bytes(data[:-500])
    assert not any(map(is_cut_off, (live, stream, unfinished)))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\1mdat", b"\0\0\0\0mdat" + bytes(99)])
def test_headers_that_are_none_are_no_news(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not is_cut_off(path)
