from pathlib import Path

import pytest
import torch
from torch import nn

from stages.detector.yolo_nas.fuse import fused
from stages.detector.yolo_nas.layouts import LayoutName
from tests.stages.detector.reference import BOX_TOLERANCE, SCORE_TOLERANCE, fill_module, filled


@pytest.mark.parametrize("layout", ["n", "s", "m", "l"])
def test_fused_network_gives_the_same_boxes_and_scores(shared: Path, layout: LayoutName) -> None:
    network = filled(shared, layout)
    image = torch.from_numpy(fill_module(shared).image("input_128x160", 128, 160))
    with torch.inference_mode():
        boxes, scores = network(image)
        fused_boxes, fused_scores = fused(network)(image)
    assert torch.isfinite(boxes).all() and torch.isfinite(scores).all()
    torch.testing.assert_close(fused_boxes, boxes, rtol=0, atol=BOX_TOLERANCE)
    torch.testing.assert_close(fused_scores, scores, rtol=0, atol=SCORE_TOLERANCE)


def test_fused_network_has_no_normalisation_left_and_the_original_is_untouched(shared: Path) -> None:
    network = filled(shared, "n")
    keys = set(network.state_dict())
    assert not [module for module in fused(network).modules() if isinstance(module, nn.BatchNorm2d)]
    assert set(network.state_dict()) == keys
