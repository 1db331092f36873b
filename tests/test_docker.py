"""The images and compose files, read as text: there is no engine to build them with where tests run."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[1]
DOCKER: Final = ROOT / "docker"
STAGES: Final = ("decoder", "detector", "tracker", "annotator")
CONFIG: Final = "/etc/detstream/config.yaml"
TARGETS: Final = ("cpu", "gpu")
Instruction = tuple[str, str]


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    loaded = yaml.safe_load((DOCKER / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


def targets() -> dict[str, list[Instruction]]:
    """Return the instructions of each build stage of the Dockerfile, those of the stage it starts from first."""
    lines = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            image, _, name = rest.split()
            current = found[name] = [*found.get(image, [("FROM", image)])]
        elif word:
            current.append((word, rest.strip()))
    return found


def copied() -> set[str]:
    """Return the files and folders of the project that the images are made from."""
    words = [shlex.split(rest) for steps in targets().values() for word, rest in steps if word == "COPY"]
    return {source for parts in words if not parts[0].startswith("--from") for source in parts[:-1]}


def is_sent_to_the_builder(path: str) -> bool:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    matching = [rule for rule in rules if fnmatch(path, rule.removeprefix("!"))]
    return not matching or matching[-1].startswith("!")


@pytest.mark.parametrize("target", TARGETS)
def test_image_runs_as_an_ordinary_user(target: str) -> None:
    users = [rest for word, rest in targets()[target] if word == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}


@pytest.mark.parametrize("target", TARGETS)
def test_image_says_whether_it_is_healthy(target: str) -> None:
    checks = [rest for word, rest in targets()[target] if word == "HEALTHCHECK"]
    assert "CMD" in checks[-1]
    script = re.search(r'"([^"]+\.py)"', checks[-1])
    assert script
    assert any(rest.endswith(script[1]) for word, rest in targets()[target] if word == "COPY")


@pytest.mark.parametrize("target", TARGETS)
def test_image_starts_the_command_line(target: str) -> None:
    assert ("ENTRYPOINT", '["detstream"]') in targets()[target]


@pytest.mark.parametrize("target", TARGETS)
def test_image_holds_the_environment_that_was_built_for_it(target: str) -> None:
    assert ("COPY", f"--from=build-{target} /opt/detstream /opt/detstream") in targets()[target]
    assert f"build-{target}" in targets()


def test_images_start_from_public_ones_with_a_version() -> None:
    images = {steps[0][1] for steps in targets().values()} | {compose()["services"]["valkey"]["image"]}
    for image in images:
        name, _, tag = image.partition(":")
        assert "." not in name.split("/")[0], f"{image} names a registry"
        assert tag not in {"", "latest"}, f"{image} changes under us"


def test_all_that_is_copied_exists_and_reaches_the_builder() -> None:
    assert {"pipeline", "stages", "detstream", "constraints.txt"} <= copied()
    for path in copied():
        assert (ROOT / path).exists(), path
        assert is_sent_to_the_builder(path), path


def test_pins_name_torch_once_as_the_dockerfile_expects() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert len([pin for pin in pins if pin.startswith("torch==")]) == 1


def test_stages_of_the_compose_file_are_those_of_the_project() -> None:
    assert {folder.parent.name for folder in (ROOT / "stages").glob("*/__main__.py")} == set(STAGES)
    assert set(compose()["services"]) == {"valkey", *STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_service_runs_its_stage_with_the_mounted_settings(stage: str) -> None:
    service = compose()["services"][stage]
    assert service["command"] == ["stage", stage, "--config", CONFIG]
    mounted = [volume.split(":") for volume in service["volumes"]]
    source = next(parts[0] for parts in mounted if parts[1] == CONFIG)
    assert (DOCKER / source).is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_service_is_built_here_and_waits_for_the_broker(stage: str) -> None:
    service = compose()["services"][stage]
    build = service["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).is_file()
    assert build["target"] in targets()
    assert service["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    assert service["environment"]["DETSTREAM_REDIS__URL"].startswith("redis://valkey:")


@pytest.mark.parametrize("service", ["valkey", *STAGES])
def test_service_has_no_more_rights_than_it_needs(service: str) -> None:
    settings = compose()["services"][service]
    assert settings["user"].split(":")[0] != "0"
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]


def test_broker_has_a_health_check_and_never_forgets() -> None:
    valkey = compose()["services"]["valkey"]
    assert valkey["healthcheck"]["test"][0] == "CMD"
    assert valkey["command"][valkey["command"].index("--maxmemory-policy") + 1] == "noeviction"


def test_decoder_detector_and_annotator_see_the_same_pixels() -> None:
    services = compose()["services"]
    with_pixels = {name for name in STAGES if "frames:/frames" in services[name]["volumes"]}
    assert with_pixels == {"decoder", "detector", "annotator"}
    options = compose()["volumes"]["frames"]["driver_opts"]
    assert options["type"] == "tmpfs"
    assert re.search(r"\bsize=\d+[mg]\b", options["o"])
    assert "uid=10001" in options["o"]


def test_every_named_volume_is_declared() -> None:
    volumes = [volume for service in compose()["services"].values() for volume in service.get("volumes", [])]
    named = {volume.split(":")[0] for volume in volumes if volume[0] not in "./$"}
    assert named == set(compose()["volumes"])


def test_gpu_file_changes_services_that_exist_and_targets_that_exist() -> None:
    for name, service in compose("compose.gpu.yaml")["services"].items():
        assert name in compose()["services"]
        assert service["build"]["target"] in targets()
