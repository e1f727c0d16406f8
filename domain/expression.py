"""Constraints that people write ("w1 + w2 <= 10"), read by an allow-list so that no text becomes code.

A constraint is compared arithmetic over named variables: `+ - * / **`, the functions below, `< <= > >= == !=` (also chained),
`and`, `or`. A name that is no plain word (ASCII letters, digits and _), or is a word of Python, stands in backticks. Expressions
are evaluated over whole numpy columns, or over intervals, which proves that a region holds no solution.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.interval import Column, Interval, least, most, of_positive, rising

Mask = NDArray[np.bool_]

MAX_LENGTH = 500
MAX_DEPTH = 100
MAX_EXPONENT = 16
ROUNDING = 1e-9
QUOTED = re.compile(r"`([^`]*)`")


class ExpressionError(ValueError):
    """The text is no constraint; the message says why."""


_ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_ON_COLUMNS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
}
_ON_INTERVALS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "sqrt": of_positive(np.sqrt),
    "exp": lambda value: rising(value, np.exp),
    "log": of_positive(np.log),
    "log10": of_positive(np.log10),
    "min": least,
    "max": most,
}
_SEVERAL = frozenset({"min", "max"})
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: lambda left, right: np.isclose(left, right, rtol=ROUNDING, atol=0.0),
    ast.NotEq: lambda left, right: ~np.isclose(left, right, rtol=ROUNDING, atol=0.0),
}


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """What expressions are evaluated over: columns of numbers, or intervals.

    Args:
        number: a constant.
        functions: the functions by name.
        defined: the result of an operation, made undefined where it has none, from it and its operands.
        compare: where a comparison of two sides holds, or may hold.
    """

    number: Callable[[float], Any]
    functions: Mapping[str, Callable[..., Any]]
    defined: Callable[..., Any]
    compare: Callable[[type[ast.AST], Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition over variables. `text` is as written, `names` are the variables it mentions."""

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """The constraint that `text` states; `ExpressionError` where it states none."""
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"is {len(text)} characters long; {MAX_LENGTH} are allowed")
        tree = _parsed(text.strip())
        names: set[str] = set()
        _check_condition(tree, names, 0)
        return cls(text, frozenset(names), tree)

    def holds(self, columns: Mapping[str, Column]) -> Mask:
        """Where the constraint is met. A comparison is not met where something in it is undefined or infinite (1/0, sqrt(-1)).

        Args:
            columns: one array of shape (n,) for each of `names`.

        Returns:
            Booleans of shape (n,), or () where no variable is named.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_condition(self._tree, columns, _OVER_COLUMNS), dtype=np.bool_)

    def may_hold(self, boxes: Mapping[str, Interval]) -> Mask:
        """Where the constraint might be met: False proves that no point of the box meets it.

        Args:
            boxes: the ranges of each of `names`, n boxes of them.

        Returns:
            Booleans of shape (n,), or (1,) where no variable is named.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_condition(self._tree, boxes, _OVER_INTERVALS), dtype=np.bool_)


