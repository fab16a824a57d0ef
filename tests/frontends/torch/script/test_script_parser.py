"""The parser of archives' code: Python's own reads it the same way, and hostile text is refused."""

from __future__ import annotations

import ast
import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.script import syntax
from pyflame_rt.frontends.torch.script.parser import parse
from pyflame_rt.limits import Limits

CORPUS = Path(__file__).resolve().parents[5] / "shared" / "torchscript_corpus"

SAMPLE = """class M(Module):
  __parameters__ = ["w", ]
  w : Tensor
  __annotations__["0"] = __torch__.Sub
  steps : Final[int] = 3
  def forward(self: __torch__.M,
    x: Tensor,
    n: Optional[int]=None) -> Tuple[Tensor, Dict[str, int]]:
    _0 = __torch__.torch.nn.functional.relu
    a, b, = (self).pair(x, )
    c, d = torch.divmod(-3, 2)
    e : Optional[Tensor] = None
    self.n = torch.add(n, 1)
    if torch.__isnot__(n, None):
      pass
    else:
      ops.prim.RaiseException("a \\"b\\" \\n", "builtins.ValueError")
    while torch.lt(c, 1.5e-05):
      c = torch.neg(c)
    for i in range(torch.len([1, 2, ])):
      f = {"k": 1, "j": [(1,), ()]}["k"]
    with _0 as g:
      h = -inf
    def inner(y: Tensor) -> Tensor:
      return torch.mul(y, -1.+2.j)
    return (_0(x, dtype=6), annotate(List[int], []))
class E(Enum):
  R = 1
"""


