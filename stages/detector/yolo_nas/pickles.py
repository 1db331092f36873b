"""Reads a pickle without Python's unpickler: there is nothing in here that could run what a pickle asks for.

The language: https://docs.python.org/3/library/pickletools.html. A set becomes a list, an object a ``Record``.
"""

import warnings
from collections.abc import Callable
from pickletools import genops
from typing import Any, Final

from pipeline.errors import ModelError
from stages.detector.yolo_nas.calls import called, named, stored
from stages.detector.yolo_nas.records import Global, Record, TensorRef, Value, shown

_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: Final[dict[str, Callable[[], Value]]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SKIPPED: Final = frozenset({"PROTO", "FRAME"})
_LITERALS: Final = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES
    BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    """.split()
)


def unpickle(data: bytes) -> Value:
    """Return the value that a pickle describes, tensors as references.

    Raises:
        ModelError: It is damaged, or wants to call something that a checkpoint has no business with.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange escapes in text
            for opcode, argument, _ in genops(data):
                if opcode.name == "STOP":
                    return machine.pop()
                machine.step(opcode.name, argument)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise ModelError(f"its pickle is damaged: {type(error).__name__}: {shown(str(error))}") from error
    raise ModelError("its pickle is damaged: it has no end")


class _Machine:
    """The stack machine that pickles are written for."""

    def __init__(self) -> None:
        self._stack: list[Value] = []
        self._outer: list[list[Value]] = []
        self._memo: dict[int, Value] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self._mark(),
            "POP": lambda _: self._drop(),
            "POP_MARK": lambda _: self._above_mark().clear(),
            "DUP": lambda _: self._push(self._stack[-1]),
            "PUT": self._remember,
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            "GET": self._recall,
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
            "TUPLE": lambda _: self._push(tuple(self._above_mark())),
            "LIST": lambda _: self._push(self._above_mark()),
            "FROZENSET": lambda _: self._push(self._above_mark()),
            "DICT": lambda _: self._dict(),
            "APPEND": lambda _: self._append([self.pop()]),
            "APPENDS": lambda _: self._append(self._above_mark()),
            "ADDITEMS": lambda _: self._append(self._above_mark()),
            "SETITEM": lambda _: self._set_items([self.pop(), self.pop()][::-1]),
            "SETITEMS": lambda _: self._set_items(self._above_mark()),
            "GLOBAL": lambda names: self._push(named(*names.split(" ", 1))),
            "STACK_GLOBAL": lambda _: self._push(named(*[self.pop(), self.pop()][::-1])),
            "REDUCE": lambda _: self._push(called(*[self.pop(), self.pop()][::-1])),
            "NEWOBJ": lambda _: self._push(called(*[self.pop(), self.pop()][::-1])),
            "NEWOBJ_EX": lambda _: self._new_with_names(),
            "INST": lambda names: self._push(called(named(*names.split(" ", 1)), tuple(self._above_mark()))),
            "OBJ": lambda _: self._object(),
            "BUILD": lambda _: self._build(self.pop()),
            "BINPERSID": lambda _: self._push(stored(self.pop())),
        }

    def pop(self) -> Value:
        """Take the topmost value."""
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _LITERALS:
            self._push(argument)
        elif name in self._steps:
            self._steps[name](argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif name in _EMPTY:
            self._push(_EMPTY[name]())
        elif name in _TUPLES:
            self._tuple(_TUPLES[name])
        elif name not in _SKIPPED:
            raise ModelError(f"its pickle uses {name}, which no checkpoint needs: refused")

    def _push(self, value: Value) -> None:
        self._stack.append(value)

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _above_mark(self) -> list[Value]:
        above, self._stack = self._stack, self._outer.pop()
        return above

    def _drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._above_mark()

    def _remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._push(self._memo[place])

    def _tuple(self, length: int) -> None:
        if len(self._stack) < length:
            raise ModelError("its pickle is damaged: its stack is empty")
        parts = tuple(self._stack[-length:])
        self._stack[-length:] = [parts]

    def _dict(self) -> None:
        items = self._above_mark()
        self._push({})
        self._set_items(items)

    def _append(self, items: list[Value]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Record):  # what a record of a list held is of no use
            raise ModelError(f"its pickle is damaged: items for a {type(target).__name__}")

    def _set_items(self, items: list[Value]) -> None:
        target = self._stack[-1]
        entries = target.entries if isinstance(target, Record) else target
        if not isinstance(entries, dict) or len(items) % 2:
            raise ModelError(f"its pickle is damaged: items for a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            entries[_key(key)] = value

    def _new_with_names(self) -> None:
        self.pop()
        arguments, kind = self.pop(), self.pop()
        self._push(called(kind, arguments))

    def _object(self) -> None:
        kind, *arguments = self._above_mark()
        self._push(called(kind, tuple(arguments)))

    def _build(self, state: Value) -> None:
        """Give an object its attributes; dicts and tensors have none that we need."""
        target = self._stack[-1]
        if isinstance(target, Record):
            parts = state if isinstance(state, tuple) else (state,)
            target.state = next((part for part in parts if isinstance(part, dict) and part), target.state)
        elif not isinstance(target, dict | TensorRef):
            what = shown(target.path) if isinstance(target, Global) else f"a {type(target).__name__}"
            raise ModelError(f"it wants to change {what}, which no checkpoint needs: refused")


def _key(key: Value) -> Value:
    """Return a key of a dict; tuples and such are refused, as hashing nested ones can take for ever."""
    if not isinstance(key, str | int | float | bytes | Record | Global | None):
        raise ModelError(f"its pickle has a {type(key).__name__} as a key, which no checkpoint needs: refused")
    return key
