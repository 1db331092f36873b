"""Pictures that are in memory already, as numpy arrays, PIL images or torch tensors."""

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError

_WANTED: Final = (
    "a picture is BGR uint8 (H, W, 3), grey uint8 (H, W), a PIL image, or an RGB tensor (3, H, W) in [0, 1]"
)


def is_picture(source: object) -> bool:
    """Return whether this is a picture, or a batch of them, and no path; neither PIL nor torch is imported for it."""
    return isinstance(source, np.ndarray) or _is_a(source, "PIL.Image", "Image") or _is_a(source, "torch", "Tensor")


def as_pictures(source: Any) -> list[NDArray[np.uint8]]:
    """Return the pictures, BGR uint8 (H, W, 3), of an array, a PIL image or a tensor; a batch has a fourth axis.

    Raises:
        ConfigError: it is of another shape or type.
    """
    if _is_a(source, "PIL.Image", "Image"):
        return [_checked(np.asarray(source.convert("RGB"))[..., ::-1])]
    if _is_a(source, "torch", "Tensor"):
        source = _from_tensor(source)
    return [_checked(image) for image in source] if source.ndim == 4 else [_checked(source)]


def _is_a(source: object, module: str, name: str) -> bool:
    """Return whether it is of a class of a module; who has such an object has imported the module."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(source, kind)


def _from_tensor(tensor: Any) -> NDArray[Any]:
    values: NDArray[Any] = tensor.detach().cpu().numpy()
    if values.ndim not in (3, 4) or values.shape[-3] != 3 or values.dtype.kind != "f":
        raise ConfigError(f"a {tensor.dtype} tensor of shape {tuple(values.shape)} is no picture: {_WANTED}")
    if not (np.isfinite(values).all() and values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
        raise ConfigError(f"a tensor with values outside [0, 1] is no picture: {_WANTED}")
    return np.moveaxis((values[..., ::-1, :, :] * 255).round().astype(np.uint8), -3, -1)


def _checked(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)) or not image.size:
        raise ConfigError(f"an array of {image.dtype} {image.shape} is no picture: {_WANTED}")
    colours = image if image.shape[2:] == (3,) else np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(colours)
