"""Drawn convolutions of bytes whose results are reals: the reference, NumPy, f32 that hold integers, and
machine code give the same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import kernels, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KERNEL = "conv_integer_to_float"
CPUS = processors.supported()
SCALES = (0.5, 0.25, 0.01, 1.0, 3e-3, 300.0, 1e38)
"""Of which some make sums that are exact, and the last one infinities."""

BLOCKS = (  # Channels of a group, features of one, and groups.
    (1, 5, 1), (3, 40, 1), (21, 16, 1), (70, 7, 1), (2, 3, 4), (18, 20, 2), (1, 1, 6), (1, 1, 37), (1, 2, 5),
)  # fmt: skip
WINDOWS = ((1, 1), (1, 1), (3, 3), (2, 3), (1, 5))


def kind(array: np.ndarray, *, batch: bool = True) -> str:
    dims = [str(size) for size in array.shape]
    if not batch:
        dims[0] = "?"
    return f"tensor<{''.join(f'{dim}x' for dim in dims)}{element_type(array.dtype)}>"


def text_of(
    arguments: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
    y: np.ndarray,
    window: str,
    *,
    batch: bool = True,
) -> str:
    """A function of a convolution of what is there of its operands; of a `batch` that is known, or not."""
    kinds = {name: kind(array) for name, array in {**arguments, **constants}.items()}
    kinds |= {name: kind(arguments[name], batch=batch) for name in "xr" if name in arguments}
    lines = "\n".join(
        f"%{name} = pfrt.constant dense<{array.tolist()}> : {kinds[name]}"
        for name, array in constants.items()
    )
    words = {"x_zero_point": "zx", "w_zero_point": "zw", "bias": "c", "plus": "r"}
    optional = " ".join(f"{w}(%{n} : {kinds[n]})" for w, n in words.items() if n in kinds)
    types = ", ".join(kinds[name] for name in ("x", "w", "sx", "sw"))
    result = kind(y, batch=batch)
    return f"""func.func @main({", ".join(f"%{n}: {kinds[n]}" for n in arguments)}) -> {result} {{
      {lines}
      %y = pfrt.{KERNEL} %x, %w, %sx, %sw {optional} {{{window}}} : ({types}) -> {result}
      func.return %y : {result}
    }}"""


def ran(text: str, feeds: Sequence[np.ndarray], passes: str) -> tuple[str, np.ndarray]:
    """The plan that passes make, and what it gives."""
    module = parse(text, make_context(), "t")
    pipelines.run(make_context(), module, pipelines.parse(f"{passes}plan-allocate"))
    (found,) = get_backend("numpy").compile(module).run(feeds)
    return str(module), found


class Drawn:
    """A convolution that hypothesis chose, on N x C x spatial."""

    def __init__(self, data: st.DataObject, *, activation: str | None = None) -> None:
        self._data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        across, each, self.group = self.one(*BLOCKS)
        window, stride, dilation = self.one(*WINDOWS), self.one(1, 2), self.one(1, 1, 2)
        pads = self.one((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0))
        x_type, w_type = self.one(np.uint8, np.int8), self.one(np.int8, np.uint8)
        features = each * self.group
        shape = (self.one(1, 3), across * self.group, 7 + self.one(0, 2), 10)
        self.params = {
            "group": self.group, "strides": (stride,) * 2, "pads": pads, "dilations": (dilation,) * 2,
        }  # fmt: skip
        self.arguments = {"x": self.bytes_of(x_type, *shape)}
        several = self.one((), (features,))
        self.constants = {
            "w": self.bytes_of(w_type, features, across, *window),
            "sw": self.scales(*several),
        }
        if self.one(True, False):
            self.constants["zw"] = self.bytes_of(w_type, *several)
        if self.one(True, False):
            self.constants["c"] = self.rng.standard_normal(features).astype(np.float32)
        scale = {"sx": self.scales(), "zx": self.bytes_of(x_type)}
        (self.arguments if self.one(True, False) else self.constants).update(scale)
        given = {**self.arguments, **self.constants}
        order = ("x", "w", "sx", "sw", "zx", "zw", "c")
        found = kernels.table()[KERNEL](*(given.get(name) for name in order), **self.params)
        self.y = np.zeros(found.shape, np.float32)
        if self.one(True, False):
            self.arguments["r"] = self.rng.standard_normal(found.shape).astype(np.float32)
        self.activation = activation or self.one("", '"relu"', '"clip", {max = 6.0 : f32}')

    def one(self, *values):
        return self._data.draw(st.sampled_from(values))

    def bytes_of(self, dtype: type, *shape: int) -> np.ndarray:
        """Integers of all sizes, of small ones, or of the largest ones."""
        limits = np.iinfo(dtype)
        low, high = self.one((limits.min, limits.max), (0, 3), (limits.max - 1, limits.max))
        return np.asarray(self.rng.integers(low, high, shape, endpoint=True)).astype(dtype)

    def scales(self, *shape: int) -> np.ndarray:
        return np.asarray(self.rng.choice(SCALES, shape), np.float32)

    def text(self, layout: str = "nchw", *, batch: bool = True) -> str:
        """Of images in a layout."""
        arguments, y = self.arguments, self.y
        if layout == "nhwc":
            arguments = dict(zip(arguments, self.feeds(layout), strict=True))
            y = y.transpose(0, 2, 3, 1)
        lists = ", ".join(
            f"{name} = array<i64: {', '.join(map(str, value))}>"
            for name, value in self.params.items()
            if name != "group"
        )
        window = f'group = {self.group} : i64, layout = "{layout}", {lists}'
        if self.activation:
            window += f", activation = #pfrt.activation<{self.activation}>"
        return text_of(arguments, self.constants, y, window, batch=batch)

    def feeds(self, layout: str = "nchw") -> list[np.ndarray]:
        return [
            np.ascontiguousarray(array.transpose(0, 2, 3, 1))
            if layout == "nhwc" and array.ndim
            else array
            for array in self.arguments.values()
        ]


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    """Bit for bit, but which NaN it is."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_convolutions(data: st.DataObject) -> None:
    """Of one group, of some, of each channel; in either layout; zero points and scales of all kinds."""
    drawn = Drawn(data)
    text, feeds = drawn.text(), drawn.feeds()
    (wanted,) = get_backend("reference").compile(parse(text, make_context(), "t")).run(feeds)
    for passes in (
        "convert-pfrt-to-plan,",
        "pfrt-widen-quantization,convert-pfrt-to-plan,",
    ):
        plan, found = ran(text, feeds, passes)
        assert (KERNEL in plan) == ("widen" not in passes)
        same(found, wanted)
    open_sizes = drawn.text(batch=False)
    _, found = ran(open_sizes, feeds, "pfrt-widen-quantization{unknown=true},convert-pfrt-to-plan,")
    same(found, wanted)
    cpu, shares = drawn.one(*CPUS), drawn.one(1, 2)
    compiled = (
        f"convert-pfrt-to-plan,convert-plan-integers-to-native{{cpu={cpu} threads={shares}}},"
    )
    plan, found = ran(drawn.text("nhwc"), drawn.feeds("nhwc"), compiled)
    assert f"@{KERNEL}_nhwc" in plan and plan.count("plan.schedule") == 1
    same(found.transpose(0, 3, 1, 2), wanted)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.data())
