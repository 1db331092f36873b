"""From the clips to what training and evaluation need."""

from pathlib import Path

from tools.demo.cutouts import cut_out
from tools.demo.labels import Labelled, Scene, clean_plate, label, read_clip, split
from tools.demo.scenes import Material


def prepare(videos: Path, scene: Scene) -> tuple[Material, list[Labelled]]:
    """Return what to train on, from the first four fifths of the scene's clip, and the labelled frames of the rest.

    Raises:
        FileNotFoundError: The clip is not in the folder ``videos``.
    """
    frames = read_clip(videos / scene.file)
    plate = clean_plate(frames, scene.empty_frame)
    train, held_out = split(label(frames, plate, scene), len(frames))
    busy = tuple(frame for frame in train if len(frame.boxes))
    empty = tuple(frame for frame in train if not len(frame.boxes))
    return Material(scene, plate, busy, empty, cut_out(train, scene)), held_out
