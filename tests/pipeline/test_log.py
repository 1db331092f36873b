"""Log lines: JSON for machines, text for people, each with its stage."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from pipeline import log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_one_json_object_with_stage_level_time_and_values() -> None:
    out = io.StringIO()
    log.configure("tracker", stream=out)
    structlog.get_logger().warning("late", source="gäte", lines="a\nb")
    (line,) = out.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"stage": "tracker", "level": "warning", "event": "late", "source": "gäte", "lines": "a\nb"}


def test_a_traceback_is_part_of_its_line() -> None:
    out = io.StringIO()
    log.configure("tracker", stream=out)
    try:
        raise ValueError("no")
    except ValueError:
        structlog.get_logger().exception("crashed")
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["level"] == "error"
    assert "ValueError: no" in json.loads(line)["exception"]


def test_a_terminal_gets_text() -> None:
    out = Terminal()
    log.configure("tracker", stream=out)
    structlog.get_logger().info("ready")
    assert "ready" in out.getvalue() and "{" not in out.getvalue()


def test_the_form_can_be_chosen() -> None:
    out = Terminal()
    log.configure("tracker", json=True, stream=out)
    structlog.get_logger().info("ready")
    assert json.loads(out.getvalue())["event"] == "ready"


def test_lines_below_the_level_are_left_out() -> None:
    out = io.StringIO()
    log.configure("tracker", level="warning", stream=out)
    structlog.get_logger().info("ready")
    structlog.get_logger().error("broken")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["broken"]


def test_a_logger_made_before_follows_a_new_configuration() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure("tracker", stream=first)
    logger = structlog.get_logger()
    logger.info("one")
    log.configure("tracker", stream=second)
    logger.info("two")
    assert "one" in first.getvalue() and "two" not in first.getvalue()
    assert "two" in second.getvalue()
