from pathlib import Path

import pytest

from benchmarks.clip import make_clip
from stages.decoder.sources.file import FileSource

DEMO = Path(__file__).parents[2] / "demo" / "car-park.mp4"


@pytest.mark.parametrize("frames", [5, 400])
def test_a_clip_has_as_many_frames_as_asked_for_shorter_or_longer_than_its_source(tmp_path: Path, frames: int) -> None:
    clip = tmp_path / "clip.mp4"
    assert make_clip(DEMO, clip, frames) == frames
    times = [decoded.pts_s for decoded in FileSource(path=clip).build().frames()]
    assert len(times) == frames
    assert times == sorted(set(times))
