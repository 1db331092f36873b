"""Cameras and recordings in, ordered streams of object detections out."""

from importlib.metadata import version

__version__ = version("detstream")
__all__ = ["__version__"]
