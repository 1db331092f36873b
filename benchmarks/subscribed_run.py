"""How much subscribers take from the real command: `python -m benchmarks.subscribed_run`.

`detstream run` on a recording with the null engine, in turns without subscribers and with some, which follow it with
`subscribe` in processes of their own, at a lower priority, on the same cores.
"""

import argparse
import multiprocessing
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.clip import make_clip
from benchmarks.command import timed_run
from benchmarks.report import ratios, save, show, spread
from detstream import subscribe
from pipeline.embedded_broker import EmbeddedBroker

_SPAWN: Final = multiprocessing.get_context("spawn")


def main() -> None:
    """Measure in turns, and print frames a second and their ratios."""
    options = _options()
    fps: dict[int, list[float]] = {0: [], **{count: [] for count in options.subscribers}}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clip = Path(folder) / "clip.mp4"
        frames = make_clip(options.clip, clip, options.frames)
        for number in range(options.rounds):
            for count, found in fps.items():
                found.append(_run(clip, frames, Path(folder), count, options.nice))
                print(f"round {number + 1}: {found[-1]:8.2f} fps with {count} subscribers", flush=True)
    rows = {f"{count} subscribers": spread(found) for count, found in fps.items()}
    over = {f"{count} / none": ratios(fps[count], fps[0]) for count in options.subscribers}
    show("frames a second", rows)
    show("ratio", over)
    save(options.output, {"nice": options.nice, "frames": frames, "fps": rows, "ratios": over})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=1508)
    parser.add_argument("--nice", type=int, default=10, help="of subscribers, 0 to 19")
    parser.add_argument("--clip", type=Path, default=Path("demo/car-park.mp4"))
    parser.add_argument("--output", type=Path, default=Path("out/benchmarks/subscribed_run.json"))
    return parser.parse_args()


def _run(clip: Path, frames: int, folder: Path, count: int, nice: int) -> float:
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"detector": {"engine": {"kind": "null"}}}))
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedBroker(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        ready: Any = _SPAWN.Barrier(count + 1)
        followers = [_SPAWN.Process(target=_follow, args=(server.url, frames, nice, ready)) for _ in range(count)]
        for follower in followers:
            follower.start()
        ready.wait(120)
        environment = {"DETSTREAM_REDIS__URL": server.url}
        found = timed_run(clip, frames, folder / "out", ("--config", str(config)), environment).steady_fps
        for follower in followers:
            follower.join(60)
            if follower.exitcode:
                raise SystemExit("a subscriber did not get every frame")
    return found


def _follow(url: str, frames: int, nice: int, ready: Any) -> None:
    os.nice(nice)
    with subscribe(url, "clip", until="end") as found:
        ready.wait(120)
        count = sum(1 + frame.missed_before for frame in found)
    if count != frames:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
