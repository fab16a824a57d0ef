"""What is added to exact sums is added after them, and rounded once: machine code of all kinds, NumPy and
the reference give the same bits of quantized data with a bias of reals, and so the same integers of ties."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.backends.native import processors
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

LAYOUTS = ("", "pfrt-layout{compiled=true},")
FORMS = {
    "depthwise": (8, 8, 3, 8), "pointwise": (5, 9, 1, 1), "windows": (9, 20, 3, 1),
    "groups": (32, 32, 3, 2),
}  # fmt: skip
"""Channels, features, size of a window, groups."""


def listed(values: np.ndarray, dtype: str) -> str:
    """A constant, and its type."""
    kind = f"tensor<{''.join(f'{n}x' for n in values.shape)}{dtype}>"
    return f"dense<{values.tolist()}> : {kind}"


class Drawn:
    """Integers, scales that are powers of two, and biases on both sides of what rounding turns at."""

    def __init__(self, data: st.DataObject) -> None:
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        self.x, self.w = (2.0 ** data.draw(st.integers(-9, 3)) for _ in range(2))
        self.y = self.x * self.w * 2.0 ** data.draw(st.integers(4, 9))

    def bias(self, *shape: int) -> np.ndarray:
        """Halves of the result's quantum, some a little more or less than that."""
        turning = self.rng.integers(-99, 99, shape) * self.y / 2
        return (turning * (1 + self.rng.choice([0, 1e-6, -1e-6, 3e-4], shape))).astype(np.float32)

    def module(self, op: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...]) -> str:
        """The ops of a function of bytes and a residual; `{…}` in the op are types."""
        kinds = {
            name: f"tensor<{''.join(f'{n}x' for n in shape)}f32>"
            for name, shape in (("x", x), ("w", w), ("y", y))
        }
        bias = self.bias(w[-1] if len(w) == 2 else w[0])
        narrow = {name: kind.replace("f32", "ui8") for name, kind in kinds.items()}
        # Weights are integers, as those are that are known to be quantized.
        weights = self.rng.integers(-127, 128, w)
        scales = "\n".join(
            f"%s{name} = pfrt.constant dense<{value!r}> : tensor<f32>"
            for name, value in (("x", self.x * self.w), ("y", self.y))
        )
        return f"""func.func @main(%q: {narrow["x"]}, %r: {kinds["y"]}) -> ({narrow["y"]}, {kinds["y"]}) {{
          %w = pfrt.constant {listed(weights, "f32")}
          %b = pfrt.constant {listed(bias, "f32")}
          {scales}
          %z = pfrt.constant dense<101> : tensor<ui8>
          %x = pfrt.dequantize_linear %q, %sx, %z : ({narrow["x"]}, tensor<f32>, tensor<ui8>) -> {kinds["x"]}
          {op.format(**kinds, b=f"tensor<{bias.size}xf32>")}
          %i = pfrt.quantize_linear %f, %sy, %z : ({kinds["y"]}, tensor<f32>, tensor<ui8>) -> {narrow["y"]}
          func.return %i, %f : {narrow["y"]}, {kinds["y"]}
        }}"""


def check(text: str, feeds: list[np.ndarray]) -> None:
    context = make_context()
    wanted = get_backend("reference").compile(parse(text, context, "t")).run(feeds)
    for layout in LAYOUTS:
        for kind in ("", *processors.supported()):
            native = f"convert-plan-to-native{{cpu={kind}}},plan-fuse-elementwise," if kind else ""
            module = parse(text, context, "t")
            passes = f"{layout}pfrt-fuse-elementwise,convert-pfrt-to-plan,{native}plan-allocate"
            pipelines.run(context, module, pipelines.parse(passes))
            calls = [op for op in module.walk() if isinstance(op, CallOp)]
            assert any(SCHEDULE in op.attributes for op in calls) == bool(kind)
            results = get_backend("numpy").compile(module).run(feeds)
            for found, expected in zip(results, wanted, strict=True):
                assert found.tobytes() == expected.tobytes(), (layout, kind)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=2, deadline=None, derandomize=True)
@given(st.data())
def test_convolutions(form: str, data: st.DataObject) -> None:
    """A channel with a window of its own, all channels, groups; strides, padding, a residual."""
    d, (channels, features, size, group) = Drawn(data), FORMS[form]
    stride, adds = data.draw(st.sampled_from((1, 2))), data.draw(st.booleans())
    edge, pad = 9, size // 2
    out = (edge + 2 * pad - size) // stride + 1
    window = f"{{{{group = {group} : i64, pads = array<i64: {pad}, {pad}, {pad}, {pad}>, strides = array<i64: {stride}, {stride}>}}}}"
    more, kind = (" plus %r", " plus {y}") if adds else ("", "")
    op = f"%f = pfrt.conv %x, %w, %b{more} {window} : ({{x}}, {{w}}, {{b}}){kind} -> {{y}}"
    x, w = (2, channels, edge, edge), (features, channels // group, size, size)
    y = (2, features, out, out)
    feeds = [d.rng.integers(0, 256, x).astype(np.uint8), d.bias(*y)]
    check(d.module(op, x, w, y), feeds)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.data())
def test_products(data: st.DataObject) -> None:
    """One row and several, a bias a column, a residual, a bound."""
    d = Drawn(data)
    rows, depth, columns = data.draw(st.sampled_from((1, 13))), 40, 37
    more, kind = data.draw(st.sampled_from((("", ""), (" plus %r", " plus {y}"))))
    bound = data.draw(st.sampled_from(("", '{{activation = #pfrt.activation<"relu">}} ')))
    types = f"{{x}}, {{w}} bias {{b}}{kind} -> {{y}}"
    op = f"%f = pfrt.matmul %x, %w bias %b{more} {bound}: {types}"
    x, w, y = (rows, depth), (depth, columns), (rows, columns)
    feeds = [d.rng.integers(0, 256, x).astype(np.uint8), d.bias(*y)]
    check(d.module(op, x, w, y), feeds)
