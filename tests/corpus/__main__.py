"""`python -m tests.corpus`: the table of formats, and of what is left of damaged recordings."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import av

from stages.decoder.opening import opened
from tests.corpus import damaged, formats, reference, tables
from tests.corpus.child import Outcome, Reader
from tests.corpus.damaged import Damaged
from tests.corpus.encoding import FRAMES
from tests.corpus.formats import Recording
from tests.corpus.tables import Row


def main() -> None:
    """Make the corpus, read it, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, too")
    options = parser.parse_args()
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder would tell of itself
    with tempfile.TemporaryDirectory(prefix="detstream-corpus-") as folder, Reader() as reader:
        whole = [_whole(recording, Path(folder), reader) for recording in formats.recordings()]
        cases = [*damaged.in_a_group(), *damaged.cut(), *damaged.unindexed(), *damaged.oversized(), *damaged.anyhow()]
        spoilt = [_damaged(case, Path(folder), reader) for case in cases]
    probe = reference.version() if reference.is_installed() else "not installed"
    versions = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}; ffprobe {probe}"
    parts = (tables.of_formats(whole), tables.of_groups(spoilt), tables.of_damage(spoilt), [versions])
    sys.stdout.write("\n\n".join("\n".join(part) for part in parts) + "\n")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in [*whole, *spoilt]], indent=1) + "\n")


def _whole(recording: Recording, folder: Path, reader: Reader) -> Row:
    path = folder / recording.name
    recording.make(path)
    outcome = reader.read(path)
    pairs = zip(outcome.frames, recording.shows, strict=False)
    wrong = sum(shown != number for (_, _, shown), number in pairs)
    with opened(path, 1, "slice") as (_, stream):
        index = stream.index
    probed = len(reference.probed(path, index)) if reference.is_installed() else None
    return _row(recording, recording.trait, len(recording.shows), wrong, probed, outcome)


def _damaged(case: Damaged, folder: Path, reader: Reader) -> Row:
    outcome = reader.read(case.make(folder / case.base.name))
    wrong = _wrong(case, outcome) if case.damage in damaged.SPOILS else 0
    return _row(case.base, case.damage, FRAMES, wrong, None, outcome)


def _wrong(case: Damaged, outcome: Outcome) -> int:
    """Return how many frames outside the damaged group are not there as they were."""
    lost = damaged.lost(case.base.name)
    if case.base.container in damaged.UNFRAMED:
        found = {damaged.number_at(pts_s - outcome.frames[0][0]): shown for pts_s, _, shown in outcome.frames}
    else:
        found = {place: shown for place, (_, _, shown) in enumerate(outcome.frames)}
    return sum(found.get(number) != number for number in range(FRAMES) if number not in lost)


def _row(recording: Recording, what: str, expected: int, wrong: int, probed: int | None, outcome: Outcome) -> Row:
    said = outcome.died or outcome.error or ""
    frames, failed = len(outcome.frames), len(outcome.failed)
    kind = (recording.name, recording.container, recording.codec, what or "plain")
    measured = (round(outcome.took_s, 3), round(outcome.mb, 1))
    return Row(*kind, expected, frames, failed, wrong, probed, *measured, said, outcome.died is not None)


if __name__ == "__main__":
    main()
