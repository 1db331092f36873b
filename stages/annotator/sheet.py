"""A contact sheet: pictures of a recording, side by side, each with its time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 320
"""Of a picture, pixels; one on end is as high."""
_COLUMNS: Final = 4
_GAP: Final = 12
_CAPTION: Final = 26
_TITLE: Final = 40
_PAPER, _INK, _FAINT, _EMPTY = "#ffffff", "#1c2024", "#60666c", "#e4e6e9"
_TITLE_SIZE: Final = 20
_TEXT_SIZE: Final = 13


def save_sheet(path: Path, title: str, tiles: Sequence[tuple[str, NDArray[np.uint8] | None]]) -> None:
    """Write a PNG of (caption, picture BGR uint8 (H, W, 3)) in rows; where there is no picture it says so.

    Raises:
        OSError: it can't be written.
    """
    columns = min(_COLUMNS, max(len(tiles), 1))
    rows = -(-len(tiles) // columns)
    height = max((image.shape[0] for _, image in tiles if image is not None), default=WIDTH * 9 // 16)
    size = (_GAP + columns * (WIDTH + _GAP), _TITLE + _GAP + rows * (height + _CAPTION + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_GAP, _GAP), title, _TITLE_SIZE, size[0] - 2 * _GAP, _INK)
    for number, (caption, image) in enumerate(tiles):
        left = _GAP + number % columns * (WIDTH + _GAP)
        top = _TITLE + _GAP + number // columns * (height + _CAPTION + _GAP)
        _put(sheet, pen, (left, top, height), image)
        _write(pen, (left, top + height + 5), caption, _TEXT_SIZE, WIDTH, _INK)
    sheet.save(path, format="PNG", optimize=False)


def as_jpeg(png: Path, quality: int) -> bytes:
    """Return a picture as JPEG, which is a tenth as large.

    Raises:
        OSError: it can't be read.
    """
    from io import BytesIO

    data = BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(data, format="JPEG", quality=quality, optimize=True)
    return data.getvalue()


def _put(sheet: Image.Image, pen: ImageDraw.ImageDraw, place: tuple[int, int, int], image: Any) -> None:
    left, top, height = place
    pen.rectangle((left, top, left + WIDTH - 1, top + height - 1), fill=_EMPTY)
    if image is None:
        _write(pen, (left + _GAP, top + height // 2 - 8), "no picture of this frame", _TEXT_SIZE, WIDTH, _FAINT)
        return
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    sheet.paste(picture, (left + (WIDTH - picture.width) // 2, top + (height - picture.height) // 2))


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, width: int, ink: str) -> None:
    """Write a line, cut where there is no more room."""
    font = ImageFont.load_default(size)
    shown = text
    while shown and pen.textlength(shown + ("…" if shown != text else ""), font) > width:
        shown = shown[:-1]
    pen.text(at, shown if shown == text else shown + "…", fill=ink, font=font)


def caption(when: str, fields: Mapping[str, Any]) -> str:
    """Return what is written below a picture."""
    if fields["status"] != "ok":
        return f"{when}  ·  {fields['status']}"
    count = len(fields["detections"])
    return f"{when}  ·  {count or 'no'} object{'' if count == 1 else 's'}"
