from pathlib import Path

import numpy as np
import pytest
import torch

from stages.detector.yolo_nas.heads import Predictions
from stages.detector.yolo_nas.layouts import LayoutName
from stages.detector.yolo_nas.model import YoloNas, build
from tests.stages.detector.reference import BOX_TOLERANCE, SCORE_TOLERANCE, fill_module, state_dict_table


@pytest.mark.parametrize("layout", ["s", "m", "l"])
def test_state_dict_has_the_keys_shapes_and_dtypes_of_the_original(shared: Path, layout: LayoutName) -> None:
    ours = build(layout, 80).state_dict()
    described = {key: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in ours.items()}
    assert described == state_dict_table(shared, layout)


@pytest.mark.parametrize(("height", "width"), [(640, 640), (384, 640)])
def test_boxes_and_scores_are_those_of_the_original(
    shared: Path, reference_s: YoloNas, height: int, width: int
) -> None:
    tag = f"{height}x{width}"
    image = torch.from_numpy(fill_module(shared).image(f"input_{tag}", height, width))
    with torch.inference_mode():
        boxes, scores = reference_s(image)
    with np.load(shared / "conformance" / "S_reference.npz") as reference:
        np.testing.assert_allclose(boxes, reference[f"boxes_{tag}"], rtol=0, atol=BOX_TOLERANCE)
        np.testing.assert_allclose(scores, reference[f"scores_f16_{tag}"].astype(np.float32), rtol=0, atol=2.6e-4)
        picked = scores[:, torch.from_numpy(reference[f"anchors_{tag}"]).long()]
        np.testing.assert_allclose(picked, reference[f"scores_f32_{tag}"], rtol=0, atol=SCORE_TOLERANCE)


def test_training_mode_gives_what_a_loss_needs_and_every_parameter_learns() -> None:
    network = build("n", 2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = network(torch.rand(2, 3, 64, 96).contiguous(memory_format=torch.channels_last))
    assert isinstance(found, Predictions)
    anchors = 8 * 12 + 4 * 6 + 2 * 3
    assert {name: tuple(value.shape) for name, value in found._asdict().items()} == {
        "boxes": (2, anchors, 4),
        "class_logits": (2, anchors, 2),
        "box_logits": (2, anchors, 68),
        "points": (anchors, 2),
        "strides": (anchors, 1),
    }
    (found.boxes.square().mean() + found.class_logits.square().mean()).backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None for value in network.parameters() if value.requires_grad)


def test_anchor_points_are_cell_centres_in_input_pixels() -> None:
    found = build("n", 1)(torch.rand(2, 3, 64, 64))
    assert isinstance(found, Predictions)
    assert found.points[:2].tolist() == [[4, 4], [12, 4]]
    assert found.points[-1].tolist() == [48, 48]
    assert found.strides[[0, 64, 80]].flatten().tolist() == [8, 16, 32]


def test_fresh_network_scores_everything_near_one_percent() -> None:
    logits = build("n", 3).heads.head1.cls_pred.bias
    assert torch.allclose(torch.as_tensor(logits).sigmoid(), torch.tensor(0.01))
