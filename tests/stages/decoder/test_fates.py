"""What becomes of packets: frames, failures told at the wrong one, and those that nobody tells of."""

from collections.abc import Sequence

import pytest
from av.video.frame import VideoFrame

from stages.decoder.fates import Fates
from tests.corpus.formats import H264_FIELDS
from tests.corpus.muxing import opened

PASSED = "can't be decoded (the decoder passes over it)"
MANY = 40
Told = list[tuple[int | None, str]]


def frame(ticks: int | None, dts: int | None = None) -> VideoFrame:
    made = VideoFrame(16, 16, "gray")
    made.pts, made.dts = ticks, dts
    return made


def fed(fates: Fates, packets: Sequence[int], lost: Sequence[int] = (), depth: int = 0) -> list[tuple[int | None, str]]:
    """Send packets that come out at once, but for the lost ones, and return what settles."""
    found: list[tuple[int | None, str]] = []
    for ticks in packets:
        fates.sent(ticks)
        if ticks not in lost:
            fates.came(frame(ticks))
        found += told(fates)
    return found


def told(fates: Fates, depth: int = 0, *, end: bool = False) -> Told:
    return [
        (ticks, "frame" if isinstance(item, VideoFrame) else str(item)) for ticks, item in fates.settled(depth, end=end)
    ]


def test_what_comes_out_is_told_at_once() -> None:
    assert fed(Fates("h264", 0), range(5)) == [(ticks, "frame") for ticks in range(5)]


def test_a_packet_that_is_passed_over_has_its_place_once_it_cannot_come_any_more() -> None:
    fates = Fates("h264", 0)
    early = fed(fates, range(10), lost=[3])
    assert early == [(ticks, "frame") for ticks in range(3)]
    late = fed(fates, range(10, MANY)) + told(fates, end=True)
    assert late == [(3, PASSED), *((ticks, "frame") for ticks in range(4, MANY))]


def test_an_error_that_is_told_at_another_packet_is_no_second_loss() -> None:
    fates = Fates("libdav1d", 0)
    fed(fates, range(5))
    fates.sent(5)
    fates.sent(6)
    fates.failed(6, "damaged")  # but 6 comes, and 5 does not
    fates.came(frame(6))
    assert told(fates, end=True) == [(5, PASSED), (6, "frame")]


def test_a_frame_that_comes_late_after_damage_keeps_its_place() -> None:
    fates = Fates("h264", 0)
    fed(fates, range(5))
    fates.sent(5)
    fates.sent(6)
    fates.failed(6, "damaged")
    fates.sent(7)
    fates.came(frame(7))
    assert told(fates) == []
    fates.came(frame(5))
    assert told(fates, end=True) == [(5, "frame"), (6, "damaged"), (7, "frame")]


def test_what_leads_the_first_frame_is_not_missed() -> None:
    fates = Fates("hevc", 0)
    for ticks in (10, 8, 9):
        fates.sent(ticks)
    fates.came(frame(10))
    fates.sent(7)
    assert told(fates, end=True) == [(10, "frame")]


@pytest.mark.parametrize("codec", ["mpeg4", "vp9"])
def test_packets_without_a_picture_are_not_missed_where_nothing_was_wrong(codec: str) -> None:
    fates = Fates(codec, 0)
    found = fed(fates, range(MANY), lost=[5, 6, 20]) + told(fates, end=True)
    assert found == [(ticks, "frame") for ticks in range(MANY) if ticks not in {5, 6, 20}]


def test_after_an_error_they_are() -> None:
    fates = Fates("mpeg4", 0)
    fed(fates, range(3))
    fates.sent(3)
    fates.failed(3, "damaged")
    found = fed(fates, range(4, MANY), lost=[4]) + told(fates, end=True)
    assert found[:3] == [(3, "damaged"), (4, PASSED), (5, "frame")]


def test_halves_of_pictures_are_not_missed() -> None:
    fates, found = Fates("h264", 0), []
    with opened(H264_FIELDS) as container:
        pictures = list(container.decode(video=0))[: MANY // 2]
    for ticks, picture in zip(range(0, MANY, 2), pictures, strict=True):
        fates.sent(ticks)
        fates.sent(ticks + 1)
        picture.pts = ticks
        fates.came(picture)
        found += told(fates)
    assert found + told(fates, end=True) == [(ticks, "frame") for ticks in range(0, MANY, 2)]


def test_what_nobody_wants_is_told_of_unless_it_comes() -> None:
    fates = Fates("h264", 0)
    for ticks in (0, 1, 2):
        fates.unwanted(ticks)
    fates.came(frame(1))
    fates.sent(3)
    fates.came(frame(3))
    assert told(fates) == [(0, "None"), (1, "frame"), (2, "None"), (3, "frame")]


def test_without_times_what_is_lost_is_counted() -> None:
    fates, found = Fates("h264", 0), []
    for number in range(8):
        fates.sent(None)
        if number not in {4, 5}:
            fates.came(frame(None, number))
        found += told(fates)
    assert found == [*((n, "frame") for n in range(4)), (None, PASSED), (None, PASSED), (6, "frame"), (7, "frame")]


def test_without_times_an_error_is_behind_what_the_decoder_keeps_back() -> None:
    fates, found = Fates("h264", 0), []
    for number in range(8):
        fates.sent(None)
        if number == 4:
            fates.failed(None, "damaged")
        elif number >= 2:
            fates.came(frame(None, number))
        found += told(fates, 2)
    fates.came(frame(None, 8))
    found += told(fates, 2, end=True)
    assert [item for _, item in found].index("damaged") == 4
    assert len(found) == 8
