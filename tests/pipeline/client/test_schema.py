"""The schemas are what is sent, and what was promised is still there."""

import json
from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError

from pipeline.client.schema import models, schemas
from pipeline.messages import SourceState
from pipeline.wire import public_fields
from tests.pipeline.message_examples import INTERNAL, PUBLIC
from tools.message_schemas import FOLDER, texts

STATE: Final = INTERNAL["state"]
BODIES: Final = {name: public_fields(message) for name, message in PUBLIC.items()}
PROMISED: Final = Path(__file__).parents[2] / "data" / "messages" / "v1.json"
"""The keys of the first release of version 1: keys are added in version 1, none is taken away."""


def test_the_schemas_in_the_docs_are_those_of_the_code() -> None:
    kept = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert kept == texts(), "run python -m tools.message_schemas"


@pytest.mark.parametrize("name", BODIES)
def test_every_key_that_is_sent_is_described_and_of_its_type(name: str) -> None:
    body = BODIES[name]
    models(strict=True)[body["type"]].model_validate_json(json.dumps(body), strict=True)


def test_so_is_every_key_of_a_state() -> None:
    assert isinstance(STATE, SourceState)
    models(strict=True)["state"].model_validate_json(json.dumps(public_fields(STATE)), strict=True)


@pytest.mark.parametrize(
    ("change", "place"),
    [({"seq": "5"}, "seq"), ({"v": 2}, "v"), ({"objects": [{"xyxy": [1, 2, 3]}]}, "objects"), ({"error": 5}, "error")],
)
def test_what_is_of_another_type_is_refused_and_what_is_new_is_not(change: dict[str, object], place: str) -> None:
    published = models()["published"]
    published.model_validate(BODIES["published"] | {"something": "new"})
    with pytest.raises(ValidationError, match=place):
        published.model_validate(BODIES["published"] | change, strict=True)
    without = {name: value for name, value in BODIES["published"].items() if name != place}
    with pytest.raises(ValidationError, match=place):
        published.model_validate(without)


def test_keys_are_added_and_none_is_taken_away_or_changes_its_type() -> None:
    now = described()
    for kind, promised in json.loads(PROMISED.read_text()).items():
        assert {name: now[kind][name] for name in promised} == promised


def described() -> dict[str, dict[str, object]]:
    """Return the types of all keys, of each kind of body and of each part of it."""
    found = {kind: schema["properties"] for kind, schema in schemas().items()}
    for kind, schema in schemas().items():
        found |= {f"{kind}/{part}": inner["properties"] for part, inner in schema.get("$defs", {}).items()}
    return {kind: {name: _type(value) for name, value in properties.items()} for kind, properties in found.items()}


def _type(schema: dict[str, object]) -> object:
    """Return what a value may be, without words and names."""
    return {name: value for name, value in schema.items() if name not in ("description", "default")}
