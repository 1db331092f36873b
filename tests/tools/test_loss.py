"""The loss of the demo's training, on predictions made by hand."""

import torch
from torch import Tensor

from stages.detector.yolo_nas.heads import Predictions
from tools.demo.loss import Targets, assign, iou, loss

POINTS = torch.tensor([[x + 4.0, y + 4.0] for y in range(0, 64, 8) for x in range(0, 64, 8)])
OBJECT = Targets(torch.tensor([[8.0, 8.0, 40.0, 40.0]]), torch.tensor([1]))
NOTHING = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def _predictions(pictures: int, logit: float = 0.0) -> Predictions:
    count = len(POINTS)
    boxes = torch.cat([POINTS - 16, POINTS + 16], 1).expand(pictures, -1, -1).clone().requires_grad_()
    logits = torch.full((pictures, count, 2), logit, requires_grad=True)
    bins = torch.zeros(pictures, count, 4 * 17, requires_grad=True)
    return Predictions(boxes, logits, bins, POINTS, torch.full((count, 1), 8.0))


def _gradient(value: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(value, of)[0]


def test_pictures_without_objects_push_every_score_down() -> None:
    found = _predictions(2)
    assert (_gradient(loss(found, [NOTHING, NOTHING]), found.class_logits) > 0).all()


def test_an_object_pulls_the_score_of_its_class_up_at_its_centre() -> None:
    found = _predictions(1)
    centre = int((POINTS - 24).norm(dim=1).argmin())
    slope = _gradient(loss(found, [OBJECT]), found.class_logits)[0, centre]
    assert slope[1] < 0 < slope[0]


def test_a_network_that_is_right_loses_less() -> None:
    right, wrong = _predictions(1, -6.0), _predictions(1, -6.0)
    with torch.no_grad():
        at = assign(right.class_logits[0].sigmoid(), right.boxes[0], POINTS, OBJECT).scores > 0
        right.class_logits[0][at] = 6.0
        wrong.class_logits[0][~at] = 6.0
    assert loss(right, [OBJECT]) < loss(wrong, [OBJECT])


def test_an_anchor_wanted_by_two_objects_goes_to_the_better_fit() -> None:
    two = Targets(torch.tensor([[8.0, 8.0, 40.0, 40.0], [0.0, 0.0, 64.0, 64.0]]), torch.tensor([1, 0]))
    found = _predictions(1)
    assigned = assign(found.class_logits[0].sigmoid(), found.boxes[0], POINTS, two)
    centre = int((POINTS - 24).norm(dim=1).argmin())
    assert assigned.boxes[centre].tolist() == two.boxes[0].tolist()
    assert (assigned.scores > 0).sum(1).max() == 1


def test_boxes_that_do_not_touch_overlap_by_nothing() -> None:
    assert iou(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 2.0, 3.0, 3.0])) == 0