def python_form(node: Any) -> Any:
    """A tree of Python's parser in the shape that ours has."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            constants = {"inf": float("inf"), "nan": "nan"}
            return constants.get(name, ("name", name))
        case ast.Attribute(value, name):
            return ("attribute", python_form(value), name)
        case ast.Subscript(value, items):
            parts = items.elts if isinstance(items, ast.Tuple) else [items]
            return ("subscript", python_form(value), *map(python_form, parts))
        case ast.Call(function, arguments, keywords):
            named = [(row.arg, python_form(row.value)) for row in keywords]
            return ("call", python_form(function), [*map(python_form, arguments)], named)
        case ast.List(items):
            return ["list", *map(python_form, items)]
        case ast.Tuple(items):
            return ("tuple", *map(python_form, items))
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            return ("dict", *((python_form(k), python_form(v)) for k, v in pairs))
        case ast.UnaryOp(ast.USub(), value):
            inner = python_form(value)
            return -inner if isinstance(inner, int | float | complex) else ("negative", inner)
        case ast.BinOp(left, ast.Add(), right):
            return python_form(left) + python_form(right)
        case ast.Assign([target], value):
            return ("assign", python_form(target), None, python_form(value))
        case ast.AnnAssign(target, annotation, value):
            return ("assign", *map(python_form, (target, annotation, value)))
        case ast.Expr(value):
            return ("evaluate", python_form(value))
        case ast.Return(value):
            return ("return", python_form(value))
        case ast.If(test, body, orelse):
            return ("if", python_form(test), [*map(python_form, body)], [*map(python_form, orelse)])
        case ast.While(test, body):
            return ("while", python_form(test), [*map(python_form, body)])
        case ast.For(target, iterable, body):
            return ("for", python_form(target), python_form(iterable), [*map(python_form, body)])
        case ast.With([item], body):
            names = (python_form(item.context_expr), python_form(item.optional_vars))
            return ("with", *names, [*map(python_form, body)])
        case ast.Pass():
            return ("pass",)
        case ast.FunctionDef():
            arguments = node.args.args
            defaults = [None] * (len(arguments) - len(node.args.defaults)) + node.args.defaults
            rows = [
                (row.arg, python_form(row.annotation), python_form(default))
                for row, default in zip(arguments, defaults, strict=True)
            ]
            body = [*map(python_form, node.body)]
            return ("function", node.name, rows, python_form(node.returns), body)
        case None:
            return None
        case _:
            raise TypeError(ast.dump(node))


def our_form(node: Any) -> Any:
    match node:
        case syntax.Literal(value):
            return "nan" if value != value else value
        case syntax.Name(name):
            return ("name", name)
        case syntax.Attribute(value, name):
            return ("attribute", our_form(value), name)
        case syntax.Subscript(value, items):
            return ("subscript", our_form(value), *map(our_form, items))
        case syntax.Call(function, arguments, keywords):
            named = [(name, our_form(value)) for name, value in keywords]
            return ("call", our_form(function), [*map(our_form, arguments)], named)
        case syntax.ListOf(items):
            return ["list", *map(our_form, items)]
        case syntax.TupleOf(items):
            return ("tuple", *map(our_form, items))
        case syntax.DictOf(items):
            return ("dict", *((our_form(k), our_form(v)) for k, v in items))
        case syntax.Negative(value):
            return ("negative", our_form(value))
        case syntax.Assign(target, annotation, value):
            return ("assign", our_form(target), our_form(annotation), our_form(value))
        case syntax.Evaluate(value):
            return ("evaluate", our_form(value))
        case syntax.Return(value):
            return ("return", our_form(value))
        case syntax.If(test, body, orelse):
            return ("if", our_form(test), [*map(our_form, body)], [*map(our_form, orelse)])
        case syntax.While(test, body):
            return ("while", our_form(test), [*map(our_form, body)])
        case syntax.For(target, iterable, body):
            return ("for", our_form(target), our_form(iterable), [*map(our_form, body)])
        case syntax.With(manager, target, body):
            return ("with", our_form(manager), our_form(target), [*map(our_form, body)])
        case syntax.Pass():
            return ("pass",)
        case syntax.Function(name, parameters, returns, body):
            rows = [
                (row.name, our_form(row.annotation), our_form(row.default)) for row in parameters
            ]
            return ("function", name, rows, our_form(returns), [*map(our_form, body)])
        case None:
            return None
        case _:
            raise TypeError(node)


def python_methods(text: str) -> Iterator[Any]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            yield python_form(node)
            continue
        assert isinstance(node, ast.ClassDef)
        yield node.name
        yield from (python_form(row) for row in node.body if isinstance(row, ast.FunctionDef))


def our_methods(text: str) -> list[Any]:
    found = parse(text, "x.py", Limits())
    rows = [(row.line, [row.name, *map(our_form, row.methods)]) for row in found.classes]
    rows += [(row.line, [our_form(row)]) for row in found.functions]
    return [item for _, items in sorted(rows, key=lambda row: row[0]) for item in items]


def test_every_construct_is_read_as_python_reads_it() -> None:
    assert our_methods(SAMPLE) == list(python_methods(SAMPLE))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not there")
def test_the_corpus_is_read_as_python_reads_it() -> None:
    count = 0
    for path in sorted(CORPUS.glob("*.pt")):
        if not zipfile.is_zipfile(path):
            continue
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".py"):
                    text = archive.read(name).decode()
                    assert our_methods(text) == list(python_methods(text)), f"{path.name}: {name}"
                    count += 1
    assert count >= 150


def test_fields_and_constants_of_a_class() -> None:
    found, enum = parse(SAMPLE, "x.py", Limits()).classes
    assert [name for name, _ in found.fields] == ["w", "0", "steps"]
    assert [name for name, _ in found.constants] == ["__parameters__", "steps"]
    assert (found.base, enum.base) == ("Module", "Enum")
    assert found.methods[0].line == 6


def test_trees_cannot_be_changed() -> None:
    found = parse(SAMPLE, "x.py", Limits())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.classes[0].name = "N"  # type: ignore[misc]


def test_escapes_are_bytes_of_utf8() -> None:
    text = 'def f():\n  return "\\303\\251\\t\\x41"\n'
    (function,) = parse(text, "x.py", Limits()).functions
    assert our_form(function.body[0]) == ("return", "é\tA")


def body(text: str) -> str:
    return f"def f(x: Tensor) -> Tensor:\n  {text}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import os\n", "classes and functions only"),
        ("class A(object):\n  pass\n", "cannot derive"),
        (body("x = x + 1"), 'expected a line, found "+"'),
        (body("x = x @ y"), "unexpected character"),
        (body("lambda: 1"), "declared without a value"),
        (body("f(x) = 1"), "only variables and attributes"),
        (body("x.y() = 1"), "only variables and attributes"),
        (body("None = 1"), "only variables and attributes"),
        (body("return = 1"), "is out of place"),
        (body("x = (1"), 'expected ","'),
        (body('x = "a'), "unexpected character"),
        (body('x = "\\q"'), "unknown escape"),
        (body('x = "\\377"'), "not UTF-8"),
        (body("x = f(a=1, 2)"), "follows named ones"),
        (body("x = 99999999999999999999999"), "64 bits"),
        (body("x = 1 + 2"), "added by a call"),
        (body("if x:\n    pass\n   pass"), "fits no block"),
        (body("elif x:\n    pass"), "is out of place"),
        (body("x"), ""),
    ],
)
def test_what_is_not_the_language(text: str, why: str) -> None:
    if not why:
        parse(text, "x.py", Limits())
        return
    with pytest.raises(InvalidModelError) as error:
        parse(text, "x.py", Limits())
    assert why in str(error.value)
    assert str(error.value).startswith("x.py:")


@pytest.mark.parametrize(
    "text",
    [
        body("x = " + "-" * 200_000 + "x"),
        body("x = " + "(" * 200_000 + "x" + ")" * 200_000),
        body("x = " + "[" * 200_000),
        body("x = " + "{1: " * 200_000),
        body("x = " + "f(" * 200_000),
        body("x = x" + ".a" * 500_000),
        body("x = x" + "()" * 500_000),
        body("x = x" + "[0]" * 500_000),
        body("\n".join("  " * (k and k + 1) + "if x:" for k in range(2_000))),
    ],
    ids=["minus", "parentheses", "lists", "dicts", "calls", "names", "empty", "items", "blocks"],
)
def test_deep_text_is_refused_and_not_recursed_into(text: str) -> None:
    """Each would exhaust the stack of a parser without a limit; Python's own crashes on some."""
    with pytest.raises(InvalidModelError, match=r"too deeply|too many accessors|early"):
        parse(text, "x.py", Limits())
