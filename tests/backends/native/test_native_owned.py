"""Compiled plans whose sizes are known in a run only, against the same plans on NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

import pyflame_rt as rt
from pyflame_rt import pipelines
from pyflame_rt.backends.base import Executable, Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled import owned
from pyflame_rt.backends.numpy_backend.compiled.owned import OwnedStep
from pyflame_rt.backends.numpy_backend.owned_rows import Entry, OwnedRow
from pyflame_rt.errors import BackendError
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def dense(seed: int, *shape: int) -> str:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{'x'.join(map(str, shape))}xf32>"


def drawn(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


STEP = f"""
func.func @main(%x: tensor<?x?x24xf32>, %pk: tensor<?x2x?x6xf32>, %pv: tensor<?x2x?x6xf32>)
    -> (tensor<?x?x24xf32>, tensor<?x2x?x6xf32>, tensor<?x2x?x6xf32>) {{
  %wq = pfrt.constant {dense(1, 24, 24)}
  %wk = pfrt.constant {dense(2, 24, 12)}
  %wv = pfrt.constant {dense(3, 24, 12)}
  %wo = pfrt.constant {dense(4, 24, 24)}
  %b = pfrt.constant {dense(5, 24)}
  %n = pfrt.layer_normalization %x, %b, %b {{axis = -1 : i64}}
    : (tensor<?x?x24xf32>, tensor<24xf32>, tensor<24xf32>) -> tensor<?x?x24xf32>
  %q = pfrt.matmul %n, %wq bias %b {{activation = #pfrt.activation<"tanh">}}
    : tensor<?x?x24xf32>, tensor<24x24xf32> bias tensor<24xf32> -> tensor<?x?x24xf32>
  %k = pfrt.matmul %n, %wk : tensor<?x?x24xf32>, tensor<24x12xf32> -> tensor<?x?x12xf32>
  %v = pfrt.matmul %n, %wv : tensor<?x?x24xf32>, tensor<24x12xf32> -> tensor<?x?x12xf32>
  %a, %nk, %nv = pfrt.attention %q, %k, %v
    past_key(%pk : tensor<?x2x?x6xf32>) past_value(%pv : tensor<?x2x?x6xf32>)
    {{q_num_heads = 4 : i64, kv_num_heads = 2 : i64, is_causal = true, present = true}}
    : tensor<?x?x24xf32>, tensor<?x?x12xf32>, tensor<?x?x12xf32>
    -> tensor<?x?x24xf32>, tensor<?x2x?x6xf32>, tensor<?x2x?x6xf32>
  %y = pfrt.matmul %a, %wo plus %x
    : tensor<?x?x24xf32>, tensor<24x24xf32> plus tensor<?x?x24xf32> -> tensor<?x?x24xf32>
  func.return %y, %nk, %nv : tensor<?x?x24xf32>, tensor<?x2x?x6xf32>, tensor<?x2x?x6xf32>
}}
"""


def compiled(text: str, kind: str, threads: int = 1) -> Executable:
    """The plan of a module; "" for NumPy alone."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={kind} threads={threads}}}," if kind else ""
    passes = f"convert-pfrt-to-plan,{native}plan-split{{threads={threads}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    return NumpyBackend().with_threads(Threads(threads)).compile(module)


def native_steps(plan: Executable) -> list[OwnedStep]:
    return [step for step in plan._free[0][0]._steps.calls if isinstance(step, OwnedStep)]


@pytest.fixture(autouse=True)
def _worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can be is compiled, however small."""
    monkeypatch.setattr(owned, "PREPARING", 0)


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, exact in zip(found, expected, strict=True):
        assert one.shape == exact.shape
        np.testing.assert_allclose(one, exact, rtol=1e-5, atol=1e-5 * np.abs(exact).max(initial=1))


@pytest.mark.parametrize("kind", KINDS)
def test_growing_cache(kind: str) -> None:
    """Each step has sizes that none had before; what comes out goes in again."""
    numpy, plan, divided = compiled(STEP, ""), compiled(STEP, kind), compiled(STEP, kind, 2)
    cache = [np.zeros((2, 2, 0, 6), np.float32)] * 2
    for step, tokens in enumerate((9, 1, 1, 2, 1)):
        x = drawn(2, tokens, 24, seed=step)
        expected = numpy.run([x, *cache])
        found = plan.run([x, *cache])
        same(found, expected)
        for one, other in zip(found, divided.run([x, *cache]), strict=True):
            np.testing.assert_array_equal(one, other)
        cache = found[1:]
    steps = native_steps(plan)
    assert len(steps) == 6
    assert all(step.last is not None for step in steps)


def test_shapes_come_back() -> None:
    """More shapes than are kept, in any order, each with the bits it had before; also of arrays that
    lie in another way, and side by side with what an earlier run returned."""
    plan = compiled(STEP, KINDS[0])
    known: dict[tuple[int, int], list[np.ndarray]] = {}
    for rows, past in [(1, 3), (2, 3), (1, 4), (3, 1), (1, 3), (7, 2), (8, 2), (1, 3), (2, 3)]:
        x, cache = drawn(1, rows, 24), [drawn(1, 2, past, 6), drawn(1, 2, past, 6, seed=6)]
        found = plan.run([x, *cache])
        apart = np.full((1, rows, 48), np.nan, np.float32)[:, :, ::2]
        apart[:] = x
        again = plan.run([apart, *cache])
        for one, other in zip(found, again, strict=True):
            np.testing.assert_array_equal(one, other)
            assert not np.may_share_memory(one, other)
        for one, other in zip(found, known.setdefault((rows, past), found), strict=True):
            np.testing.assert_array_equal(one, other)


def test_calls_are_joined_whose_shapes_stay() -> None:
    """In a loop of single tokens all but attention is one call; a longer step in between, and operands
    that lie in another way, have the results that they have in a plan that has not run yet."""
    plan = compiled(STEP, KINDS[0], 2)
    cache = [np.zeros((1, 2, 0, 6), np.float32)] * 2
    for step, tokens in enumerate((1, 1, 1, 1, 1, 1, 3, 1, 1, 1)):
        x = (
            drawn(1, tokens, 48, seed=step)[:, :, ::2]
            if step == 8
            else drawn(1, tokens, 24, seed=step)
        )
        found = plan.run([x, *cache])
        for one, other in zip(found, compiled(STEP, KINDS[0]).run([x, *cache]), strict=True):
            np.testing.assert_array_equal(one, other)
            assert not any(np.may_share_memory(one, before) for before in cache)
        cache = found[1:]
    (row,) = (run for run in plan._free[0][0]._steps._runs if isinstance(run, OwnedRow))
    joined = [part for part in row._parts if not isinstance(part, Entry)]
    assert [len(part._entries) for part in joined] == [4]
    assert joined[0]._run is not None


def test_small_caches_stay_on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing records for each length of a cache takes longer than NumPy does for a small one."""
    monkeypatch.undo()
    plan, numpy = compiled(STEP, KINDS[0]), compiled(STEP, "")
    inputs = [drawn(1, 1, 24), drawn(1, 2, 5, 6), drawn(1, 2, 5, 6, seed=6)]
    same(plan.run(inputs), numpy.run(inputs))
    assert [step.last is None for step in native_steps(plan)].count(True) == 1
    inputs = [drawn(1, 1, 24), drawn(1, 2, 50000, 6), drawn(1, 2, 50000, 6, seed=6)]
    same(plan.run(inputs), numpy.run(inputs))
    assert all(step.last is not None for step in native_steps(plan))


def test_errors_are_those_of_numpy() -> None:
    """Operands that do not go together are refused by the op's kernel, and a run after that is well."""
    plan = compiled(STEP, KINDS[0])
    x, cache = drawn(1, 1, 24), [drawn(1, 2, 3, 6)] * 2
    good = plan.run([x, *cache])
    for wrong in (
        [drawn(1, 1, 23), *cache],
        [x, drawn(1, 2, 3, 5), cache[1]],
        [x, cache[0], drawn(2, 2, 3, 6)],
    ):
        with pytest.raises(BackendError) as of_numpy:
            compiled(STEP, "").run(wrong)
        with pytest.raises(BackendError) as found:
            plan.run(wrong)
        assert str(found.value) == str(of_numpy.value)
    np.testing.assert_array_equal(plan.run([x, *cache])[0], good[0])


ROWS = """
func.func @main(%x: tensor<?x?x?xf32>, %z: tensor<?x1xf32>) -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>) {
  %a = pfrt.add %x, %z : (tensor<?x?x?xf32>, tensor<?x1xf32>) -> tensor<?x?x?xf32>
  %b = pfrt.softmax %a {axis = -1 : i64} : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  %c = pfrt.mul %b, %b : (tensor<?x?x?xf32>, tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %d = pfrt.transpose %c {perm = array<i64: 0, 2, 1>} : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  %e = pfrt.matmul %c, %d : tensor<?x?x?xf32>, tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  func.return %d, %e : tensor<?x?x?xf32>, tensor<?x?x?xf32>
}
"""

_PLANS: dict[str, Executable] = {}


@settings(max_examples=25, deadline=None)
@given(sizes=st.tuples(*(st.integers(0, n) for n in (3, 40, 40))), data=st.data())
def test_any_sizes(sizes: tuple[int, int, int], data: st.DataObject) -> None:
    """Elements, rows, transposes and products of two operands for whatever sizes, none included."""
    kind = data.draw(st.sampled_from(KINDS))
    for name in ("", kind):
        if name not in _PLANS:
            _PLANS[name] = compiled(ROWS, name, threads=2 if name else 1)
    inputs = [drawn(*sizes), drawn(sizes[1], 1, seed=6)]
    try:
        expected = _PLANS[""].run(inputs)
    except BackendError as error:
        with pytest.raises(BackendError, match=re.escape(error.message)):
            _PLANS[kind].run(inputs)
        return
    same(_PLANS[kind].run(inputs), expected)


IMAGES = f"""
func.func @main(%x: tensor<?x?x?x6xf32>) -> (tensor<?x1x1x10xf32>, tensor<?x?x?x10xf32>) {{
  %w = pfrt.constant {dense(1, 6, 1, 3, 3)}
  %g = pfrt.constant {dense(2, 8, 3, 3, 2)}
  %f = pfrt.constant {dense(3, 10, 8, 3, 3)}
  %p = pfrt.constant {dense(4, 10, 10, 1, 1)}
  %b = pfrt.constant {dense(5, 10)}
  %d = pfrt.conv %x, %w {{layout = "nhwc", group = 6 : i64, pads = array<i64: 1, 1, 1, 1>}}
    : (tensor<?x?x?x6xf32>, tensor<6x1x3x3xf32>) -> tensor<?x?x?x6xf32>
  %e = pfrt.conv %d, %g {{layout = "nhwc", group = 2 : i64, activation = #pfrt.activation<"relu">}}
    : (tensor<?x?x?x6xf32>, tensor<8x3x3x2xf32>) -> tensor<?x?x?x8xf32>
  %m = pfrt.max_pool %e {{layout = "nhwc", kernel_shape = array<i64: 2, 2>,
    strides = array<i64: 2, 2>, ceil_mode = true}} : tensor<?x?x?x8xf32> -> tensor<?x?x?x8xf32>
  %c = pfrt.conv %m, %f, %b {{layout = "nhwc", auto_pad = "SAME_UPPER"}}
    : (tensor<?x?x?x8xf32>, tensor<10x8x3x3xf32>, tensor<10xf32>) -> tensor<?x?x?x10xf32>
  %y = pfrt.conv %c, %p plus %c {{layout = "nhwc"}}
    : (tensor<?x?x?x10xf32>, tensor<10x10x1x1xf32>) plus tensor<?x?x?x10xf32>
    -> tensor<?x?x?x10xf32>
  %a = pfrt.average_pool %y {{layout = "nhwc", kernel_shape = array<i64: 2, 2>}}
    : tensor<?x?x?x10xf32> -> tensor<?x?x?x10xf32>
  %z = pfrt.global_average_pool %a {{layout = "nhwc"}}
    : tensor<?x?x?x10xf32> -> tensor<?x1x1x10xf32>
  func.return %z, %y : tensor<?x1x1x10xf32>, tensor<?x?x?x10xf32>
}}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_any_size(kind: str) -> None:
    """Convolutions of every kind, and pools, of images and batches that no plan was made for."""
    numpy, plan, divided = compiled(IMAGES, ""), compiled(IMAGES, kind), compiled(IMAGES, kind, 2)
    for sizes in ((1, 9, 8), (2, 9, 8), (1, 14, 31), (3, 6, 7), (1, 9, 8)):
        x = drawn(*sizes, 6)
        found = plan.run([x])
        same(found, numpy.run([x]))
        for one, other in zip(found, divided.run([x]), strict=True):
            np.testing.assert_array_equal(one, other)
    assert all(step.last is not None for step in native_steps(plan))
    with pytest.raises(BackendError, match="does not fit"):
        plan.run([drawn(1, 2, 1, 6)])


def test_weights_are_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan for all shapes and those for single ones multiply by the same packed weights."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "1")
    onnx = pytest.importorskip("onnx")
    w = onnx.numpy_helper.from_array(drawn(64, 48), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", size])
        for name, size in (("x", 64), ("y", 48))
    )
    graph = onnx.helper.make_graph([node], "g", [x], [y], [w])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    session = rt.InferenceSession(model.SerializeToString())
    session.run(None, {"x": drawn(3, 64)})
    for _ in range(session.get_session_options().specialize_after + 1):
        found = session.run(None, {"x": drawn(5, 64)})
    session._plans.settle()
    again = session.run(None, {"x": drawn(5, 64)})
    np.testing.assert_array_equal(again[0], found[0])
    plans = [session._plans.dynamic, *session._plans._special.values()]
    plans[0].run([drawn(3, 64)])
    assert len(plans) > 1
    invokes = [
        instruction
        for plan in plans
        for instruction in plan.executable._program.body.instructions
        if getattr(instruction, "callee", "") in ("gemm", "matmul")
    ]
    packed = [array for invoke in invokes for array in invoke.packs.values()]
    assert len(packed) == len(plans) == len(invokes)
    assert all(array is packed[0] for array in packed)


def test_results_that_only_a_row_of_calls_needs_share_memory() -> None:
    """Of ten products, each of the one before, two results are there at a time: the last is new."""
    lines = [f"%w{k} = pfrt.constant {dense(k, 24, 24)}" for k in range(10)]
    kinds = "tensor<?x24xf32>, tensor<24x24xf32> -> tensor<?x24xf32>"
    lines += [f"%{k + 1} = pfrt.matmul %{k or 'x'}, %w{k} : {kinds}" for k in range(10)]
    body = "\n".join(lines)
    text = f"func.func @main(%x: tensor<?x24xf32>) -> tensor<?x24xf32> {{\n{body}\nfunc.return %10 : tensor<?x24xf32>\n}}"
    plan, other = compiled(text, KINDS[0]), compiled(text, "")
    for seed in range(6):
        x = drawn(7, 24, seed=seed) / 8
        same(plan.run([x]), other.run([x]))
    spare = plan._free[0][0]._rooms.spare
    assert sum(room.nbytes for room in spare) == 2 * 7 * 24 * 4