def _parsed(text: str) -> ast.expr:
    """The tree of an expression; its names are those meant, out of the backticks."""
    quoted: dict[str, str] = {}
    prefix = "quoted"
    while prefix in text:
        prefix += "_"

    def placeholder(match: re.Match[str]) -> str:
        quoted[f"{prefix}{len(quoted)}"] = match[1]
        return f" {prefix}{len(quoted) - 1} "

    plain = QUOTED.sub(placeholder, text).strip()
    if not plain.isascii():
        odd = next(character for character in plain if not character.isascii())
        raise ExpressionError(f"holds {odd!r}: a name with other characters than letters, digits and _ stands in backticks")
    try:
        tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(
            "is not an expression such as 'w1 + w2 <= 10'; a name that is not plain letters, digits and _, or is a word of "
            "Python, stands in backticks"
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted.get(node.id, node.id)
    return tree


def _check_condition(node: ast.expr, names: set[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"is nested deeper than {MAX_DEPTH}")
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check_condition(value, names, depth + 1)
    elif isinstance(node, ast.Compare):
        if not all(type(comparison) in _COMPARISONS for comparison in node.ops):
            raise ExpressionError("compares otherwise than by < <= > >= == !=")
        for value in (node.left, *node.comparators):
            _check_number(value, names, depth + 1)
    else:
        raise ExpressionError("must compare something: < <= > >= == !=, joined by 'and' and 'or'")


def _check_number(node: ast.expr, names: set[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"is nested deeper than {MAX_DEPTH}")
    if isinstance(node, ast.Name):
        names.add(node.id)
    elif isinstance(node, ast.Constant):
        _number(node)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _ARITHMETIC:
        _check_number(node.operand, names, depth + 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        _check_number(node.left, names, depth + 1)
        if isinstance(node.op, ast.Pow):
            _exponent(node.right)
        else:
            _check_number(node.right, names, depth + 1)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ON_COLUMNS and not node.keywords:
        if not (node.args if node.func.id in _SEVERAL else len(node.args) == 1):
            raise ExpressionError(f"calls {node.func.id} with {len(node.args)} values")
        for value in node.args:
            _check_number(value, names, depth + 1)
    else:
        raise ExpressionError(
            f"may hold names, numbers, + - * / ** and {', '.join(sorted(_ON_COLUMNS))}; {ast.unparse(node)[:60]!r} is neither"
        )


def _number(node: ast.Constant) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise ExpressionError(f"holds {node.value!r:.60}, which is not a number")
    try:
        value = float(node.value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ExpressionError("holds a number that is too large")
    return value


def _exponent(node: ast.expr) -> float:
    sign, inner = (-1, node.operand) if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else (1, node)
    if not isinstance(inner, ast.Constant) or abs(_number(inner)) > MAX_EXPONENT:
        raise ExpressionError(f"raises to a power that is not a number from -{MAX_EXPONENT} to {MAX_EXPONENT}")
    return sign * _number(inner)


def _condition(node: ast.expr, values: Mapping[str, Any], over: _Arithmetic) -> Any:
    if isinstance(node, ast.BoolOp):
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return reduce(join, [_condition(value, values, over) for value in node.values])
    if not isinstance(node, ast.Compare):
        raise TypeError(f"{ast.dump(node)} passed the check of constraints")
    sides = [_evaluate(value, values, over) for value in (node.left, *node.comparators)]
    return reduce(
        operator.and_, [over.compare(type(op), left, right) for op, left, right in zip(node.ops, sides, sides[1:], strict=False)]
    )


def _evaluate(node: ast.expr, values: Mapping[str, Any], over: _Arithmetic) -> Any:
    match node:
        case ast.Name():
            return values[node.id]
        case ast.Constant():
            return over.number(_number(node))
        case ast.UnaryOp():
            operands, operation = [node.operand], _ARITHMETIC[type(node.op)]
        case ast.BinOp(op=ast.Pow()):
            operands, operation = [node.left], _power(_exponent(node.right))
        case ast.BinOp():
            operands, operation = [node.left, node.right], _ARITHMETIC[type(node.op)]
        case ast.Call(func=ast.Name(id=name)):
            operands, operation = node.args, over.functions[name]
        case _:
            raise TypeError(f"{ast.dump(node)} passed the check of constraints")
    sides = [_evaluate(operand, values, over) for operand in operands]
    return over.defined(operation(*sides), *sides)


def _power(exponent: float) -> Callable[[Any], Any]:
    return lambda base: base**exponent


def _defined_column(result: Column, *operands: Column) -> Column:
    """NaN where the result or an operand is undefined or infinite: what follows is undefined too, as it is for intervals."""
    is_defined = reduce(operator.and_, map(np.isfinite, (result, *operands)))
    return np.where(is_defined, result, np.nan)


def _compare_columns(comparison: type[ast.AST], left: Any, right: Any) -> Any:
    return _COMPARISONS[comparison](left, right) & np.isfinite(left) & np.isfinite(right)


def _compare_intervals(comparison: type[ast.AST], left: Interval, right: Interval) -> Any:
    """Whether some values of both sides compare so; bounds are widened by what counts as equal, and rounding can't exceed."""
    if comparison in (ast.Lt, ast.LtE):
        return _COMPARISONS[comparison](_moved(left.low, -1), _moved(right.high, 1))
    if comparison in (ast.Gt, ast.GtE):
        return _COMPARISONS[comparison](_moved(left.high, 1), _moved(right.low, -1))
    if comparison is ast.Eq:
        margin = 2 * ROUNDING * np.maximum(np.abs(right.low), np.abs(right.high))
        margin = np.where(np.isfinite(margin), margin, 0.0)
        return (left.low <= right.high + margin) & (left.high >= right.low - margin)
    return ~((left.low == left.high) & (right.low == right.high) & (left.low == right.low))


def _moved(bound: Column, direction: int) -> Column:
    return np.where(np.isfinite(bound), bound + direction * ROUNDING * np.abs(bound), bound)


_OVER_COLUMNS = _Arithmetic(np.float64, _ON_COLUMNS, _defined_column, _compare_columns)
_OVER_INTERVALS = _Arithmetic(Interval.of, _ON_INTERVALS, lambda result, *_: result, _compare_intervals)
