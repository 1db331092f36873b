"""Where a camera may be shown live, with its boxes; the settings that all ways have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.settings import Section


@dataclass(frozen=True, slots=True)
class Target:
    """What FFmpeg is to write, and where."""

    url: str = field(repr=False)
    """Perhaps with a secret."""
    shown: str
    format: str
    options: Mapping[str, str]


class Showing(Section):
    """Settings of a picture that is shown live; x264 as with `video`."""

    kind: str
    crf: int = Field(default=26, ge=0, le=51, description="quality: less is better and larger")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast"] = "superfast"
    key_every_s: float = Field(default=2.0, gt=0, le=60)
    """Seconds between keyframes: who comes later waits for one."""

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return no file that stays."""
        return ()

    @abstractmethod
    def target(self, folder: Path, source: str) -> Target:
        """Return where a camera is shown; `folder` is that of the outputs. Each sink has its own.

        Raises:
            ConfigError: something that is named is not set.
        """
