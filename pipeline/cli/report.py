"""`report.html`: what became of a run, on one page that needs nothing beside it."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pipeline.cli.report_page import page, sums, table
from pipeline.errors import SinkError
from stages.annotator.sheet import as_jpeg

NAME: Final = "report.html"
MOST_BYTES: Final = 24 << 20
"""Of pictures in the page: some hundred recordings. Those of the others are linked."""

_TIMELINE, _SHEET = ".timeline.png", ".sheet.png"
_HEADINGS: Final = ("source", "status", "frames", "failed", "detections", "seconds", "frames/s", "why")
_NUMBERS: Final = ("frames", "failed", "detections", "seconds", "frames/s")
_JPEG_QUALITY: Final = 82


def write_report(folder: Path, manifest: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> Path:
    """Write `report.html` beside the outputs that a manifest tells of, whole or not at all, and return its path.

    Raises:
        SinkError: it can't be written.
    """
    path, draft = folder / NAME, folder / f".{NAME}.part"
    try:
        with draft.open("w", encoding="utf-8") as file:
            for part in page(f"detstream: {folder.resolve().name}", _parts(folder, manifest, most_bytes)):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SinkError(f"{path}: can't be written: {error.strerror or error}") from error
    return path


def _parts(folder: Path, manifest: Mapping[str, Any], most_bytes: int) -> Iterator[str]:
    sources: Sequence[Mapping[str, Any]] = manifest["sources"]
    yield from _summary(folder, manifest, sources)
    yield f"<h2>{_what(sources).capitalize()}</h2>\n"
    shown = dict(_shown(folder, sources, most_bytes))
    yield from table(_HEADINGS, _NUMBERS, (_row(source, source["source"] in shown) for source in sources))
    if shown:
        yield "<h2>Pictures</h2>\n"
    for source in sources:
        if source["source"] in shown:
            yield from _pictures(folder, source, shown[source["source"]])
    left = sum(len(_stems(source)) for source in sources) - sum(map(len, shown.values()))
    if left:
        yield f'<p class="faint">{left:,} more timelines and contact sheets are beside this page, not in it.</p>\n'
    yield '<div class="screen"><h2>How it was run</h2>\n'
    yield "<details><summary>Settings, versions and machine</summary>\n<pre>"
    yield escape(json.dumps({name: value for name, value in manifest.items() if name != "sources"}, indent=2))
    yield "</pre></details></div>\n"


def _summary(folder: Path, manifest: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    def total(name: str) -> int:
        return sum(int(source[name]) for source in sources)

    states = [source["status"] for source in sources]
    model, versions = manifest["model"], manifest["detstream"]
    yield f"<h1>{escape(folder.resolve().name)}</h1>\n"
    yield f'<p class="faint">{_moment(manifest["started"])} to {_moment(manifest["finished"])} UTC, '
    yield f"detstream {escape(versions)}</p>\n"
    yield f"<p>Model {escape(str(model['name']))} on {escape(str(manifest['engine'] or 'no engine'))}, "
    yield f"classes {escape(_few(model['classes']))}</p>\n"
    counts = [(f"{states.count(state):,}", f"{_what(sources)} {state}") for state in ("ok", "failed", "interrupted")]
    frames = [(f"{total(name):,}", what) for name, what in (("frames", "frames"), ("failed", "frames failed"))]
    found = [item for item in counts if item[0] != "0"]
    yield sums([*found, *frames, (f"{total('detections'):,}", "detections")])


def _row(source: Mapping[str, Any], pictured: bool) -> Sequence[str]:
    name, status = escape(source["source"]), escape(source["status"])
    beside = next((quote(f"{stem}{_TIMELINE}") for stem in _stems(source)), "")
    target = f"#{name}" if pictured else escape(beside)
    title = f'<a href="{target}">{name}</a>' if target else name
    numbers = [f"{source[field]:,}" for field in ("frames", "failed", "detections")]
    rates = [f"{source['wall_s']:,.1f}", f"{source['fps']:,.1f}"]
    return [title, f'<span class="{status}">{status}</span>', *numbers, *rates, escape(source["error"] or "")]


def _shown(folder: Path, sources: Sequence[Mapping[str, Any]], most_bytes: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the sources whose pictures are on the page, and of which stems: failed ones first, while there is room."""
    left = most_bytes
    for source in sorted(sources, key=lambda source: source["status"] == "ok"):
        shown = []
        for stem in _stems(source):
            paths = [folder / f"{stem}{kind}" for kind in (_TIMELINE, _SHEET)]
            left -= sum(path.stat().st_size for path in paths if path.exists())
            if left < 0:
                break
            shown.append(stem)
        if shown:
            yield source["source"], shown


def _pictures(folder: Path, source: Mapping[str, Any], stems: Sequence[str]) -> Iterator[str]:
    name = escape(source["source"])
    yield f'<section id="{name}">\n<h3>{name}</h3>\n<p class="faint">{escape(source["path"])}</p>\n'
    if source["error"]:
        yield f'<p class="failed">{escape(source["error"])}</p>\n'
    for stem in stems:
        what = escape(stem)
        with suppress(OSError):  # it is gone
            data = _data("png", (folder / f"{stem}{_TIMELINE}").read_bytes())
            yield f'<img class="plot" alt="objects of each class over the time of {what}" src="{data}">\n'
        with suppress(OSError):  # it is gone, or no picture
            data = _data("jpeg", as_jpeg(folder / f"{stem}{_SHEET}", _JPEG_QUALITY))
            yield f'<img alt="pictures of {what}" src="{data}">\n'
    yield "</section>\n"


def _stems(source: Mapping[str, Any]) -> list[str]:
    """Return what the names of a source's pictures begin with: its own, or its segments'."""
    return [Path(file).name.removesuffix(_TIMELINE) for file in source["files"] if file.endswith(_TIMELINE)]


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _what(sources: Sequence[Mapping[str, Any]]) -> str:
    return "sources" if any(source.get("live") for source in sources) else "recordings"


def _moment(iso: str) -> str:
    return escape(iso[:19].replace("T", " "))


def _few(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
