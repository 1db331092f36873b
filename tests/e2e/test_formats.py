"""All outputs of a run, and `detstream verify` on them: as they are, and after each kind of mischief."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from pyarrow import parquet

from pipeline.cli.verify_subject import read_run
from pipeline.cli.verifying import Verified, verify
from tests.clips import write_clip
from tests.e2e.command import Running, detstream
from tests.e2e.fixtures import Material
from tests.e2e.outputs import check_accounts, lines, manifest, source_in

ROOT: Final = Path(__file__).parents[2]
FRAMES: Final = {"gate": 40, "yard": 25}
DERIVED: Final = ("coco.json", "jsonl", "mp4", "sheet.png", "timeline.png")
PART: Final = "source=gate/gate.parquet"
Mischief = Callable[[Path], object]


@pytest.fixture(scope="module")
def results(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a run of two recordings, in all formats; `recordings/` lies beside them."""
    folder = tmp_path_factory.mktemp("formats")
    settings, recordings = folder / "settings.yaml", folder / "recordings"
    engine = f"detector: {{model: {material.model}, engine: {{kind: 'null', objects: 4}}}}\n"
    settings.write_text(engine + "annotator: {sinks: [{kind: video, preset: ultrafast}]}\n")
    recordings.mkdir()
    for number, (name, frames) in enumerate(FRAMES.items()):
        write_clip(recordings / f"{name}.mp4", frames, first=50 * number)
    ended = detstream(*command(folder, folder / "results"))
    assert ended.code == 0, ended.err
    return folder / "results"


def command(folder: Path, output: Path) -> Sequence[str | Path]:
    settings = ("--config", folder / "settings.yaml")
    return ("run", folder / "recordings", *settings, "--output", output, "--format", "jsonl,mp4,parquet,coco,report")


@pytest.fixture
def spoilt(results: Path, tmp_path: Path) -> Path:
    """A copy of the outputs, to be spoilt."""
    return Path(shutil.copytree(results, tmp_path / "results"))


def findings(folder: Path, *, decode: bool = False) -> Sequence[str]:
    """Return what `verify` finds wrong with `gate`, and see that `yard` is proved."""
    found = {item.source: item for item in verified(folder, decode=decode)}
    assert found["yard"].verdict == "proved", found["yard"].findings
    assert found["gate"].verdict == ("wrong" if found["gate"].findings else "proved")
    return found["gate"].findings


def verified(folder: Path, *, decode: bool = False) -> list[Verified]:
    return list(verify(read_run(folder), lambda what, spent_s: None, decode=decode))


def test_every_format_is_there_and_in_the_manifest(results: Path) -> None:
    written = manifest(results)
    check_accounts(written, results)
    for name, frames in FRAMES.items():
        source = source_in(written, name)
        parts = [f"parquet/{table}/source={name}/{name}.parquet" for table in ("detections", "frames")]
        assert sorted(source["checks"]) == sorted([*(f"{name}.{kind}" for kind in DERIVED), *parts])
        assert sorted(source["files"]) == sorted(str(results / path) for path in source["checks"])
        assert source["frames"] == frames and source["recording"]["bytes"] > 0
    assert not [path for path in results.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]


def test_an_annotator_killed_while_it_makes_them_costs_nothing(results: Path, tmp_path: Path) -> None:
    output = tmp_path / "results"
    with Running(*command(results.parent, output)) as run:
        run.until(lambda: list(output.rglob("*.tmp")), "an output that is being made")
        os.kill(run.stages()["annotator"], signal.SIGKILL)
        ended = run.wait()
    assert ended.code == 0, ended.err
    assert "annotator-1: died, starting again" in ended.err
    for name in FRAMES:
        ours, theirs = (source_in(manifest(folder), name)["checks"] for folder in (output, results))
        encoded = (f"{name}.mp4", f"{name}.sheet.png")  # x264, begun anew, makes other bits of the same pictures
        assert [path for path in theirs if ours[path] != theirs[path] and path not in encoded] == []
    assert [item.findings for item in verified(output, decode=True)] == [(), ()]


