"""The model that a command line means."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detstream import NAS
    from stages.detector.yolo_nas.card import ModelCard


def opened(model: str, engine: str, imgsz: str | None, names: str | None, *, half: bool, int8: bool) -> "NAS":
    """Return the detector of some options of a command.

    Raises:
        ConfigError: one of them is wrong.
        ModelError: the weights are missing or damaged.
    """
    from detstream import NAS
    from detstream.options import engine_settings

    return NAS(model, engine=engine_settings(engine, half=half, int8=int8), imgsz=imgsz, names=names)


def naming_hint(card: "ModelCard") -> str | None:
    """Return a line for those whose model doesn't say what its classes are called, None if it does."""
    if card.named_by != "default":
        return None
    kind = "COCO's, as they are 80" if "person" in card.class_names else "called class_0, class_1, …"
    return f"the model doesn't name its classes: they are {kind}; --names sets others"
