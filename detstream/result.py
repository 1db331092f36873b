"""What was found in one picture."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detstream.boxes import Boxes
from detstream.pictures import Picture
from pipeline.client.items import as_supervision
from pipeline.errors import SinkError, SourceError
from pipeline.messages import Detections, Rows
from stages.annotator.draw import draw
from stages.annotator.lines import line_fields

if TYPE_CHECKING:
    import supervision as sv


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The objects in one image or one frame of a video; or, with an `error`, none, and no picture."""

    picture: Picture
    detections: Detections
    """As they go through the pipeline."""
    names: Mapping[int, str]
    """Name of each class that the model knows, by number."""
    speed: Mapping[str, float]
    """Milliseconds of `preprocess`, `inference` (waiting behind the frames before it included) and `postprocess`."""

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """Boxes, shape (N, 4), in pixels of the picture, inside it."""
        return self.detections.xyxy

    @property
    def confidence(self) -> NDArray[np.float32]:
        """In [0, 1], shape (N,), best first."""
        return self.detections.confidence

    @property
    def class_id(self) -> NDArray[np.int32]:
        """Shape (N,)."""
        return self.detections.class_id

    @property
    def class_name(self) -> tuple[str, ...]:
        """Length N."""
        return self.detections.class_name

    @property
    def boxes(self) -> Boxes:
        """The same under Ultralytics' names: `.xyxy`, `.conf`, `.cls`, `.xywh`, `.xyxyn`."""
        return Boxes(self.xyxy, self.confidence, self.class_id, self.orig_shape)

    @property
    def orig_img(self) -> NDArray[np.uint8]:
        """The picture, BGR uint8 (H, W, 3).

        Raises:
            SourceError: there is none, for the reason in `error`.
        """
        if self.picture.image is None:
            raise SourceError(f"no picture of {self.path}: {self.error}")
        return self.picture.image

    @property
    def orig_shape(self) -> tuple[int, int]:
        """Height, width of the picture in pixels; 0 where there is none."""
        return self.picture.meta.height, self.picture.meta.width

    @property
    def path(self) -> str:
        """Of the image or video; `image0.jpg`, `image1.jpg`, … for pictures that came in memory."""
        return self.picture.meta.source

    @property
    def frame(self) -> int:
        """Number of the frame in its video, from 0; 0 for an image."""
        return self.picture.meta.seq

    @property
    def pts_s(self) -> float:
        """Time of the frame in its video, in seconds; 0 for an image."""
        return self.picture.meta.pts_s

    @property
    def error(self) -> str | None:
        """Why it was not looked at; None if it was."""
        return self.detections.error

    def plot(self) -> NDArray[np.uint8]:
        """Return a copy of the picture with boxes and labels, BGR uint8 (H, W, 3).

        Raises:
            SourceError: there is no picture, for the reason in `error`.
        """
        return draw(self.orig_img.copy(), self.detections)

    def save(self, filename: str | PathLike[str]) -> Path:
        """Write `plot()` to an image file of the kind that its suffix names, and return its path.

        Raises:
            SinkError: it can't be written, or the suffix is of no image that OpenCV writes.
            SourceError: there is no picture, for the reason in `error`.
        """
        path = Path(filename)
        try:
            written, data = cv2.imencode(path.suffix or ".", self.plot())
        except cv2.error:
            written = False
        if not written:
            raise SinkError(f"{path} can't be written: {path.suffix!r} is no kind of image; take .jpg or .png")
        try:
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise SinkError(f"{path} can't be written: {error.strerror}") from error
        return path

    def to_supervision(self) -> "sv.Detections":
        """Return the same as `supervision.Detections`, names as `data["class_name"]`."""
        return as_supervision(self.detections)

    def summary(self) -> list[dict[str, Any]]:
        """Return a dictionary an object: `name`, `class`, `confidence`, and `box` with `x1`, `y1`, `x2`, `y2`."""
        rows = zip(self.class_name, self.class_id.tolist(), self.confidence.tolist(), self.xyxy.tolist(), strict=True)
        return [
            {"name": name, "class": number, "confidence": round(share, 4), "box": _corners(box)}
            for name, number, share, box in rows
        ]

    def to_json(self) -> str:
        """Return one line of JSON, of the fields that `detstream run` writes; `source` is the path."""
        return json.dumps(line_fields(self.detections), separators=(",", ":"), ensure_ascii=False)

    def verbose(self) -> str:
        """Return how many of which class, as in `4 cars, 1 person`."""
        if self.error is not None:
            return f"failed: {self.error}"
        counts = Counter(self.class_name)
        return ", ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in counts.items()) or "(no detections)"

    def __len__(self) -> int:
        return len(self.detections)

    def __getitem__(self, index: Rows) -> "Result":
        """Return the result with these objects only."""
        return replace(self, detections=self.detections[index])

    def __iter__(self) -> Iterator["Result"]:
        """Yield a result an object."""
        return (self[index] for index in range(len(self)))


def _corners(box: list[float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in zip(("x1", "y1", "x2", "y2"), box, strict=True)}
