import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.decoder.scene.figures import BUILDS, Shape, paint
from stages.decoder.scene.street import Street, Truth

SIZE = (320, 180)
STREET = Street(*SIZE, objects=10, seed=3)


def truths(street: Street, frames: int) -> list[Truth]:
    return [street.truth(frame) for frame in range(frames)]


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_a_frame_is_the_same_in_any_order_and_from_any_street_of_its_seed(frames: list[int]) -> None:
    other = Street(*SIZE, objects=10, seed=3)
    expected = {frame: STREET.draw(frame)[0] for frame in frames}
    assert all((other.draw(frame)[0] == expected[frame]).all() for frame in reversed(frames))


def test_another_seed_is_another_street() -> None:
    assert (Street(*SIZE, objects=10, seed=4).draw(0)[0] != STREET.draw(0)[0]).any(axis=2).mean() > 0.5


@given(st.integers(0, 1_000_000))
@settings(deadline=None)
def test_the_truth_lies_in_the_picture_and_names_each_object_once(frame: int) -> None:
    truth = STREET.truth(frame)
    count = len(truth.class_name)
    assert truth.xyxy.shape == (count, 4) and truth.visible.shape == truth.identity.shape == (count,)
    assert (truth.xyxy >= 0).all() and (truth.xyxy <= [*SIZE, *SIZE]).all()
    assert (truth.xyxy[:, 2:] > truth.xyxy[:, :2]).all()
    assert set(truth.class_name) <= {"person", "car"} and len(set(truth.identity.tolist())) == count
    assert ((truth.visible >= 0) & (truth.visible <= 1)).all()


def test_objects_of_both_kinds_come_pass_behind_each_other_and_go() -> None:
    seen = truths(STREET, 1500)
    whole = [set(truth.identity.tolist()) for truth in seen]
    assert {name for truth in seen for name in truth.class_name} == {"person", "car"}
    assert len(set.union(*whole)) > 3 * max(map(len, whole))
    inside = [(truth.xyxy[:, 0] > 0) & (truth.xyxy[:, 2] < SIZE[0]) for truth in seen]
    assert min(truth.visible[within].min(initial=1) for truth, within in zip(seen, inside, strict=True)) < 0.5


def test_an_object_moves_a_little_in_each_frame_and_never_comes_back() -> None:
    gone: set[int] = set()
    before: dict[int, np.ndarray] = {}
    for truth in truths(STREET, 800):
        now = dict(zip(truth.identity.tolist(), truth.xyxy, strict=True))
        gone |= before.keys() - now.keys()
        assert not gone & now.keys()
        assert all(np.abs(now[one] - before[one]).max() < SIZE[0] / 20 for one in now.keys() & before.keys())
        before = now


def test_what_the_truth_says_is_drawn_there() -> None:
    empty = Street(*SIZE, objects=0, seed=3)
    for frame in range(0, 900, 90):
        image, truth = STREET.draw(frame)
        changed = np.abs(image.astype(int) - empty.draw(frame)[0]).max(axis=2) > 12
        allowed = np.zeros(changed.shape, bool)
        for (x1, y1, x2, y2), visible in zip(truth.xyxy, truth.visible, strict=True):
            within = np.s_[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
            allowed[max(0, int(y1) - 2) : int(y2) + 3, max(0, int(x1) - 2) : int(x2) + 3] = True
            assert visible < 0.5 or changed[within].mean() > 0.2
        assert not (changed & ~allowed).any()


def test_the_light_changes_slowly_and_the_noise_at_once() -> None:
    street = Street(*SIZE, objects=0, seed=0)
    pictures = {frame: street.draw(frame)[0].astype(float) for frame in (0, 1, 375)}
    assert abs(pictures[1].mean() - pictures[0].mean()) < 0.5 < 10 < pictures[375].mean() - pictures[0].mean()
    assert 1 < np.abs(pictures[1] - pictures[0]).mean() < 6


def test_an_empty_street_has_an_empty_truth() -> None:
    truth = Street(*SIZE, objects=0, seed=0).truth(7)
    assert (truth.xyxy.shape, truth.class_name, truth.visible.shape) == ((0, 4), (), (0,))


@pytest.mark.parametrize("shape", BUILDS)
@pytest.mark.parametrize("left", [False, True])
def test_a_figure_fills_its_box_and_no_more(shape: Shape, left: bool) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    width = 60 * BUILDS[shape].aspect
    paint(image, shape, (20.0, 20.0, 20 + width, 80.0), (50, 160, 240), left, step=1.5)
    x, y, w, h = cv2.boundingRect(image.max(axis=2))
    assert abs(y - 20) <= 1 and abs(y + h - 80) <= 2
    assert x >= 19 and x + w <= 20 + width + 2 and w > 0.7 * width
