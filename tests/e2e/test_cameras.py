"""Cameras as people use them: run, list, add, pause, remove, and end; and no secret is left anywhere."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from redis import Redis

from pipeline.cli.live_run import notes
from tests.clips import times, write_clip
from tests.e2e.command import Ended, Running, children, detstream, wait_for
from tests.e2e.outputs import manifest
from tests.rtsp.camera_server import CameraServer

SECRET: Final = "s3cret-Pa55"
SIM: Final = "sim://street?fps=10&size=320x180&objects=2"


@pytest.fixture
def quick_config(tmp_path: Path) -> Path:
    """Settings without a network, and with little patience."""
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump({"detector": {"engine": {"kind": "null", "objects": 2}}}))
    return path


def rows(run: Running) -> dict[str, dict[str, Any]]:
    ended = detstream("sources", "list", "--json", "--run", str(run.pid))
    return {row["source"]: row for row in json.loads(ended.out)} if ended.code == 0 else {}


def sources(run: Running, *arguments: str) -> Ended:
    return detstream("sources", *arguments, "--run", str(run.pid))


def is_live(run: Running, name: str, least: int = 1) -> bool:
    row = rows(run).get(name, {})
    return row.get("state") == "live" and int(row["detected"]) >= least


def test_a_run_ends_after_its_time_with_all_outputs_in_their_final_form(quick_config: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ended = detstream("run", f"gate={SIM}", "--config", quick_config, "--output", output, "--duration", "4s", "--json")
    assert ended.code == 0, ended.err
    (source,) = json.loads(ended.out)["sources"]
    assert source == manifest(output)["sources"][0]
    assert (
        source["status"] == "ok" and source["live"] and source["path"] == "sim://street?fps=10&size=320x180&objects=2"
    )
    text, video = (Path(file) for file in source["files"])
    found = [json.loads(line) for line in text.read_text().splitlines()]
    assert len(found) == source["detected"] > 15
    assert source["frames"] == source["detected"] + source["failed"] + source["dropped"] + source["skipped"]
    told = sum(line["dropped_before"] for line in found)
    assert found[-1]["seq"] + 1 == len(found) + told
    shown = times(video)
    assert len(shown) == len(found) and shown[-1] - shown[0] == pytest.approx(
        found[-1]["pts_s"] - found[0]["pts_s"], abs=0.01
    )
    assert not list(output.glob("*.part*"))


def test_cameras_come_and_go_while_everything_runs(quick_config: Path, tmp_path: Path) -> None:
    arguments = ("run", f"gate={SIM}&seed=1", "--config", quick_config, "--output", tmp_path / "out", "--no-video")
    with Running(*arguments) as run:
        run.until(lambda: is_live(run, "gate"), "the first camera")
        pids = run.stages()
        assert sources(run, "add", f"yard={SIM}&seed=2", "--fps", "5", "--roi", "0,0.5,1,1").code == 0
        run.until(lambda: is_live(run, "yard", 5), "the added camera")
        assert sources(run, "pause", "gate").code == 0
        run.until(lambda: rows(run)["gate"]["state"] == "paused", "the pause")
        before = rows(run)["gate"]["detected"]
        assert sources(run, "resume", "gate").code == 0
        run.until(lambda: is_live(run, "gate", before + 3), "the end of the pause")
        assert sources(run, "remove", "yard").code == 0
        run.until(lambda: "yard" not in rows(run), "the removal")
        assert sources(run, "add", f"yard={SIM}&seed=2").code == 0
        run.until(lambda: is_live(run, "yard"), "the camera that comes back")
        assert run.stages() == pids
        unknown = sources(run, "remove", "moon")
        assert unknown.code == 2 and "no source 'moon'; there are: gate, yard" in unknown.complaint()
        run.signal(signal.SIGINT)
        ended = run.wait()
    assert ended.code == 0, ended.err
    found = {source["source"]: source for source in manifest(tmp_path / "out")["sources"]}
    assert set(found) == {"gate", "yard"} and all(source["status"] == "ok" for source in found.values())
    assert len(found["yard"]["files"]) == 2 and len(found["gate"]["files"]) == 1
    lines = [json.loads(line) for line in Path(found["yard"]["files"][0]).read_text().splitlines()]
    assert all(box["xyxy"][1] >= 90 for line in lines for box in line["detections"])


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[CameraServer]:
    clip = write_clip(tmp_path / "gate.mp4", 60)
    with CameraServer({"/gate": clip}, login=("digest", "joe", SECRET)) as server:
        yield server


def test_no_secret_is_left_anywhere(locked: CameraServer, quick_config: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    gate = f"gate={locked.url(login=f'joe:{SECRET}')}"
    wrong = f"wrong={locked.url(login=f'joe:{SECRET}x')}"
    dead = f"rtsp://joe:{SECRET}@127.0.0.1:9/x"
    with Running("run", gate, wrong, "--config", quick_config, "--output", output) as run:
        run.until(lambda: is_live(run, "gate", 10), "the camera")
        add = sources(run, "add", f"dead={dead}")
        run.until(lambda: rows(run).get("dead", {}).get("last_code") == "refused", "the dead camera")
        run.until(lambda: rows(run)["wrong"]["last_code"] == "auth", "the wrong password")
        listed = detstream("sources", "list", "--run", str(run.pid))
        url = next(note.url for note in notes() if note.pid == run.pid)
        shown = _shown_by_ps([run.pid, *children(run.pid)])
        with Redis.from_url(url) as client:
            names = client.keys()
            dumped = b"".join([*names, *(client.dump(name) or b"" for name in names)])
        run.signal(signal.SIGINT)
        ended = run.wait()
    written = b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file())
    for place in (dumped, written, shown, ended.out, ended.err, listed.out, add.err):
        assert SECRET.encode() not in (place if isinstance(place, bytes) else place.encode())
    assert ended.code == 1 and "gate" in shown
    assert "wrong user name or password" in ended.out


def _shown_by_ps(pids: list[int]) -> str:
    listing = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", ",".join(map(str, pids))], capture_output=True, check=True
    )
    return listing.stdout.decode()


def test_a_secret_may_stay_in_the_environment(locked: CameraServer, quick_config: Path, tmp_path: Path) -> None:
    url = locked.url(login="joe:${GATE_PASSWORD}")
    arguments = ("run", f"gate={url}", "--config", quick_config, "--output", tmp_path / "out", "--no-video")
    with Running(*arguments, env={"GATE_PASSWORD": SECRET}) as run:
        run.until(lambda: is_live(run, "gate"), "the camera")
        run.signal(signal.SIGINT)
        assert run.wait().code == 0
    unset = detstream(*arguments[:4], "--output", tmp_path / "unset")
    assert unset.code == 2 and "${GATE_PASSWORD} in a source's URL is not set" in unset.complaint()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "gate=rtps://cam/1"), "rtps:// is no kind of source"),
        (("run", "sim://street?fps=0"), "sim://street: fps=0: must be greater than 0"),
        (("run", "sim://street", "--duration", "soon"), "'soon' is no duration: write 90s, 10m, 1.5h or 2d"),
        (("sources", "add", "gate=clip.mp4"), "clip.mp4 does not exist"),
        (("sources", "add", "gate=rtsp://cam/1", "--roi", "1,2"), "write LEFT,TOP,RIGHT,BOTTOM"),
        (("sources", "add", "gate=rtsp://cam/1", "--transport", "smoke"), "transport: 'smoke'"),
        (("sources", "list", "--run", "1"), "no `detstream run` of yours has the process 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], line: str, tmp_path: Path) -> None:
    ended = detstream(*arguments, *(("--output", str(tmp_path / "out")) if arguments[0] == "run" else ()))
    assert ended.code == 2
    assert line in ended.complaint()


def test_the_selftest_passes_here() -> None:
    ended = detstream("selftest", "--duration", "4s", "--size", "320x180", "--fps", "10", "--cameras", "2", "--json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["passed"] and result["matched"] == result["published"] > 20
    assert result["wrong_pixels"] == result["unreadable"] == result["duplicates"] == result["gaps_untold"] == 0


def test_a_camera_that_has_an_end_ends_the_run(quick_config: Path, tmp_path: Path) -> None:
    ended = detstream("run", f"{SIM}&frames=20", "--config", quick_config, "--output", tmp_path / "out", "--no-video")
    assert ended.code == 0, ended.err
    wait_for(lambda: list((tmp_path / "out").glob("street-*.jsonl")), "the lines")
