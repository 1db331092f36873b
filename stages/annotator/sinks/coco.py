"""COCO JSON: an image a frame, an annotation a detection; an item a line, so that it need not be held in memory."""

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from stages.annotator.append_file import writing
from stages.annotator.derived import Finished, Row
from stages.annotator.whole_file import Draft

_CHUNK: Final = 1 << 20
_IMAGES: Final = '"images": ['
_ANNOTATIONS: Final = '"annotations": ['


class CocoSink(BaseModel):
    """Settings of the COCO JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["coco"] = "coco"

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return the file that it makes."""
        return (folder / f"{stem}.coco.json",)

    def derive(self, finished: Finished) -> "CocoFile":
        """Begin to make it of the lines.

        Raises:
            SinkError: it can't be written.
        """
        return CocoFile(self.outputs(finished.folder, finished.stem)[0], finished.stem)

    def rows(self, folder: Path, stem: str, source: str = "") -> Iterator[Row]:
        """Yield what the file tells of each frame."""
        (path,) = self.outputs(folder, stem)
        names = {item["id"]: item["name"] for item in _categories(path)}
        annotations = _items(path, _ANNOTATIONS)
        ahead = next(annotations, None)
        for image in _items(path, _IMAGES):
            objects = []
            while ahead is not None and ahead["image_id"] == image["id"]:
                objects.append(_object_in(ahead, names))
                ahead = next(annotations, None)
            yield Row(image["frame_index"], image["pts_s"], image["status"], tuple(objects))


class CocoFile:
    """The file while it is made: annotations wait in one of their own, as they stand behind all images."""

    def __init__(self, target: Path, stem: str) -> None:
        self._stem = stem
        self._draft, self._behind = Draft(target), Draft(target.with_name(target.name + ".annotations"))
        with writing(target):
            self._images = self._draft.path.open("w+b")
            self._annotations = self._behind.path.open("w+b")
        self._names: dict[int, str] = {}
        self._count = 0
        self._first = True
        self._write(self._images, f'{{"info": {_json({"description": f"detstream: {stem}"})},\n{_IMAGES}')

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take the next line's content."""
        self._write(self._images, ("\n" if self._first else ",\n") + _json(_image(fields, self._stem)))
        self._first = False
        for item in fields["detections"]:
            self._names[item["class_id"]] = item["class_name"]
            text = _json(_annotation(item, self._count + 1, fields["seq"]))
            self._write(self._annotations, (",\n" if self._count else "\n") + text)
            self._count += 1

    def finish(self) -> Iterator[None]:
        """Put the file in its place."""
        self._write(self._images, f"\n],\n{_ANNOTATIONS}")
        self._annotations.seek(0)
        while chunk := self._annotations.read(_CHUNK):
            self._write(self._images, chunk)
            yield
        categories = [{"id": number, "name": name} for number, name in sorted(self._names.items())]
        self._write(self._images, f'\n],\n"categories": {_json(categories)}}}\n')
        with writing(self._draft.target):
            self._images.flush()
        self._draft.keep()
        yield

    def close(self) -> None:
        """Leave nothing of what is not finished."""
        for file, draft in ((self._images, self._draft), (self._annotations, self._behind)):
            try:
                with writing(self._draft.target):
                    file.close()
            finally:
                draft.drop()

    def _write(self, file: Any, text: str | bytes) -> None:
        with writing(self._draft.target):
            file.write(text.encode() if isinstance(text, str) else text)


def _image(fields: Mapping[str, Any], stem: str) -> dict[str, Any]:
    """Return an image as COCO has it; its file's name is what `ffmpeg -start_number 0 STEM/%08d.jpg` would make."""
    captured = {} if fields["timestamp"] is None else {"date_captured": fields["timestamp"]}
    return {
        "id": fields["seq"],
        "file_name": f"{stem}/{fields['seq']:08d}.jpg",
        "width": fields["width"],
        "height": fields["height"],
        "video": fields["source"],
        "frame_index": fields["seq"],
        "pts_s": fields["pts_s"],
        **captured,
        "status": fields["status"],
        **({"error": fields["error"]} if "error" in fields else {}),
    }


def _annotation(item: Mapping[str, Any], number: int, image: int) -> dict[str, Any]:
    """Return an annotation as COCO has it; numbers begin with 1, as pycocotools takes 0 for none."""
    x1, y1, x2, y2 = item["xyxy"]
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    return {
        "id": number,
        "image_id": image,
        "category_id": item["class_id"],
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": item["confidence"],
        "track_id": item["tracker_id"],
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _items(path: Path, section: str) -> Iterator[dict[str, Any]]:
    """Yield the items of a section, which are a line each."""
    with path.open() as file:
        for line in file:
            if line.rstrip("\n") == section:
                break
        for line in takewhile(lambda line: not line.startswith("]"), file):
            yield json.loads(line.rstrip(",\n"))


def _categories(path: Path) -> list[dict[str, Any]]:
    """Return the categories, which are the last line."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _CHUNK, 0))
        last = file.read().splitlines()[-1].decode()
    return list(json.loads("{" + last)["categories"])


def _object_in(annotation: Mapping[str, Any], names: Mapping[int, str]) -> tuple[Any, ...]:
    x, y, width, height = annotation["bbox"]
    number = annotation["category_id"]
    box = (x, y, round(x + width, 2), round(y + height, 2))
    return (*box, annotation["score"], number, names[number], annotation["track_id"])
