"""Kinds of sources, engines, sinks and trackers that other packages bring along, by entry points.

A package names a settings class in a group such as `detstream.sinks`; the entry point's name is its `kind`.
"""

from collections.abc import Collection
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from operator import or_
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, create_model, model_validator


def with_plug_ins(kinds: Any, group: str, base: type[BaseModel], method: str) -> Any:
    """Return a union of settings classes, told apart by their `kind`, with those of a group of entry points.

    A plug-in's class derives from `base` and has `method`. One that can't be taken is there all the same: whoever
    asks for it is told why not, everybody else is not bothered.
    """
    taken = [kind for model in get_args(kinds) for kind in kinds_of(model)]
    return reduce(or_, plug_ins(group, base, method, taken), kinds)


def plug_ins(group: str, base: type[BaseModel], method: str, taken: Collection[str]) -> list[type[BaseModel]]:
    """Return the settings classes in a group of entry points, but for kinds that are `taken`."""
    entries = [entry for entry in entry_points(group=group) if entry.name not in taken]
    return [_loaded(entry, group, base, method) for entry in entries]


def kinds_of(model: Any) -> tuple[str, ...]:
    """Return what the `kind` of a settings class may be."""
    field = getattr(model, "model_fields", {}).get("kind")
    return tuple(get_args(getattr(field, "annotation", None)))


def _loaded(entry: EntryPoint, group: str, base: type[BaseModel], method: str) -> type[BaseModel]:
    try:
        model = entry.load()
    except Exception as error:  # whatever somebody else's package may raise
        return _stand_in(entry, f"can't be imported: {type(error).__name__}: {error}")
    if not (isinstance(model, type) and issubclass(model, base) and _has(model, method)):
        wanted = f"{base.__module__}.{base.__qualname__}"
        return _stand_in(entry, f"is of no use in {group}: {entry.value} is no {wanted} with a method {method}")
    if kinds_of(model) != (entry.name,):
        return _stand_in(entry, f'is of no use in {group}: {entry.value} needs kind: Literal["{entry.name}"]')
    return model


def _has(model: type, method: str) -> bool:
    """Return whether a class has a method of its own, not only the promise of one."""
    return hasattr(model, method) and not isabstract(model)


class _Broken(BaseModel):
    """Settings that nobody can have."""

    model_config = ConfigDict(extra="allow")

    reason: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, values: Any) -> Any:
        raise ValueError(cls.reason)


def _stand_in(entry: EntryPoint, reason: str) -> type[BaseModel]:
    owner = entry.dist.name if entry.dist else "an unknown package"
    kind: Any = Literal[entry.name]
    model = create_model(f"Broken{entry.name.title()}", __base__=_Broken, kind=(kind, entry.name))
    model.reason = f"the plug-in {entry.name!r} of {owner} {reason}"
    return model
