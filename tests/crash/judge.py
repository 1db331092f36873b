"""What a disturbed run has left, beside what an undisturbed one leaves."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.crash.material import shown

_ACCOUNTS: Final = (
    "path",
    "status",
    "error",
    "frames",
    "expected",
    "detected",
    "failed",
    "dropped",
    "skipped",
    "detections",
    "codec",
    "width",
    "height",
)
"""Of a source in the manifest: what does not depend on time."""
_SUFFIXES: Final = {"jsonl": ".jsonl", "video": ".mp4"}


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run of some recordings leaves."""

    seconds: float
    lines: dict[str, list[bytes]]
    """By source."""
    shown: dict[str, list[tuple[float, int | None]]]
    accounts: dict[str, dict[str, Any]]

    @property
    def frames(self) -> int:
        """Of all sources together."""
        return sum(map(len, self.lines.values()))


@dataclass(slots=True)
class Verdict:
    """What is wrong with the outputs of a run, in counts and in words."""

    frames: int = 0
    missing: int = 0
    doubled: int = 0
    disordered: int = 0
    differing: int = 0
    """Lines, or pictures of a video, that are not those of the undisturbed run."""
    wrong: list[str] = field(default_factory=list)


def reference_of(output: Path, seconds: float) -> Reference:
    """Return what is in the folder of an undisturbed run."""
    accounts = accounts_of(output)
    lines = {name: (output / f"{name}.jsonl").read_bytes().splitlines(keepends=True) for name in accounts}
    return Reference(seconds, lines, {name: shown(output / f"{name}.mp4") for name in accounts}, accounts)


def accounts_of(output: Path) -> dict[str, dict[str, Any]]:
    """Return the accounts in a manifest, by source."""
    sources = json.loads((output / "manifest.json").read_text())["sources"]
    return {source["source"]: {name: source[name] for name in _ACCOUNTS} for source in sources}


def judged(output: Path, outputs: str, reference: Reference) -> Verdict:
    """Return what is wrong."""
    verdict, kinds = Verdict(), outputs.split("+")
    expected = {f"{name}{_SUFFIXES[kind]}" for name in reference.accounts for kind in kinds} | {"manifest.json"}
    there = {path.name for path in output.iterdir()}
    verdict.wrong += [f"left over: {name}" for name in sorted(there - expected)]
    verdict.wrong += [f"not there: {name}" for name in sorted(expected - there)]
    if expected - there:
        return verdict
    for name in reference.accounts:
        if "jsonl" in kinds:
            _judge_lines(output / f"{name}.jsonl", reference.lines[name], verdict)
        if "video" in kinds:
            _judge_video(output / f"{name}.mp4", reference.shown[name], verdict)
    verdict.wrong += _differences(accounts_of(output), reference.accounts)
    return verdict


def _judge_lines(path: Path, expected: list[bytes], verdict: Verdict) -> None:
    found = path.read_bytes().splitlines(keepends=True)
    seqs = [seq for line in found if (seq := _seq(line)) is not None]
    _count(path, seqs, len(expected), verdict)
    differing = sum(ours != theirs for ours, theirs in zip(found, expected, strict=False))
    verdict.differing += differing
    if found != expected:
        first = next((at for at, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), -1)
        verdict.wrong.append(f"{path.name}: {len(found)} of {len(expected)} lines, {differing} differ from {first} on")


def _judge_video(path: Path, expected: list[tuple[float, int | None]], verdict: Verdict) -> None:
    found = shown(path)
    times = {time_s: seq for seq, (time_s, _) in enumerate(expected)}
    _count(path, [times.get(time_s, -1) for time_s, _ in found], len(expected), verdict)
    differing = [at for at, (ours, theirs) in enumerate(zip(found, expected, strict=False)) if ours != theirs]
    verdict.differing += len(differing)
    if found != expected:
        pairs = [(at, found[at], expected[at]) for at in differing[:3]]
        verdict.wrong.append(f"{path.name}: {len(found)} of {len(expected)} pictures; {len(differing)} differ: {pairs}")


def _count(path: Path, seqs: list[int], frames: int, verdict: Verdict) -> None:
    counts = Counter(seqs)
    verdict.frames += frames
    verdict.missing += sum(seq not in counts for seq in range(frames))
    verdict.doubled += sum(count - 1 for count in counts.values())
    verdict.disordered += sum(after < before for before, after in pairwise(seqs))


def _seq(line: bytes) -> int | None:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError):
        return None


def _differences(ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, expected in theirs.items():
        found = ours.get(name, {})
        for key, value in expected.items():
            if found.get(key) != value:
                yield f"manifest: {key} of {name} is {found.get(key)!r}, not {value!r}"
