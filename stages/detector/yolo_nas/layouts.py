"""The published sizes of YOLO-NAS.

Facts from super-gradients 3.7.1, ``recipes/arch_params/yolo_nas_{s,m,l,pose_n}_arch_params.yaml``; ``n`` joins the
backbone and neck of YOLO-NAS-POSE N to a detection head of width 0.33.
"""

from dataclasses import dataclass
from typing import Final, Literal

LayoutName = Literal["n", "s", "m", "l"]

STRIDES: Final = (8, 16, 32)
"""Input pixels per cell of the three levels at which boxes are predicted."""

BINS: Final = 17
"""Distances from an anchor point to a side of the box are distributions over 0..16 strides."""

POOLS: Final = (5, 9, 13)
"""Window sizes of the spatial pyramid pooling at the end of the backbone."""

BN_MOMENTUM: Final = 0.03


@dataclass(frozen=True, slots=True)
class Csp:
    """Size of one cross-stage-partial layer."""

    out: int
    blocks: int
    hidden: int
    intermediates: bool = False
    """Whether the output of every bottleneck is kept, or that of the last only."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of one network."""

    stem: int
    stages: tuple[Csp, Csp, Csp, Csp]
    neck: tuple[Csp, Csp, Csp, Csp]
    heads: tuple[int, int, int]
    """Channels of each head: (128, 256, 512) times the head's width, up to a multiple of 8."""
    bn_eps: float = 1e-3


LAYOUTS: Final[dict[LayoutName, Layout]] = {
    "n": Layout(
        stem=32,
        stages=(Csp(64, 2, 32), Csp(128, 3, 48), Csp(256, 4, 64), Csp(512, 2, 128)),
        neck=(Csp(128, 2, 48), Csp(64, 2, 32), Csp(128, 2, 48), Csp(256, 2, 48)),
        heads=(48, 88, 168),
        bn_eps=1e-6,
    ),
    "s": Layout(
        stem=48,
        stages=(Csp(96, 2, 32), Csp(192, 3, 64), Csp(384, 5, 96), Csp(768, 2, 192)),
        neck=(Csp(192, 2, 64), Csp(96, 2, 48), Csp(192, 2, 64), Csp(384, 2, 64)),
        heads=(64, 128, 256),
    ),
    "m": Layout(
        stem=48,
        stages=(Csp(96, 2, 64, True), Csp(192, 3, 128, True), Csp(384, 5, 256, True), Csp(768, 2, 384)),
        neck=(Csp(192, 2, 192), Csp(96, 3, 64), Csp(192, 2, 192), Csp(384, 3, 256)),
        heads=(96, 192, 384),
    ),
    "l": Layout(
        stem=48,
        stages=(Csp(96, 2, 96, True), Csp(192, 3, 128, True), Csp(384, 5, 256, True), Csp(768, 2, 512, True)),
        neck=(Csp(192, 4, 128), Csp(96, 4, 128), Csp(192, 4, 128), Csp(384, 4, 256)),
        heads=(128, 256, 512),
    ),
}
