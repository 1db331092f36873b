"""Cameras and recordings in, ordered streams of object detections out.

What is heavy is imported when it is first asked for: `import detstream` itself costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from detstream.nas import NAS
    from detstream.result import Result
    from pipeline.client.asynchronous import AsyncSubscription, subscribe_async
    from pipeline.client.exports import to_coco, to_cvat, to_fiftyone
    from pipeline.client.items import FrameDetections, FrameFailed, FrameSkipped, Gap, SourceEnd
    from pipeline.client.subscription import Subscription, subscribe
    from pipeline.errors import DetstreamError, TrimmedError
    from pipeline.messages import Event, SourceState

__version__ = version("detstream")
__all__ = [
    "NAS",
    "AsyncSubscription",
    "DetstreamError",
    "Event",
    "FrameDetections",
    "FrameFailed",
    "FrameSkipped",
    "Gap",
    "Result",
    "SourceEnd",
    "SourceState",
    "Subscription",
    "TrimmedError",
    "__version__",
    "subscribe",
    "subscribe_async",
    "to_coco",
    "to_cvat",
    "to_fiftyone",
]

_PLACES: Final = {
    "detstream.nas": ("NAS",),
    "detstream.result": ("Result",),
    "pipeline.client.asynchronous": ("AsyncSubscription", "subscribe_async"),
    "pipeline.client.exports": ("to_coco", "to_cvat", "to_fiftyone"),
    "pipeline.client.items": ("FrameDetections", "FrameFailed", "FrameSkipped", "Gap", "SourceEnd"),
    "pipeline.client.subscription": ("Subscription", "subscribe"),
    "pipeline.errors": ("DetstreamError", "TrimmedError"),
    "pipeline.messages": ("Event", "SourceState"),
}

if not TYPE_CHECKING:  # a checker would take any name for one that there is

    def __getattr__(name: str) -> Any:
        for module, names in _PLACES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module 'detstream' has no attribute {name!r}")
