"""What becomes of packets: frames, failures told at the wrong one, and those that nobody tells of."""

from collections.abc import Sequence

import pytest
from av.video.frame import VideoFrame

from stages.decoder.places import Places
from tests.corpus.formats import H264_FIELDS
from tests.corpus.muxing import opened

PASSED = "can't be decoded (the decoder passes over it)"
MANY = 40
Told = list[tuple[int | None, str]]


def frame(ticks: int | None, dts: int | None = None) -> VideoFrame:
    made = VideoFrame(16, 16, "gray")
    made.pts, made.dts = ticks, dts
    return made


def fed(
    places: Places, packets: Sequence[int], lost: Sequence[int] = (), depth: int = 0
) -> list[tuple[int | None, str]]:
    """Send packets that come out at once, but for the lost ones, and return what settles."""
    found: list[tuple[int | None, str]] = []
    for ticks in packets:
        places.sent(ticks)
        if ticks not in lost:
            places.came(frame(ticks))
        found += told(places)
    return found


def told(places: Places, depth: int = 0, *, end: bool = False) -> Told:
    return [
        (ticks, "frame" if isinstance(item, VideoFrame) else str(item))
        for ticks, item in places.settled(depth, end=end)
    ]


def test_what_comes_out_is_told_at_once() -> None:
    assert fed(Places("h264", 0), range(5)) == [(ticks, "frame") for ticks in range(5)]


def test_a_packet_that_is_passed_over_has_its_place_once_it_cannot_come_any_more() -> None:
    places = Places("h264", 0)
    early = fed(places, range(10), lost=[3])
    assert early == [(ticks, "frame") for ticks in range(3)]
    late = fed(places, range(10, MANY)) + told(places, end=True)
    assert late == [(3, PASSED), *((ticks, "frame") for ticks in range(4, MANY))]


def test_an_error_that_is_told_at_another_packet_is_no_second_loss() -> None:
    places = Places("libdav1d", 0)
    fed(places, range(5))
    places.sent(5)
    places.sent(6)
    places.failed(6, "damaged")  # but 6 comes, and 5 does not
    places.came(frame(6))
    assert told(places, end=True) == [(5, PASSED), (6, "frame")]


def test_a_frame_that_comes_late_after_damage_keeps_its_place() -> None:
    places = Places("h264", 0)
    fed(places, range(5))
    places.sent(5)
    places.sent(6)
    places.failed(6, "damaged")
    places.sent(7)
    places.came(frame(7))
    assert told(places) == []
    places.came(frame(5))
    assert told(places, end=True) == [(5, "frame"), (6, "damaged"), (7, "frame")]


def test_what_leads_the_first_frame_is_not_missed() -> None:
    places = Places("hevc", 0)
    for ticks in (10, 8, 9):
        places.sent(ticks)
    places.came(frame(10))
    places.sent(7)
    assert told(places, end=True) == [(10, "frame")]


@pytest.mark.parametrize("codec", ["mpeg4", "vp9"])
def test_packets_without_a_picture_are_not_missed_where_nothing_was_wrong(codec: str) -> None:
    places = Places(codec, 0)
    found = fed(places, range(MANY), lost=[5, 6, 20]) + told(places, end=True)
    assert found == [(ticks, "frame") for ticks in range(MANY) if ticks not in {5, 6, 20}]


def test_after_an_error_they_are() -> None:
    places = Places("mpeg4", 0)
    fed(places, range(3))
    places.sent(3)
    places.failed(3, "damaged")
    found = fed(places, range(4, MANY), lost=[4]) + told(places, end=True)
    assert found[:3] == [(3, "damaged"), (4, PASSED), (5, "frame")]


def test_halves_of_pictures_are_not_missed() -> None:
    places, found = Places("h264", 0), []
    with opened(H264_FIELDS) as container:
        pictures = list(container.decode(video=0))[: MANY // 2]
    for ticks, picture in zip(range(0, MANY, 2), pictures, strict=True):
        places.sent(ticks)
        places.sent(ticks + 1)
        picture.pts = ticks
        places.came(picture)
        found += told(places)
    assert found + told(places, end=True) == [(ticks, "frame") for ticks in range(0, MANY, 2)]


def test_what_nobody_wants_is_told_of_unless_it_comes() -> None:
    places = Places("h264", 0)
    for ticks in (0, 1, 2):
        places.unwanted(ticks)
    places.came(frame(1))
    places.sent(3)
    places.came(frame(3))
    assert told(places) == [(0, "None"), (1, "frame"), (2, "None"), (3, "frame")]


def test_without_times_what_is_lost_is_counted() -> None:
    places, found = Places("h264", 0), []
    for number in range(8):
        places.sent(None)
        if number not in {4, 5}:
            places.came(frame(None, number))
        found += told(places)
    assert found == [*((n, "frame") for n in range(4)), (None, PASSED), (None, PASSED), (6, "frame"), (7, "frame")]


def test_without_times_an_error_is_behind_what_the_decoder_keeps_back() -> None:
    places, found = Places("h264", 0), []
    for number in range(8):
        places.sent(None)
        if number == 4:
            places.failed(None, "damaged")
        elif number >= 2:
            places.came(frame(None, number))
        found += told(places, 2)
    places.came(frame(None, 8))
    found += told(places, 2, end=True)
    assert [item for _, item in found].index("damaged") == 4
    assert len(found) == 8
