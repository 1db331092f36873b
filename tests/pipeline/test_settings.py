"""Whatever is wrong with settings is one line that says where, which key, which value, and what is allowed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.settings import KernelSettings, bare_environment, load, merge
from stages.annotator.settings import AnnotatorRoot
from stages.decoder.settings import DecoderRoot
from stages.detector.settings import DetectorRoot

SOURCE: Final = '{"name": "gate", "source": {"kind": "file", "path": "gate.mp4"}}'


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("DETSTREAM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def complaint(kind: type[KernelSettings], file: Path | None, text: str | bytes = "") -> str:
    """Return the one line about settings that can't be loaded."""
    if file:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(kind, file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_file_and_environment_the_defaults_hold() -> None:
    found = load(DetectorRoot, None)
    assert found.detector.engine.kind == "auto"
    assert found.flow.required == ("annotator",)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (DetectorRoot, "foo: 1", "foo: no such key; allowed: redis, flow, "),
        (DetectorRoot, "7: 1", "7: no such key; allowed: redis, flow, "),
        (DetectorRoot, "_env_prefix: X_", "_env_prefix: no such key; allowed: redis, "),
        (DetectorRoot, "flow: {windw: 1}", "flow.windw: no such key; allowed: picture_size, frame_store, "),
        (DetectorRoot, "flow: {1: 2}", "flow.1: 1: Keys should be strings"),
        (DetectorRoot, "flow: {window: 0}", "flow.window: 0: Input should be greater than or equal to 1"),
        (DetectorRoot, "flow: {frame_store: disk}", "flow.frame_store: 'disk': Input should be 'ring' or 'redis'"),
        (DetectorRoot, "log_level: loud", "log_level: 'loud': Input should be 'debug', 'info', 'warning' or 'error'"),
        (DetectorRoot, "flow: 3", "flow: 3: Input should be a valid dictionary"),
        (DetectorRoot, "detector: {conf: 3}", "detector.conf: 3: Input should be less than or equal to 1"),
        (DetectorRoot, "detector: {engine: {kind: gpu}}", "detector.engine: Input tag 'gpu' found"),
        (DetectorRoot, "detector: {engine: {streams: 1}}", "needs a kind; one of: auto, openvino, "),
        (DetectorRoot, "detector: {engine: {kind: torch, streams: 1}}", "engine.torch.streams: no such key; allowed: "),
        (DetectorRoot, "detector: {engine: torch}", "detector.engine: 'torch': Input should be"),
        (DecoderRoot, f"decoder: {{sources: [{SOURCE}, {SOURCE}]}}", "decoder.sources: two sources are named 'gate'"),
        (DecoderRoot, "decoder: {sources: [{name: a/b}]}", "decoder.sources.0.name: 'a/b': String should match"),
        (DecoderRoot, "decoder: {sources: [{name: a}]}", "decoder.sources.0.source: Field required"),
        (AnnotatorRoot, "annotator: {sinks: [{kind: jsonl}, {kind: mp3}]}", "annotator.sinks.1: Input tag 'mp3'"),
        (AnnotatorRoot, "annotator: {sinks: [{kind: video, crf: 99}]}", "annotator.sinks.0.video.crf: 99: Input"),
        (AnnotatorRoot, "annotator: {sinks: [{kind: jsonl}, {kind: jsonl}]}", "annotator.sinks: two sinks of kind"),
        (AnnotatorRoot, "annotator: {sinks: []}", "annotator.sinks: []: "),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(
    kind: type[KernelSettings], text: str, wanted: str, file: Path
) -> None:
    found = complaint(kind, file, text)
    assert found.startswith(f"{file}: ")
    assert wanted in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("flow:\n\t- x", "is no YAML: while scanning"),
        ("flow: {window: 1", "is no YAML: while parsing"),
        ("\x00", "is no YAML: unacceptable character"),
        (b"\xff\xfe\x00", "can't be read: 'utf-8' codec"),
        ("name: 2020-13-45", "is no YAML: month must be in 1..12"),
        ("[" * 5000, "is no YAML: maximum recursion depth"),
        ("- a", "must be a mapping of settings, is a list"),
        ("a", "must be a mapping of settings, is a str"),
    ],
)
def test_a_damaged_file_is_named(text: str | bytes, wanted: str, file: Path) -> None:
    assert complaint(KernelSettings, file, text).startswith(f"{file}: {wanted}")


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"settings.yaml: can't be read: No such file"):
        load(KernelSettings, file)


