"""A program for one input signature."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    UnrankedTensorType,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, tensor, type_of
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.shape_inference import functions, infer_module, set_type

_SHAPE = re.compile(r"(\?|\d{1,18})(x(\?|\d{1,18}))*|")

Dims = tuple[int, ...]


@dataclass(frozen=True)
class PfrtSpecializeShapesPass(ModulePass):
    """Fixes dimensions of the inputs of `@main`, then infers all types anew.

    Before: `func.func @main(%x: tensor<?x8xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]})`
    After `{dims="N=4"}` or `{shapes="x=4x8"}`: `func.func @main(%x: tensor<4x8xf32> {pfrt.name = "x"})`

    A dimension that has a name gets one size in all inputs; names of sizes that became known are
    dropped. Requires a function `@main`.
    """

    name = "pfrt-specialize-shapes"

    shapes: tuple[str, ...] = ()
    """Input shapes: `name=4x1x8x8`, `name=?x3` with a dimension left open, `name=` for a scalar.
    An input without a name is `arg0`, `arg1`… by its position."""

    dims: tuple[str, ...] = ()
    """Sizes of named dimensions: `N=4`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            if function.sym_name.data == "main":
                self._specialize(function)
                infer_module(op)
                return
        raise PassFailed("there is no function @main to specialize")

    def _specialize(self, function: func.FuncOp) -> None:
        arguments = function.body.blocks[0].args
        inputs = [_input_name(attrs, i) for i, attrs in enumerate(_attrs(function, "arg_attrs"))]
        labels = [_labels(attrs) for attrs in _attrs(function, "arg_attrs")]
        sizes = self._sizes(sorted({label for row in labels for label in row if label}))
        for name, dims in self._given(inputs).items():
            argument = arguments[inputs.index(name)]
            self._require_tensor(name, argument)
            kind = tensor(type_of(argument).element_type, dims)
            merged = merge(type_of(argument), kind)
            if merged is None:
                raise self._failed(f'input "{name}" is a {argument.type}, not a {kind}')
            set_type(argument, merged)
        for name, argument, row in zip(inputs, function.body.blocks[0].args, labels, strict=True):
            if not row:
                continue
            self._require_tensor(name, argument)
            _collect(
                sizes,
                type_of(argument),
                row,
                lambda why, n=name: self._failed(f'input "{n}": {why}'),
            )
        for argument, row in zip(function.body.blocks[0].args, labels, strict=True):
            kind = type_of(argument)
            if not isinstance(kind, TensorType) or not row:
                continue
            dims = [
                sizes.get(label, size) if size == DYNAMIC else size
                for size, label in zip(kind.get_shape(), row, strict=True)
            ]
            set_type(argument, tensor(kind.element_type, dims))
        _drop_labels(function, frozenset(sizes))

    def _given(self, inputs: Sequence[str]) -> dict[str, Dims]:
        given: dict[str, Dims] = {}
        for item in self.shapes:
            name, equals, text = item.rpartition("=")
            if not equals or _SHAPE.fullmatch(text) is None:
                raise self._failed(f'"{item}" is not name=AxBxC', hint="for example x=1x3x224x224")
            if name not in inputs:
                raise self._unknown("input", name, inputs)
            sizes = text.split("x") if text else []
            dims = tuple(DYNAMIC if size == "?" else int(size) for size in sizes)
            if given.setdefault(name, dims) != dims:
                raise self._failed(f'input "{name}" is given two shapes')
        return given

    def _sizes(self, labels: Sequence[str]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for item in self.dims:
            label, equals, text = item.rpartition("=")
            if not equals or re.fullmatch(r"\d{1,18}", text) is None:
                raise self._failed(f'"{item}" is not name=size', hint="for example N=4")
            if label not in labels:
                raise self._unknown("dimension", label, labels)
            if sizes.setdefault(label, int(text)) != int(text):
                raise self._failed(f'dimension "{label}" is given as {sizes[label]} and {text}')
        return sizes

    def _require_tensor(self, name: str, argument: SSAValue) -> None:
        if not is_tensor(argument.type):
            raise self._failed(f'input "{name}" is a {argument.type}, not a tensor')

    def _unknown(self, what: str, name: str, known: Sequence[str]) -> PassFailed:
        close = get_close_matches(name, known, 1)
        hint = (
            f'did you mean "{close[0]}"?' if close else f"known are: {', '.join(known) or 'none'}"
        )
        return self._failed(f'there is no {what} "{name}"', hint=hint)

    def _failed(self, why: str, hint: str | None = None) -> PassFailed:
        return PassFailed(why, hint=hint)


def _collect(
    sizes: dict[str, int],
    kind: Attribute,
    labels: Sequence[str],
    error: Callable[[str], PassFailed],
) -> None:
    """Learn the sizes of the named dimensions of one input; they must agree with those known."""
    if isinstance(kind, UnrankedTensorType):
        return
    shape = cast(Any, kind).get_shape()
    if len(shape) != len(labels):
        raise error(f"{len(labels)} dimension names for {kind}")
    for size, label in zip(shape, labels, strict=True):
        if label and size != DYNAMIC and sizes.setdefault(label, size) != size:
            raise error(f'dimension "{label}" is {size} here, but {sizes[label]} elsewhere')


def _attrs(function: func.FuncOp, which: str) -> list[dict[str, Attribute]]:
    """The attribute dictionaries of a function's arguments or results, one each."""
    kind = function.function_type
    count = len(kind.inputs if which == "arg_attrs" else kind.outputs)
    attrs = cast("ArrayAttr[DictionaryAttr] | None", function.properties.get(which))
    return [{} for _ in range(count)] if attrs is None else [dict(row.data) for row in attrs]


def _input_name(attrs: dict[str, Attribute], index: int) -> str:
    name = attrs.get("pfrt.name")
    return name.data if isinstance(name, StringAttr) and name.data else f"arg{index}"


def _labels(attrs: dict[str, Attribute]) -> list[str]:
    labels = attrs.get("pfrt.dims")
    if not isinstance(labels, ArrayAttr):
        return []
    return [
        label.data if isinstance(label, StringAttr) else ""
        for label in cast("ArrayAttr[Attribute]", labels)
    ]


def _drop_labels(function: func.FuncOp, known: frozenset[str]) -> None:
    """Drop the names of dimensions whose size is known now."""
    for which in ("arg_attrs", "res_attrs"):
        if which not in function.properties:
            continue
        rows = _attrs(function, which)
        for row in rows:
            if "pfrt.dims" in row:
                kept = ["" if label in known else label for label in _labels(row)]
                row["pfrt.dims"] = ArrayAttr([StringAttr(label) for label in kept])
                if not any(kept):
                    del row["pfrt.dims"]
        function.properties[which] = ArrayAttr([DictionaryAttr(row) for row in rows])
