"""Standard output is a sink's if there is one there: a line a frame, and nothing else."""

import json
from pathlib import Path

from tests.e2e.command import detstream
from tests.e2e.fixtures import FRAMES, Material


def test_a_pipe_gets_a_line_a_frame_and_the_table_goes_elsewhere(material: Material, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text('{annotator: {sinks: [{kind: stdout}]}, detector: {engine: {kind: "null"}}}')
    arguments = ("run", material.clip, "--model", material.model, "--output", tmp_path / "out", "--config", config)
    ended = detstream(*arguments)
    assert ended.code == 0, ended.err
    assert [json.loads(line)["seq"] for line in ended.out.splitlines()] == list(range(FRAMES))
    assert "clip" in ended.err and "ok" in ended.err
