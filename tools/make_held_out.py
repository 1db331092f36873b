"""Make `demo/held-out`, frames that the demo weights never saw: ``python -m tools.make_held_out --videos DIR``.

The same labels twice: as Ultralytics has them (`data.yaml`, `labels/`) and as COCO has them (`instances.json`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import typer

from tools.demo.labels import CARS, CLASS_NAMES, PEOPLE, Labelled, Scene, clean_plate, label, read_clip, split

HELD_OUT: Final = Path(__file__).parents[1] / "demo" / "held-out"
QUALITY: Final = 88
"""Of the JPEGs."""
PICTURES: Final = ((PEOPLE, 36), (CARS, 24))
"""How many of each clip: in its last fifth people are looked at every 4th frame and stand still, cars drive by."""


def main(
    videos: Annotated[Path, typer.Option(help=f"Folder with {PEOPLE.file} and {CARS.file}.")],
    output: Annotated[Path, typer.Option(help="Folder of the data set.")] = HELD_OUT,
) -> None:
    """Label the clips and write some frames of their last fifths."""
    chosen = [(name(scene, frame), frame) for scene, count in PICTURES for frame in pick(videos, scene, count)]
    write(output, sorted(chosen, key=lambda pair: pair[0]))
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    typer.echo(f"{output}: {len(chosen)} pictures, {size / 1e6:.2f} MB")


def pick(videos: Path, scene: Scene, count: int) -> list[Labelled]:
    """Return frames of the last fifth of a clip, evenly spread over its frames."""
    frames = read_clip(videos / scene.file)
    _, held_out = split(label(frames, clean_plate(frames, scene.empty_frame), scene), len(frames))
    return [held_out[index * len(held_out) // count] for index in range(count)]


def name(scene: Scene, frame: Labelled) -> str:
    """Return the name of a frame's files."""
    return f"{CLASS_NAMES[scene.class_id]}-{frame.seq:04d}"


def write(output: Path, pictures: Sequence[tuple[str, Labelled]]) -> None:
    """Write named frames and their labels in both formats, over what is there."""
    for folder in ("images", "labels"):
        (output / folder).mkdir(parents=True, exist_ok=True)
        for old in (output / folder).iterdir():
            old.unlink()
    for stem, frame in pictures:
        cv2.imwrite(str(output / "images" / f"{stem}.jpg"), frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        (output / "labels" / f"{stem}.txt").write_text("".join(_lines(frame)))
    names = "".join(f"  {number}: {text}\n" for number, text in enumerate(CLASS_NAMES))
    (output / "data.yaml").write_text(f"# Made by tools/make_held_out.py\nval: images\nnames:\n{names}")
    (output / "instances.json").write_text(json.dumps(_coco(pictures), separators=(",", ":")) + "\n")


def _lines(frame: Labelled) -> list[str]:
    height, width = frame.image.shape[:2]
    boxes = [(x1, y1, x2, y2) for x1, y1, x2, y2 in frame.boxes.tolist()]
    shares = [((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
              for x1, y1, x2, y2 in boxes]  # fmt: skip
    return [f"{frame.class_id} {' '.join(f'{share:.8f}' for share in row)}\n" for row in shares]


def _coco(pictures: Sequence[tuple[str, Labelled]]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for number, (stem, frame) in enumerate(pictures, 1):
        height, width = frame.image.shape[:2]
        images.append({"id": number, "file_name": f"{stem}.jpg", "width": width, "height": height})
        for x1, y1, x2, y2 in frame.boxes.astype(int).tolist():
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            numbers = {"id": len(annotations) + 1, "image_id": number, "category_id": frame.class_id + 1}
            annotations.append(numbers | box)
    categories = [{"id": number, "name": text} for number, text in enumerate(CLASS_NAMES, 1)]
    return {"images": images, "categories": categories, "annotations": annotations}


if __name__ == "__main__":
    typer.run(main)
