"""Cameras and recordings in, ordered streams of object detections out.

What is heavy is imported when it is first asked for: `import detstream` itself costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detstream.nas import NAS
    from detstream.result import Result

__version__ = version("detstream")
__all__ = ["NAS", "Result", "__version__"]

if not TYPE_CHECKING:  # a checker would take any name for one that there is

    def __getattr__(name: str) -> Any:
        modules = {"NAS": "detstream.nas", "Result": "detstream.result"}
        if name not in modules:
            raise AttributeError(f"module 'detstream' has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)
