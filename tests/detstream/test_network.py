"""Against the table of the authors' repository (YOLONAS.md): parameters in millions, fused."""

from dataclasses import replace

import pytest
import torch

from detstream.network import _operations, network_size
from stages.detector.yolo_nas.card import read_card
from stages.detector.yolo_nas.layouts import LayoutName


@pytest.mark.parametrize(("layout", "weights"), [("s", 19_053_888), ("m", 51_182_658), ("l", 66_976_392)])
def test_the_weights_are_as_many_as_the_originals(layout: LayoutName, weights: int) -> None:
    assert network_size(read_card(f"random:{layout}")).weights == weights


@pytest.mark.parametrize(("layout", "millions"), [("s", 12.2), ("m", 31.9), ("l", 42.0)])
def test_fused_it_is_as_large_as_exported_ones_are(layout: LayoutName, millions: float) -> None:
    assert network_size(read_card(f"random:{layout}")).parameters / 1e6 == pytest.approx(millions, abs=0.05)


def test_operations_grow_with_the_area_of_the_input() -> None:
    card = read_card("random:n")
    full, half = network_size(card), network_size(replace(card, input_size=(320, 640)))
    assert full.gflops == pytest.approx(2 * half.gflops) and full.parameters == half.parameters


def test_operations_of_the_first_convolution_are_counted_by_hand() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ConvTranspose2d(8, 4, 2, 2))
    by_hand = 2 * (8 * 16 * 16 * 3 * 9 + 16 * 16 * 8 * 4 * 4)
    assert _operations(network, torch.zeros(1, 3, 32, 32)) == by_hand
