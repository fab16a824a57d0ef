"""Windows, rows, attention and movement in compiled plans, against the same plans on NumPy."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Executable, Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def compiled(text: str, kind: str, threads: int = 1) -> tuple[Executable, int]:
    """The plan of a module, and how many of its calls are to be compiled; "" for NumPy alone."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={kind} threads={threads}}}," if kind else ""
    passes = f"convert-pfrt-to-plan,{native}plan-split{{threads={threads}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    calls = [op for op in module.walk() if isinstance(op, CallOp) and SCHEDULE in op.attributes]
    return NumpyBackend().with_threads(Threads(threads)).compile(module), len(calls)


def check(text: str, inputs: list[np.ndarray], calls: int, tolerance: float = 1e-5) -> None:
    """All kinds of code compute what NumPy computes, and all of the calls."""
    expected = compiled(text, "")[0].run(inputs)
    for kind in KINDS:
        for threads in (1, 2):
            plan, count = compiled(text, kind, threads)
            assert count == calls
            assert sum(isinstance(c, NativeStep) for c in plan._free[0][0]._steps.calls) == calls
            for _ in range(2):
                for found, exact in zip(plan.run(inputs), expected, strict=True):
                    np.testing.assert_allclose(found, exact, rtol=tolerance, atol=tolerance)


def dense(seed: int, *shape: int) -> str:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{'x'.join(map(str, shape))}xf32>"


