"""Every example of settings is one that the stages accept, and its comments tell the truth."""

import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from pipeline.memory import Budget
from pipeline.settings import KernelSettings, load
from stages.annotator.settings import AnnotatorRoot
from stages.decoder.settings import DecoderRoot
from stages.detector.settings import DetectorRoot
from stages.tracker.settings import TrackerRoot

ROOT: Final = Path(__file__).parents[1]
FILES: Final = (*sorted((ROOT / "configs").glob("*.yaml")), ROOT / "docker/config.yaml")
ROOTS: Final = (DecoderRoot, DetectorRoot, TrackerRoot, AnnotatorRoot)
MIB: Final = 1 << 20


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DETSTREAM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_stage_accepts_the_file(file: Path, root: type[KernelSettings]) -> None:
    settings = load(root, file)
    for key in yaml.safe_load(file.read_text()):
        assert getattr(settings, key) is not None


def test_files_named_in_comments_exist() -> None:
    for file in FILES:
        for named in re.findall(r"--config (\S+)", file.read_text()):
            assert (ROOT / named).is_file(), f"{file.name} names {named}"


def test_shares_of_memory_in_the_compose_file_fit_its_settings() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    memory_mb = load(DecoderRoot, ROOT / "docker/config.yaml").memory_mb
    assert memory_mb is not None
    budget = Budget(memory_mb)
    command = compose["services"]["valkey"]["command"]
    assert command[command.index("--maxmemory") + 1] == f"{budget.broker_mb}mb"
    size = re.search(r"size=(\d+)g", compose["volumes"]["frames"]["driver_opts"]["o"])
    assert size
    assert int(size[1]) * 1024 > budget.rings_mb


def test_folders_in_the_settings_for_containers_are_mounted() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    mounted = {
        stage: {volume.split(":")[-2 if volume.endswith(":ro") else -1] for volume in service.get("volumes", [])}
        for stage, service in compose["services"].items()
    }
    file = ROOT / "docker/config.yaml"
    assert str(load(AnnotatorRoot, file).annotator.output) in mounted["annotator"]
    assert str(load(DecoderRoot, file).ring_folder) in mounted["decoder"]
    for _, recording in load(DecoderRoot, file).decoder.recordings:
        assert str(Path(recording.address).parent) in mounted["decoder"]
