"""Small expressions over objects and events, such as `confidence > 0.8 and class_name in ("car", "bus")`.

Written as in Python and read by Python's own parser, but only what is listed here is carried out, by this module:
names, numbers, texts, lists of them, comparisons, `and`, `or`, `not`, `+ - * /`. What is not known (a missing zone, no
track) makes any comparison but `==` and `!=` false.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

from pipeline.errors import ConfigError

_Term: TypeAlias = Callable[[Mapping[str, Any]], Any]

_LONGEST: Final = 1000
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
}
_OF_NOTHING: Final = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)


class Where:
    """An expression, checked when it is made.

    Raises:
        ConfigError: it is no expression, asks for more than is allowed, or for a name that there is not.
    """

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text, self._names = text, names
        if len(text) > _LONGEST:
            raise ConfigError(f"where: is longer than {_LONGEST} letters")
        try:
            tree = ast.parse(text.strip(), mode="eval")
            self._holds = self._term(tree.body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise ConfigError(f"where {text!r:.200}: is no expression: {reason}") from error

    def __call__(self, values: Mapping[str, Any]) -> bool:
        """Return whether it holds for these values.

        Raises:
            ConfigError: it compares or calculates what doesn't go together.
        """
        try:
            return bool(self._holds(values))
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise ConfigError(f"where {self._text!r:.200}: {error}") from error

    def _term(self, node: ast.expr) -> _Term:
        build = _BUILDERS.get(type(node))
        if build is None:
            raise self._refusal(node, "is not allowed: write comparisons, and, or, not, + - * /")
        return build(self, node)

    def _constant(self, node: ast.Constant) -> _Term:
        value = node.value
        if not isinstance(value, str | int | float | None):
            raise self._refusal(node, "is no number and no text")
        return lambda _: value

    def _name(self, node: ast.Name) -> _Term:
        name = node.id
        if name not in self._names:
            raise self._refusal(node, f"is no name; there are: {', '.join(sorted(self._names))}")
        return lambda values: values[name]

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> _Term:
        terms = [self._term(item) for item in node.elts]
        return lambda values: [term(values) for term in terms]

    def _boolean(self, node: ast.BoolOp) -> _Term:
        terms = [self._term(item) for item in node.values]
        decide = all if isinstance(node.op, ast.And) else any
        return lambda values: decide(bool(term(values)) for term in terms)

    def _unary(self, node: ast.UnaryOp) -> _Term:
        term = self._term(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda values: not term(values)
        if isinstance(node.op, ast.USub):
            return lambda values: _calculated(operator.sub, 0, term(values))
        raise self._refusal(node, "is not allowed: write comparisons, and, or, not, + - * /")

    def _arithmetic(self, node: ast.BinOp) -> _Term:
        calculate = _ARITHMETIC.get(type(node.op))
        if calculate is None:
            raise self._refusal(node, "is not allowed: calculate with + - * /")
        left, right = self._term(node.left), self._term(node.right)
        return lambda values: _calculated(calculate, left(values), right(values))

    def _comparison(self, node: ast.Compare) -> _Term:
        terms = [self._term(item) for item in (node.left, *node.comparators)]
        for operation, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operation, ast.In | ast.NotIn) and not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise self._refusal(right, 'is no list: write class_name in ("car", "bus")')
        kinds = [type(operation) for operation in node.ops]

        def holds(values: Mapping[str, Any]) -> bool:
            found = [term(values) for term in terms]
            return all(_compared(kind, *pair) for kind, pair in zip(kinds, pairwise(found), strict=True))

        return holds

    def _refusal(self, node: ast.expr, reason: str) -> ConfigError:
        return ConfigError(f"where {self._text!r:.200}: {ast.unparse(node)!r:.80} {reason}")


def _calculated(calculate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("texts can't be calculated with")
    return calculate(left, right)


def _compared(kind: type[ast.cmpop], left: Any, right: Any) -> bool:
    if kind not in _OF_NOTHING and (left is None or right is None):
        return False
    return bool(_COMPARISONS[kind](left, right))


_BUILDERS: Final[dict[type[ast.expr], Callable[[Where, Any], _Term]]] = {
    ast.Constant: Where._constant,
    ast.Name: Where._name,
    ast.List: Where._list,
    ast.Tuple: Where._list,
    ast.Set: Where._list,
    ast.BoolOp: Where._boolean,
    ast.UnaryOp: Where._unary,
    ast.BinOp: Where._arithmetic,
    ast.Compare: Where._comparison,
}