def drawn(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


DEPTHWISE = """
func.func @main(%x: tensor<2x9x8x{c}xf32>) -> tensor<2x{h}x{v}x{c}xf32> {{
  %w = pfrt.constant {w}
  %b = pfrt.constant {b}
  %y = pfrt.conv %x, %w, %b {{layout = "nhwc", group = {c} : i64,
    activation = #pfrt.activation<"hard_swish">, strides = array<i64: {s}, {s}>,
    pads = array<i64: {p}, {p}, {p}, {p}>, dilations = array<i64: {d}, {d}>}}
    : (tensor<2x9x8x{c}xf32>, tensor<{c}x1x3x3xf32>, tensor<{c}xf32>) -> tensor<2x{h}x{v}x{c}xf32>
  func.return %y : tensor<2x{h}x{v}x{c}xf32>
}}
"""


@pytest.mark.parametrize(
    ("channels", "stride", "pad", "dilation"),
    [(32, 1, 1, 1), (21, 2, 1, 1), (5, 1, 0, 2), (16, 3, 4, 1)],
)
def test_depthwise(channels: int, stride: int, pad: int, dilation: int) -> None:
    """Windows inside, at borders, and wholly outside of the image; channels that fill no vector."""
    high, wide = ((n + 2 * pad - 2 * dilation - 1) // stride + 1 for n in (9, 8))
    text = DEPTHWISE.format(
        c=channels, h=high, v=wide, s=stride, p=pad, d=dilation,
        w=dense(1, channels, 1, 3, 3), b=dense(2, channels),
    )  # fmt: skip
    # The argument and the result are copied, from and to where they keep their place.
    check(text, [drawn(2, 9, 8, channels)], 3)


POOL = """
func.func @main(%x: tensor<1x7x10x19xf32>) -> tensor<1x{h}x{v}x19xf32> {{
  %y = pfrt.{op} %x {{kernel_shape = array<i64: 3, 2>, strides = array<i64: 2, 2>,
    pads = array<i64: 1, 1, 1, 0>, layout = "nhwc"{more}}}
    : tensor<1x7x10x19xf32> -> tensor<1x{h}x{v}x19xf32>
  func.return %y : tensor<1x{h}x{v}x19xf32>
}}
"""


@pytest.mark.parametrize(
    ("op", "more"),
    [
        ("max_pool", ""),
        ("average_pool", ""),
        ("average_pool", ", count_include_pad = true"),
    ],
)
def test_pools(op: str, more: str) -> None:
    """What is outside counts for nothing, or as zeros where it is to be counted."""
    check(POOL.format(op=op, more=more, h=4, v=5), [drawn(1, 7, 10, 19) - 4], 3)


ATTENTION = """
func.func @main(%q: tensor<2x{q}x24xf32>, %k: tensor<2x{k}x12xf32>, %v: tensor<2x{k}x6xf32>,
    %m: tensor<{m}xf32>) -> tensor<2x{q}x12xf32> {{
  %y = pfrt.attention %q, %k, %v mask(%m : tensor<{m}xf32>) {{q_num_heads = 4 : i64,
    kv_num_heads = 2 : i64, is_causal = {causal}}}
    : tensor<2x{q}x24xf32>, tensor<2x{k}x12xf32>, tensor<2x{k}x6xf32> -> tensor<2x{q}x12xf32>
  func.return %y : tensor<2x{q}x12xf32>
}}
"""


@pytest.mark.parametrize(
    ("queries", "keys", "mask"),
    [(1, 9, (1, 9)), (4, 4, (2, 1, 1, 4)), (40, 37, (4, 1, 37)), (13, 70, (2, 4, 13, 70))],
)
@pytest.mark.parametrize("causal", ["true", "false"])
def test_attention(queries: int, keys: int, mask: tuple[int, ...], causal: str) -> None:
    """Few queries and many, heads that share keys, masks of all shapes."""
    text = ATTENTION.format(q=queries, k=keys, m="x".join(map(str, mask)), causal=causal)
    bias = drawn(*mask, seed=3)
    bias[..., -1] = -np.inf
    inputs = [drawn(2, queries, 24), drawn(2, keys, 12), drawn(2, keys, 6), bias]
    check(text, inputs, 1)


ROWS = """
func.func @main(%x: tensor<3x50xf32>, %z: tensor<3x1xf32>) -> (tensor<50x3xf32>, tensor<3x50xf32>) {{
  %s = pfrt.constant {s}
  %a = pfrt.add %x, %z : (tensor<3x50xf32>, tensor<3x1xf32>) -> tensor<3x50xf32>
  %b = pfrt.layer_normalization %a, %s {{axis = 1 : i64}}
    : (tensor<3x50xf32>, tensor<50xf32>) -> tensor<3x50xf32>
  %c = pfrt.softmax %b {{axis = 1 : i64}} : tensor<3x50xf32> -> tensor<3x50xf32>
  %d = pfrt.mul %c, %s : (tensor<3x50xf32>, tensor<50xf32>) -> tensor<3x50xf32>
  %e = pfrt.gelu %d : tensor<3x50xf32> -> tensor<3x50xf32>
  %f = pfrt.transpose %e {{perm = array<i64: 1, 0>}} : tensor<3x50xf32> -> tensor<50x3xf32>
  func.return %f, %c : tensor<50x3xf32>, tensor<3x50xf32>
}}
"""


def rows() -> str:
    return ROWS.format(s=dense(1, 50))


def test_one_call() -> None:
    """Calls in a row are one, on inputs that lie in any way; results are the caller's own."""
    inputs = [drawn(3, 50), drawn(3, 1)]
    expected = compiled(rows(), "")[0].run(inputs)
    plan, _ = compiled(rows(), KINDS[0])
    steps = plan._free[0][0]._steps
    assert len(steps._runs) < len(steps.calls)
    apart = np.full((3, 100), np.nan, np.float32)[:, ::2]
    apart[:] = inputs[0]
    strange = np.empty(13, np.uint8)[1:].view(np.float32).reshape(3, 1)
    strange[:] = inputs[1]
    for given in (inputs, [apart, inputs[1]], [inputs[0], strange], inputs):
        first, second = plan.run(given), plan.run(given)
        for found, again, exact in zip(first, second, expected, strict=True):
            np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(found, again)
            assert not np.may_share_memory(found, again)


BIG = """
func.func @main(%x: tensor<64x512xf32>) -> tensor<64x512xf32> {{
  %w = pfrt.constant dense<0.01> : tensor<512x512xf32>
  %a = pfrt.matmul %x, %w {{activation = #pfrt.activation<"tanh">}}
    : tensor<64x512xf32>, tensor<512x512xf32> -> tensor<64x512xf32>
  %b = pfrt.matmul %a, %w {{activation = #pfrt.activation<"relu">}}
    : tensor<64x512xf32>, tensor<512x512xf32> -> tensor<64x512xf32>
  %y = pfrt.softmax %b {{axis = 1 : i64}} : tensor<64x512xf32> -> tensor<64x512xf32>
  func.return %y : tensor<64x512xf32>
}}
"""


@pytest.mark.parametrize("threads", [2, 3])
def test_threads(threads: int) -> None:
    """Whoever helps, and whether somebody does, results are the same bits: also of runs side by side."""
    x = drawn(64, 512)
    (alone,) = compiled(BIG.format(), KINDS[0])[0].run([x])
    plan, _ = compiled(BIG.format(), KINDS[0], threads)
    wrong: list[int] = []

    def repeat() -> None:
        for _ in range(15):
            (found,) = plan.run([x])
            if not np.array_equal(found, alone):
                wrong.append(1)

    others = [threading.Thread(target=repeat) for _ in range(2)]
    for other in others:
        other.start()
    repeat()
    for other in others:
        other.join()
    assert not wrong
