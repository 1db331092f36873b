"""Which of a network's answers will be looked at, chosen where they are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Wanted:
    """The best ``top_k`` scores of some classes, and with them all of their anchors."""

    top_k: int
    classes: tuple[int, ...] | None

    def pick(self, boxes: "torch.Tensor", scores: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Return the boxes (B, K, 4) and scores (B, K, C) of the anchors that matter, of (B, A, 4) and (B, A, C).

        An anchor matters if fewer than ``top_k`` have a better best score, or the same one and stand before it: each of
        those has at least one score that comes before all of its own.
        """
        best = (scores if self.classes is None else scores[..., list(self.classes)]).amax(-1)
        # Not `topk`: of equal scores it takes any.
        order = best.sort(dim=1, descending=True, stable=True).indices[:, : self.top_k]
        kept = order.sort(dim=1).values[..., None]
        return boxes.take_along_dim(kept, 1), scores.take_along_dim(kept, 1)
