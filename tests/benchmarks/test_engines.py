import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.naive import naive_torch
from stages.detector.engines.torch import TorchEngine

ROOT = Path(__file__).parents[2]


def test_the_naive_torch_finds_what_the_engine_finds() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8))
    engine = TorchEngine(device="cpu", max_batch=2).build("random:n", (64, 96))
    for naive, ours in zip(
        naive_torch("random:n", (64, 96), "cpu").submit(images).result(), engine.submit(images).result(), strict=True
    ):
        np.testing.assert_allclose(naive.boxes, ours.boxes, atol=5e-3)
        np.testing.assert_allclose(naive.scores, ours.scores, atol=2e-5)
    engine.close()


def test_the_engines_benchmark_runs_and_writes_ratios_and_what_it_could_not_run(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = ["--cases", "random:n@64", "--engines", "torch", "--batches", "1", "2", "--rounds", "1", "--seconds", "0"]
    command = [sys.executable, "-m", "benchmarks.engines", *options, "--json", str(result)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    one, two = json.loads(result.read_text())["cases"]
    assert (one["batch"], two["batch"]) == (1, 2)
    assert one["faster_than_naive"]["torch"]["min"] > 0 and one["images_s_over_naive"]["torch"]["min"] > 0
    assert set(one["ms"]) == {"naive torch", "torch"} and one["refused"] == {}