def test_the_query_in_the_readme_counts_what_the_lines_say(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(results.parent)
    rows = duckdb.execute(query.replace("confidence > 0.5", "confidence > 0")).fetchall()
    wanted: dict[tuple[str, str], int] = {}
    for name in FRAMES:
        for found in (item for line in lines(results, name) for item in line["detections"]):
            wanted[name, found["class_name"]] = wanted.get((name, found["class_name"]), 0) + 1
    assert {(row[0], row[1]): row[3] for row in rows} == wanted and len(wanted) == 4


def test_the_report_needs_nothing_beside_it(results: Path) -> None:
    text = (results / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert len(page.sources) == 4 and all(source.startswith("data:image/") for source in page.sources)
    assert page.links == ["#gate", "#yard"] and page.ids == ["gate", "yard"]
    assert "http" not in re.sub(r"data:\S+", "", text) and "url(" not in text
    assert re.search(r"<b>65</b>frames", text) and re.search(r"<b>2</b>recordings ok", text)


def test_what_is_as_it_was_written_is_proved(results: Path) -> None:
    ended = detstream("verify", results, "--decode", "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["proved"] and [item["verdict"] for item in told["sources"]] == ["proved", "proved"]
    assert [(item["source"], item["frames"], item["files"]) for item in told["sources"]] == [
        ("gate", 40, 7),
        ("yard", 25, 7),
    ]


def test_one_line_a_finding_and_exit_code_1(spoilt: Path) -> None:
    (spoilt / "gate.coco.json").unlink()
    ended = detstream("verify", spoilt)
    assert ended.code == 1
    assert re.search(r"gate +wrong +ok +40", ended.out) and re.search(r"yard +proved", ended.out)
    assert "gate: gate.coco.json: is missing\n1 finding in 1 of 2 sources" in ended.out


def _edit(change: Callable[[list[str]], object]) -> Mischief:
    def mischief(folder: Path) -> None:
        path = folder / "gate.jsonl"
        text = path.read_text().splitlines(keepends=True)
        change(text)
        path.write_text("".join(text))

    return mischief


def _move_a_box(text: list[str]) -> None:
    fields = json.loads(text[7])
    fields["detections"][1]["xyxy"][0] += 0.01
    text[7] = json.dumps(fields, separators=(",", ":")) + "\n"


def _swap(text: list[str]) -> None:
    text[10], text[11] = text[11], text[10]


def _cut_rows(folder: Path) -> None:
    path = folder / "parquet/detections/source=gate/gate.parquet"
    parquet.write_table(parquet.read_table(path, partitioning=None).slice(1), path)


def _cut_the_end(name: str, size: int) -> Mischief:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size - size)


def _flip_a_bit(folder: Path) -> None:
    path = folder / "gate.mp4"
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 1
    path.write_bytes(content)


MISCHIEF: Final[dict[str, tuple[Mischief, str]]] = {
    "a removed line": (_edit(lambda text: text.pop(20)), r"gate\.jsonl: frame 20 is missing"),
    "the last line removed": (_edit(lambda text: text.pop()), r"gate\.jsonl: has 39 frames, not 40"),
    "a doubled line": (_edit(lambda text: text.insert(20, text[20])), r"gate\.jsonl: frame 20 stands there twice"),
    "swapped lines": (_edit(_swap), r"gate\.jsonl: frame 10 stands behind frame 11"),
    "a changed box": (_edit(_move_a_box), r"parquet: frame 7 has another detection than gate\.jsonl"),
    "half a line": (_cut_the_end("gate.jsonl", 9), r"gate\.jsonl: can't be read to its end \(line 40 is damaged\)"),
    "a missing file": (lambda folder: (folder / "gate.jsonl").unlink(), r"gate\.jsonl: is missing"),
    "a video cut short": (_cut_the_end("gate.mp4", 5_000), r"gate\.mp4: has \d+ frames, not 40"),
    "a video's beginning only": (
        lambda folder: os.truncate(folder / "gate.mp4", 100),
        r"gate\.mp4 (has no pictures|can't be read)",
    ),
    "a bit flipped in a picture": (_flip_a_bit, r"gate\.mp4: its content has changed \(SHA-256\)"),
    "a row removed": (_cut_rows, r"parquet: has 159 detections, not 160"),
    "a table cut short": (
        _cut_the_end("parquet/frames/source=gate/gate.parquet", 9),
        "parquet: can't be read to its end",
    ),
    "COCO cut short": (_cut_the_end("gate.coco.json", 50), r"gate\.coco\.json: can't be read to its end"),
}


@pytest.mark.parametrize("what", MISCHIEF)
def test_mischief_is_found(what: str, spoilt: Path) -> None:
    mischief, finding = MISCHIEF[what]
    mischief(spoilt)
    found = findings(spoilt)
    assert any(re.search(finding, line) for line in found), found
    assert any(line.endswith(("is missing", "(SHA-256)")) or "bytes, was written with" in line for line in found)
    assert len(found) < 8


@pytest.fixture
def moved(spoilt: Path) -> Path:
    """A copy of the outputs whose recordings are copies too; returns the recording of `gate`."""
    recordings = spoilt.parent / "recordings"
    written = manifest(spoilt)
    for source in written["sources"]:
        found = Path(source["recording"]["path"])
        source["recording"]["path"] = str(recordings / found.name)
        recordings.mkdir(exist_ok=True)
        shutil.copy2(found, recordings)
    (spoilt / "manifest.json").write_text(json.dumps(written))
    assert findings(spoilt) == ()
    return recordings / "gate.mp4"


def test_another_recording_in_its_place_is_found(moved: Path, spoilt: Path) -> None:
    write_clip(moved, 40, first=5)
    assert any("it was replaced" in line for line in findings(spoilt))
    moved.unlink()
    assert any("is gone" in line for line in findings(spoilt))


def test_a_recording_that_was_only_written_to_is_the_same_if_its_checksum_is(moved: Path, spoilt: Path) -> None:
    import hashlib

    os.utime(moved, ns=(1, 1))
    (line,) = findings(spoilt)
    assert "was written to since" in line
    written = manifest(spoilt)
    source_written = next(source for source in written["sources"] if source["source"] == "gate")
    source_written["sha256"] = hashlib.sha256(moved.read_bytes()).hexdigest()
    (spoilt / "manifest.json").write_text(json.dumps(written))
    assert findings(spoilt) == ()
    content = bytearray(moved.read_bytes())
    content[-1] ^= 1
    moved.write_bytes(content)
    assert any("(SHA-256): it was replaced" in line for line in findings(spoilt))


def test_decoded_anew_a_recording_tells_of_frames_that_are_not_written(moved: Path, spoilt: Path) -> None:
    write_clip(moved, 42)
    found = findings(spoilt, decode=True)
    assert any("decoded anew, the recording has 42 frames; 40 are written" in line for line in found)


def test_a_run_that_is_not_finished_says_how_to_go_on(spoilt: Path) -> None:
    written = manifest(spoilt)
    state = spoilt / ".detstream"
    state.mkdir()
    asked = {source["source"]: {"path": source["path"]} for source in written["sources"]}
    (state / "_run.json").write_text(json.dumps({"sources": asked}))
    (state / "yard.json").write_text(json.dumps(source_in(written, "yard")))
    (spoilt / "manifest.json").unlink()
    ended = detstream("verify", spoilt)
    assert ended.code == 1
    assert re.search(r"gate +unfinished", ended.out) and re.search(r"yard +proved", ended.out)
    assert "1 of 2 recordings are done and proved: go on with it" in ended.out and "--resume" in ended.out


def test_of_ten_thousand_recordings_those_are_shown_that_somebody_has_to_look_at(tmp_path: Path) -> None:
    counts = {"frames": 0, "failed": 0, "detections": 0, "checks": {}, "path": "a.mp4"}
    names = {f"cam-{number:04}": {"status": "ok", "error": None} for number in range(10_000)}
    names["cam-7777"] = {"status": "failed", "error": "is empty"}
    names["cam-8888"] = {"status": "interrupted", "error": None}
    sources = [{"source": name, **told, **counts} for name, told in names.items()]
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": sources}))
    ended = detstream("verify", tmp_path)
    assert ended.code == 1 and len(ended.out.splitlines()) == 6
    assert "cam-7777: failed when it was run: is empty" in ended.out
    assert "cam-8888: is interrupted, and nothing says why" in ended.out


@pytest.mark.parametrize("content", [None, "{", "[]", '{"sources": [1]}'])
def test_a_folder_without_a_manifest_is_wrong_use(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    ended = detstream("verify", tmp_path)
    assert ended.code == 2 and "manifest" in ended.complaint()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        self.sources += [values["src"]] if "src" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.ids += [values["id"]] if "id" in values else []
