"""Frames as other programs' data sets: COCO, FiftyOne and CVAT, each one function away and without their packages."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count, pairwise
from typing import Any, TypeAlias
from xml.etree import ElementTree

from pipeline.client.items import FrameDetections

Naming: TypeAlias = Callable[[FrameDetections], str]
_Box: TypeAlias = tuple[int, list[float]]


def picture_name(frame: FrameDetections) -> str:
    """Return the name that a frame's picture is given unless you say otherwise: `gate-000041.jpg`."""
    return f"{frame.source}-{frame.seq:06}.jpg"


def to_coco(frames: Iterable[FrameDetections], name: Naming = picture_name) -> dict[str, Any]:
    """Return COCO's dictionary of images, annotations (`score` and `track_id` too) and categories; write it as JSON.

    Category ids are the model's class numbers.
    """
    images, annotations, categories = list[dict[str, Any]](), list[dict[str, Any]](), dict[int, str]()
    for number, frame in enumerate(frames, 1):
        size = {"width": frame.width, "height": frame.height}
        images.append({"id": number, "file_name": name(frame), **size, "source": frame.source, "seq": frame.seq})
        for class_id, label, confidence, track, box in _objects(frame):
            categories[class_id] = label
            left, top, right, bottom = box
            shape = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            who = {"id": len(annotations) + 1, "image_id": number, "category_id": class_id}
            tracked = {} if track is None else {"track_id": track}
            annotations.append({**who, **shape, "iscrowd": 0, "score": confidence, **tracked})
    named = [{"id": class_id, "name": label} for class_id, label in sorted(categories.items())]
    return {"images": images, "annotations": annotations, "categories": named}


def to_fiftyone(frames: Iterable[FrameDetections], name: Naming = picture_name) -> dict[str, Any]:
    """Return what `labels.json` of a FiftyOneImageDetectionDataset holds; its pictures lie in `data/` beside it.

    Load it with `fiftyone.Dataset.from_dir(folder, fiftyone.types.FiftyOneImageDetectionDataset)`.
    """
    labels: dict[str, list[dict[str, Any]]] = {}
    for frame in frames:
        found = [_relative(frame, *one) for one in _objects(frame)]
        labels[name(frame).rpartition(".")[0]] = found
    classes = sorted({one["label"] for found in labels.values() for one in found})
    return {"classes": classes, "labels": labels}


def to_cvat(frames: Iterable[FrameDetections]) -> str:
    """Return `CVAT for video 1.1`, XML, of the frames of one source; the task needs labels of the same names.

    A track is a track there; an object without one is a track of a single frame.
    """
    given = list(frames)
    tracks: dict[tuple[str, object], list[_Box]] = {}
    alone = count()
    for frame in given:
        for _, label, _, track, box in _objects(frame):
            key = (label, f"alone {next(alone)}" if track is None else track)
            tracks.setdefault(key, []).append((frame.seq, box))
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    _add_meta(root, given, sorted({label for label, _ in tracks}))
    following = {before.seq: after.seq for before, after in pairwise(given)}
    for number, ((label, _), boxes) in enumerate(tracks.items()):
        element = ElementTree.SubElement(root, "track", id=str(number), label=label, source="auto")
        _add_boxes(element, boxes, following)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _objects(frame: FrameDetections) -> Iterator[tuple[int, str, float, int | None, list[float]]]:
    tracks = [None if number < 0 else number for number in frame.tracker_id.tolist()]
    boxes = frame.xyxy.astype("float64").round(2).tolist()
    confidences = frame.confidence.astype("float64").round(4).tolist()
    yield from zip(frame.class_id.tolist(), frame.class_name, confidences, tracks, boxes, strict=True)


def _relative(
    frame: FrameDetections, _class: int, label: str, confidence: float, track: int | None, box: list[float]
) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = frame.width, frame.height
    corner = [left / width, top / height, (right - left) / width, (bottom - top) / height]
    tracked = {} if track is None else {"attributes": {"track_id": track}}
    return {"label": label, "bounding_box": corner, "confidence": confidence, **tracked}


def _add_meta(root: ElementTree.Element, frames: list[FrameDetections], labels: list[str]) -> None:
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = frames[0].source if frames else ""
    ElementTree.SubElement(task, "size").text = str(frames[-1].seq + 1 if frames else 0)
    ElementTree.SubElement(task, "mode").text = "interpolation"
    named = ElementTree.SubElement(task, "labels")
    for label in labels:
        ElementTree.SubElement(ElementTree.SubElement(named, "label"), "name").text = label


def _add_boxes(track: ElementTree.Element, boxes: list[_Box], following: dict[int, int]) -> None:
    """Add a track's boxes; where it is not seen in the next frame, one that says so: CVAT would go on with the last."""
    seen = {seq for seq, _ in boxes}
    for seq, box in boxes:
        _add_box(track, seq, box, outside=False)
        after = following.get(seq)
        if after is not None and after not in seen:
            _add_box(track, after, box, outside=True)


def _add_box(track: ElementTree.Element, seq: int, box: list[float], *, outside: bool) -> None:
    corners = {side: f"{value:.2f}" for side, value in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)}
    flags = {"outside": str(int(outside)), "occluded": "0", "keyframe": "1"}
    ElementTree.SubElement(track, "box", {"frame": str(seq), **flags, **corners, "z_order": "0"})
