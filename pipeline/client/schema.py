"""JSON Schemas of the bodies of public streams, made from the messages themselves and from what is written of them."""

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Described

from pipeline.messages import Detections, EndOfSource, Event, FrameMeta, MinuteCounts, SourceState
from pipeline.wire import VERSION

Corners: TypeAlias = tuple[float, float, float, float]

_OBJECT: Final[dict[str, tuple[Any, str]]] = {
    "xyxy": (Corners, "Left, top, right and bottom, pixels of the original frame, inside it."),
    "confidence": (Annotated[float, Described(ge=0, le=1)], "How sure the network is."),
    "class_id": (int, "Number of the class."),
    "class_name": (str, "Name of the class."),
    "tracker_id": (
        Annotated[int, Described(ge=1)] | None,
        "Number of the track in its source; null while none is confirmed.",
    ),
}
_OF_THE_TRACKER: Final = ("zones", "events", "minutes")
_ALSO_PUBLISHED: Final = ("error", "skipped", "dropped_before", "begun_ns", "inferred_ns", "published_ns")
_MEANT_FOR: Final = {
    "published": "One frame: an entry of `detections:<source>`.",
    "end": "The last word of a source: an entry of `detections:<source>`.",
    "state": "What has become of a camera: an entry of `sources`.",
    "event": "Something that happened: an entry of `events:<source>` and of `events`.",
    "minute": "What was in front of a source in one minute: an entry of `counts:<source>`.",
}


def models(*, strict: bool = False) -> dict[str, type[BaseModel]]:
    """Return a model of each kind of body; `strict`: one that refuses keys that are not described."""
    make = _Maker("forbid" if strict else "allow")
    frame = make.fields(FrameMeta) | make.fields(Detections, (*_ALSO_PUBLISHED, *_OF_THE_TRACKER))
    objects = make.model(
        "Object", {name: (kind, Described(description=text)) for name, (kind, text) in _OBJECT.items()}
    )
    several: Any = list[objects]  # type: ignore[valid-type]
    frame["objects"] = (several, Described(description="What was found, most confident first."))
    contents = {
        "published": frame,
        "end": make.fields(EndOfSource),
        "state": make.fields(SourceState),
        "event": make.fields(Event),
        "minute": make.fields(MinuteCounts),
    }
    return {kind: make.body(kind, content) for kind, content in contents.items()}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (2020-12) of each kind of body."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {kind: dialect | _untitled(model.model_json_schema()) for kind, model in models().items()}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without the titles that only repeat the names."""
    kept = {name: value for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    return {name: _untitled(value) if isinstance(value, dict) else value for name, value in kept.items()}


class _Maker:
    def __init__(self, unknown: Literal["allow", "forbid"]) -> None:
        self._config = ConfigDict(extra=unknown)

    def body(self, kind: str, content: Mapping[str, Any]) -> type[BaseModel]:
        head: dict[str, Any] = {
            "v": (Literal[VERSION], Described(description="Version of the body.")),
            "type": (Literal[kind], Described(description="Kind of the body.")),
        }
        return self.model(kind.title(), {**head, **content}, _MEANT_FOR[kind])

    def model(self, name: str, content: Mapping[str, Any], doc: str | None = None) -> type[BaseModel]:
        """Return a model; everything in it is always there, but for what has a default here."""
        made: Any = create_model
        model: type[BaseModel] = made(name, __config__=self._config, __doc__=doc, **content)
        return model

    def fields(self, kind: type, names: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Return the fields of a message as pydantic wants them; what the tracker adds may be missing."""
        hints, texts = typing.get_type_hints(kind), _docstrings(kind)
        chosen = [field for field in fields(kind) if names is None or field.name in names]
        return {field.name: self._field(field, hints[field.name], texts.get(field.name)) for field in chosen}

    def _field(self, field: "Field[Any]", hint: Any, text: str | None) -> Any:
        optional = field.name in _OF_THE_TRACKER and field.default is not MISSING
        described = text.replace("None", "null") if text else None
        default: Any = [] if optional else ...
        return (self._plain(hint), Described(default, description=described))

    def _plain(self, hint: Any) -> Any:
        """Return a type with lists for tuples of any length, and with models for messages inside."""
        arguments = typing.get_args(hint)
        if is_dataclass(hint) and isinstance(hint, type):
            return self.model(hint.__name__, self.fields(hint), inspect.getdoc(hint))
        if typing.get_origin(hint) is tuple and Ellipsis in arguments:
            return list[self._plain(arguments[0])]  # type: ignore[misc]
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            return typing.Union[tuple(self._plain(argument) for argument in arguments)]  # noqa: UP007
        return hint


def _docstrings(kind: type) -> dict[str, str]:
    """Return the text below each field of a class."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    pairs = pairwise(body)
    return {
        field.target.id: inspect.cleandoc(str(text.value.value))
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
