"""Integer arithmetic is exact: the meaning of the ops and the NumPy backend give the same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import compiler, module_files, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.universe import make_context

Array = np.ndarray[Any, Any]
BYTES = (np.int8, np.uint8)


def type_of(array: Array, dims: Sequence[int | str] | None = None) -> str:
    shape = "".join(f"{d}x" for d in (array.shape if dims is None else dims))
    return f"tensor<{shape}{element_type(array.dtype)}>"


def program(
    op: str,
    operands: Mapping[str, Array],
    fed: Sequence[str],
    result: str,
    attributes: str,
    optional: Mapping[str, str] | None = None,
) -> str:
    """A function of one op: what is not fed is constant; `optional` operands have names in its text."""
    optional = optional or {}
    lines = [
        f"  %{name} = pfrt.constant dense<{array.tolist()}> : {type_of(array)}"
        for name, array in operands.items()
        if name not in fed
    ]
    arguments = ", ".join(f"%{name}: {type_of(operands[name])}" for name in fed)
    plain = {name: array for name, array in operands.items() if name not in optional}
    names = ", ".join(f"%{name}" for name in plain)
    parts = " ".join(
        f"{slot}(%{name} : {type_of(operands[name])})" for name, slot in optional.items()
    )
    types = ", ".join(type_of(array) for array in plain.values())
    types = types if optional else f"({types})"
    call = f"  %y = pfrt.{op} {names} {parts} {attributes}: {types} -> {result}"
    body = "\n".join((*lines, call))
    return f"func.func @main({arguments}) -> {result} {{\n{body}\n  func.return %y : {result}\n}}"


def check(text: str, inputs: list[Array]) -> Array:
    """The result, which is the same in the interpreter and in NumPy at levels 0 and 2."""
    ctx = make_context()
    module = module_files.parse(text, ctx, "case")
    (wanted,) = get_backend("reference").compile(module).run(inputs)
    for level in (0, 2):
        clone = module.clone()
        pipelines.run(ctx, clone, pipelines.parse(compiler.optimization_pipeline(level)))
        model = compiler.compile_module(clone, ctx, "numpy", "", level=level)
        (found,) = model.run(inputs)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    return wanted


class Drawn:
    """Integers, scales and zero points that are drawn, the ends of their types included."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))

    def size(self, low: int, high: int) -> int:
        return self._data.draw(st.integers(low, high))

    def one_of(self, *choices: Any) -> Any:
        return self._data.draw(st.sampled_from(choices))

    def integers(self, shape: Sequence[int]) -> Array:
        dtype = self.one_of(*BYTES)
        limits = np.iinfo(dtype)
        if self.one_of(False, True):
            return self.rng.choice([limits.min, limits.max], shape).astype(dtype)
        return self.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)

    def zero_point(self, dtype: Any, shape: Sequence[int] = ()) -> Array:
        limits = np.iinfo(dtype)
        return self.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)

    def scale(self, shape: Sequence[int] = ()) -> Array:
        # Powers of two make ties; the others round.
        return self.rng.choice([0.5, 0.25, 2.0**-7, 0.01, 0.3, 0.0037], shape).astype(np.float32)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_convolutions_of_integers(data: st.DataObject) -> None:
    """Groups, strides, pads, dilations, one or two dimensions, scales a feature, a bias."""
    draw = Drawn(data)
    groups, inner, outer = draw.size(1, 3), draw.size(1, 4), draw.size(1, 3)
    rank = draw.size(1, 2)
    extent, kernel = draw.size(4, 9), draw.size(1, 3)
    stride, pad, dilation = draw.size(1, 2), draw.size(0, 2), 1 if kernel == 1 else draw.size(1, 2)
    x = draw.integers((draw.size(1, 2), groups * inner, *(extent,) * rank))
    w = draw.integers((groups * outer, inner, *(kernel,) * rank))
    left = (extent + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    if left < 1:
        return
    shape = (x.shape[0], groups * outer, *(left,) * rank)
    window = {
        "group": f"{groups} : i64",
        "strides": f"array<i64: {', '.join([str(stride)] * rank)}>",
        "pads": f"array<i64: {', '.join([str(pad)] * (2 * rank))}>",
        "dilations": f"array<i64: {', '.join([str(dilation)] * rank)}>",
    }
    attributes = "{" + ", ".join(f"{k} = {v}" for k, v in window.items()) + "} "
    features = draw.one_of((), (groups * outer,))
    zeros = {"zx": draw.zero_point(x.dtype), "zw": draw.zero_point(w.dtype, features)}
    if draw.one_of(False, True):
        operands = {"x": x, "w": w, **zeros}
        result = type_of(np.empty(0, np.int32), shape)
        slots = {"zx": "x_zero_point", "zw": "w_zero_point"}
        check(program("conv_integer", operands, ("x",), result, attributes, slots), [x])
        return
    y_type = draw.one_of(*BYTES)
    operands = {
        "x": x, "sx": draw.scale(), "zx": zeros["zx"], "w": w, "sw": draw.scale(features),
        "zw": zeros["zw"], "sy": draw.scale() * draw.one_of(1, 64, 1000),
        "zy": draw.zero_point(y_type),
    }  # fmt: skip
    if draw.one_of(False, True):
        operands["b"] = draw.rng.integers(-5000, 5000, groups * outer).astype(np.int32)
    operands["sy"] = np.asarray(operands["sy"], np.float32)
    result = type_of(np.empty(0, y_type), shape)
    fed = draw.one_of(("x",), ("x", "w"))
    y = check(
        program("qlinear_conv", operands, fed, result, attributes), [operands[n] for n in fed]
    )
    assert y.dtype == y_type


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_products_of_matrices_of_integers(data: st.DataObject) -> None:
    """Batches, depths beyond which f32 is not exact, scales a column, weights that are fed."""
    draw = Drawn(data)
    depth, columns = draw.one_of(1, 7, 258, 600), draw.size(1, 5)
    batch = draw.one_of((), (2,), (2, 1))
    a, b = draw.integers((*batch, draw.size(1, 4), depth)), draw.integers((depth, columns))
    per = draw.one_of((), (columns,))
    zeros = {"za": draw.zero_point(a.dtype), "zb": draw.zero_point(b.dtype, per)}
    shape = (*a.shape[:-1], columns)
    fed = draw.one_of(("a",), ("a", "b"))
    if draw.one_of(False, True):
        operands = {"a": a, "b": b, **zeros}
        result = type_of(np.empty(0, np.int32), shape)
        inputs = [operands[name] for name in fed]
        slots = {"za": "a_zero_point", "zb": "b_zero_point"}
        check(program("matmul_integer", operands, fed, result, "", slots), inputs)
        return
    y_type = draw.one_of(*BYTES)
    operands = {
        "a": a, "sa": draw.scale(), "za": zeros["za"], "b": b, "sb": draw.scale(per),
        "zb": zeros["zb"], "sy": np.asarray(draw.scale() * draw.one_of(1, 64, 3000), np.float32),
        "zy": draw.zero_point(y_type),
    }  # fmt: skip
    result = type_of(np.empty(0, y_type), shape)
    text = program("qlinear_matmul", operands, fed, result, "")
    y = check(text, [operands[name] for name in fed])
    assert y.dtype == y_type


def test_ties_go_to_even_and_sums_saturate() -> None:
    """(0.5, 1.5, 2.5, -0.5, -1.5) and sums far outside, by hand."""
    x = np.array([[1, 3, 5, -1, -3, 127, -128]], np.int8).T
    one = np.float32(1)
    operands = {
        "a": x, "sa": np.array(one), "za": np.array(0, np.int8), "b": np.array([[1]], np.int8),
        "sb": np.array(one), "zb": np.array(0, np.int8), "sy": np.array(2, np.float32),
        "zy": np.array(100, np.int8),
    }  # fmt: skip
    text = program("qlinear_matmul", operands, ("a",), "tensor<7x1xi8>", "")
    y = check(text, [x])
    assert y.ravel().tolist() == [100, 102, 102, 100, 98, 127, 36]
