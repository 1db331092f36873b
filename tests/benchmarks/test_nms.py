import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_nms_benchmark_runs_and_both_ways_leave_as_many_objects(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = ["--candidates", "30", "300", "--rounds", "1", "--repeats", "1", "--json", str(result)]
    subprocess.run([sys.executable, "-m", "benchmarks.nms", *options], cwd=ROOT, check=True, capture_output=True)
    measured = json.loads(result.read_text())["candidates"]
    assert [row["left"]["the score filter alone"] for row in measured.values()] == [30, 300]
    assert all(row["left"]["ours"] == row["left"]["cv2"] for row in measured.values())
    assert measured["30"]["ratios"]["ours / cv2"]["min"] > 0