def test_functions_of_sums(data: st.DataObject) -> None:
    """Those whose code is long: as the kernel has them but for rounding."""
    drawn = Drawn(data, activation=data.draw(st.sampled_from(('"sigmoid"', '"tanh"'))))
    feeds = drawn.feeds("nhwc")
    text = drawn.text("nhwc")
    (wanted,) = get_backend("reference").compile(parse(text, make_context(), "t")).run(feeds)
    passes = f"convert-pfrt-to-plan,convert-plan-integers-to-native{{cpu={processors.best()}}},"
    _, found = ran(text, feeds, passes)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("blocks", [(3, 8, 1), (18, 20, 2), (1, 1, 37)])
def test_code_is_what_runs(blocks: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the kernel, for convolutions of one group, of some, and of each channel, with all that follows."""
    across, each, group = blocks
    features, rng = each * group, np.random.default_rng(1)
    arguments = {
        "x": rng.integers(0, 256, (2, 7, 5, across * group)).astype(np.uint8),
        "r": rng.standard_normal((2, 7, 5, features)).astype(np.float32),
        "sx": np.array(0.02, np.float32), "zx": np.array(7, np.uint8),
    }  # fmt: skip
    constants = {
        "w": rng.integers(-128, 128, (features, across, 3, 3)).astype(np.int8),
        "sw": rng.random(features).astype(np.float32),
        "c": rng.standard_normal(features).astype(np.float32),
    }
    window = f'group = {group} : i64, pads = array<i64: 1, 1, 1, 1>, layout = "nhwc"'
    text = text_of(arguments, constants, arguments["r"], window)
    feeds = list(arguments.values())
    (wanted,) = get_backend("reference").compile(parse(text, make_context(), "t")).run(feeds)

    def fails(*_operands: object, **_properties: object) -> None:
        raise AssertionError("the kernel ran")

    monkeypatch.setitem(kernels.table(), KERNEL, fails)
    passes = f"convert-pfrt-to-plan,convert-plan-integers-to-native{{cpu={processors.best()}}},"
    _, found = ran(text, feeds, passes)
    same(found, wanted)
