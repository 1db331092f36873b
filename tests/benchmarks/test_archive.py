import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pipeline_benchmark_runs_and_writes_ratios(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = ["--engine", "null", "--rounds", "1", "--frames", "20", "--json", str(result)]
    subprocess.run([sys.executable, "-m", "benchmarks.archive", *options], cwd=ROOT, check=True, capture_output=True)
    measured = json.loads(result.read_text())["engines"]["null"]
    assert measured["frames"] == 20
    assert measured["boxes_a_frame"] == 12
    assert measured["ratios"]["pipeline / serial, same engine"]["min"] > 0