@given(st.binary(max_size=40) | st.text("{}[]:-,&*!|>'\"#%@ \n\tabflow019.", max_size=30).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_file_makes_anything_but_settings_or_one_line(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    found = f"{file}: "
    try:
        load(DetectorRoot, file)
    except ConfigError as error:
        found = str(error)
    assert found.startswith(f"{file}: ") and "\n" not in found


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("DETSTREAM_FOO", "1", "DETSTREAM_FOO is no setting; it must start with DETSTREAM_ and one of: "),
        ("DETSTREAM_LOG_LEVEL", "loud", "log_level: 'loud': Input should be 'debug', "),
        ("DETSTREAM_LOG_LEVEL__X", "loud", "DETSTREAM_LOG_LEVEL__X is no setting; DETSTREAM_LOG_LEVEL has no parts"),
        ("DETSTREAM_FLOW__WIDNOW", "1", "flow.widnow: no such key; allowed: picture_size, "),
        ("DETSTREAM_FLOW__WINDOW", "many", "flow.window: 'many': Input should be a valid integer"),
        ("DETSTREAM_FLOW__WINDOW__X", "1", "flow.window: Input should be a valid integer"),
        ("DETSTREAM_FLOW__REQUIRED", "annotator", "DETSTREAM_FLOW__REQUIRED: must be JSON, such as "),
        ("DETSTREAM_FLOW", "{", "DETSTREAM_FLOW: must be JSON, such as "),
        ("DETSTREAM_DETECTOR__ENGINE__STREAMS", "1", "detector.engine: needs a kind; one of: auto, "),
        ("DETSTREAM_DETECTOR__ENGINE__KIND", "gpu", "detector.engine: Input tag 'gpu' found"),
    ],
)
@pytest.mark.parametrize("text", [None, "log_level: debug"])
def test_a_wrong_variable_is_blamed_on_the_environment(
    variable: str, value: str, wanted: str, text: str | None, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert complaint(DetectorRoot, file if text else None, text or "").startswith(f"environment: {wanted}")


def test_a_wrong_variable_inside_a_list_or_beside_a_kind_is_blamed_on_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETSTREAM_DETECTOR__ENGINE__STREAMS", "all")
    found = complaint(DetectorRoot, file, "detector: {engine: {kind: auto}}")
    assert found.startswith("environment: detector.engine.auto.streams: 'all'")
    monkeypatch.delenv("DETSTREAM_DETECTOR__ENGINE__STREAMS")
    monkeypatch.setenv("DETSTREAM_DECODER__SOURCES", f"[{SOURCE.replace('gate', 'a/b')}]")
    assert complaint(DecoderRoot, file, "name: x").startswith("environment: decoder.sources.0.name: 'a/b'")


def test_a_wrong_value_in_the_file_is_blamed_on_the_file_whatever_else_the_environment_says(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETSTREAM_FLOW__WINDOW", "3")
    monkeypatch.setenv("DETSTREAM_NAME", "x")
    assert complaint(DetectorRoot, file, "flow: {retain: -1}").startswith(f"{file}: flow.retain: -1: ")
    assert complaint(DecoderRoot, file, "decoder: {sources: [{name: '/'}]}").startswith(f"{file}: decoder.sources.0.")


def test_the_environment_goes_over_the_file_key_by_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("flow: {window: 3, retain: 5, required: [a]}\nlog_level: debug\n")
    monkeypatch.setenv("DETSTREAM_FLOW__WINDOW", "7")
    monkeypatch.setenv("DETSTREAM_FLOW__REQUIRED", '["b", "c"]')
    monkeypatch.setenv("detstream_log_level", "error")
    found = load(KernelSettings, file)
    assert (found.flow.window, found.flow.retain, found.flow.required) == (7, 5, ("b", "c"))
    assert found.log_level == "error"


@pytest.mark.parametrize("text", ["", "detector: {engine: {kind: openvino, streams: 2}}"])
def test_an_engine_of_another_kind_takes_nothing_over_from_the_one_below(
    text: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(text)
    monkeypatch.setenv("DETSTREAM_DETECTOR__ENGINE__KIND", "torch")
    assert load(DetectorRoot, file).detector.engine.kind == "torch"


def test_an_engine_in_the_file_needs_only_its_kind(file: Path) -> None:
    for kind in ("auto", "openvino", "torch", "null"):
        file.write_text(f"detector: {{engine: {{kind: '{kind}'}}}}")
        assert load(DetectorRoot, file).detector.engine.kind == kind


def test_a_password_is_not_in_the_complaint(file: Path) -> None:
    found = complaint(KernelSettings, file, "redis: redis://user:secret@host")
    assert "secret" not in found and "//…@host" in found


def test_each_stage_ignores_the_sections_of_the_others(file: Path) -> None:
    file.write_text("annotator: {whatever: 1}\ntracker: 7\n")
    assert load(DetectorRoot, file).detector == DetectorRoot().detector


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(KernelSettings, None).flow.window = 3  # type: ignore[misc]


def test_a_bare_environment_holds_none_of_our_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_NAME", "x")
    monkeypatch.setenv("detstream_flow__window", "3")
    monkeypatch.setenv("OTHER", "1")
    found = bare_environment()
    assert found["OTHER"] == "1"
    assert not [name for name in found if name.upper().startswith("DETSTREAM_")]


def trees() -> st.SearchStrategy[dict[str, object]]:
    leaves: st.SearchStrategy[object] = st.integers(0, 3)
    return st.recursive(
        st.dictionaries(st.sampled_from("abc"), leaves, max_size=3),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner | leaves, max_size=3),
        max_leaves=8,
    )


def paths(tree: dict[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from paths(value, (*above, key))
        else:
            yield (*above, key), value


@given(trees(), trees())
def test_all_that_is_put_over_is_in_the_merged_settings(under: dict[str, object], over: dict[str, object]) -> None:
    merged = merge(under, over)
    for path, value in paths(over):
        node: object = merged
        for key in path:
            assert isinstance(node, dict)
            node = node[key]
        assert value in (node, {})
    assert merge(under, {}) == under and merge({}, over) == over
