"""Products with weights that are mostly 0: the same numbers, chosen only where they pay."""

from __future__ import annotations

import builtins
import json
import sys

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr, SymbolRefAttr

from pyflame_rt import Graph, InferenceSession, compiler, pipelines, tuning
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.plan import algorithms, times
from pyflame_rt.dialects.plan.ops import CallOp

pytest.importorskip("scipy", reason="sparse products need SciPy")

SIZE = 256


def weights(sparsity: float, block: int = 1, dtype: type = np.float32) -> np.ndarray:
    """A square matrix with so many zeros, in blocks."""
    rng = np.random.default_rng(0)
    stays = rng.random((SIZE // block, SIZE // block)) >= sparsity
    mask = np.kron(stays, np.ones((block, block)))
    return (rng.standard_normal((SIZE, SIZE)) * mask).astype(dtype)


def program(
    w: np.ndarray, rows: list[int], *, turned: bool = False, extras: bool = True
) -> Program:
    """relu(x w + c + r)."""
    graph = Graph("net")
    graph.add_input("x", [*rows, SIZE], w.dtype)
    graph.add_initializer("w", w.T.copy() if turned else w)
    graph.add_initializer("c", np.linspace(-1, 1, SIZE).astype(w.dtype))
    if turned:
        graph.add_node("product", "Gemm", ["x", "w", "c"], ["y" if not extras else "s"], transB=1)
    else:
        graph.add_node("product", "MatMul", ["x", "w"], ["p" if extras else "y"])
        if extras:
            graph.add_node("bias", "Add", ["p", "c"], ["s"])
    if extras:
        graph.add_input("r", [*rows, SIZE], w.dtype)
        graph.add_node("sum", "Add", ["s", "r"], ["t"])
        graph.add_node("act", "Relu", ["t"], ["y"])
    graph.add_output("y", [*rows, SIZE], w.dtype)
    return graph.program()


def product(given: Program) -> PfrtOp:
    """The op that multiplies."""
    kinds = ("pfrt.matmul", "pfrt.gemm")
    return next(op for op in given.module.walk() if isinstance(op, PfrtOp) and op.name in kinds)


def forced(given: Program, form: str) -> compiler.CompiledModel:
    """Compiled after the fusions of level 2, by the algorithm of that form."""
    passes = pipelines.parse(compiler.optimization_pipeline(2))
    pipelines.run(given.ctx, given.module, passes)
    op = product(given)
    name = f"{op.name.removeprefix('pfrt.')}{form}"
    op.attributes[algorithms.ALGORITHM] = StringAttr(name)
    assert name in [entry.name for entry in algorithms.candidates(op)]
    return compiler.compile_module(given.module, given.ctx, "numpy", "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [[1], [3], [2, 5]])
@pytest.mark.parametrize("form", ["_csr", "_bsr"])
def test_the_same_numbers_as_the_dense_product(form, rows, dtype):
    """With bias, residual and activation; gemm with its weights turned, matmul of more dimensions."""
    w = weights(0.9, block=4, dtype=dtype)
    rng = np.random.default_rng(1)
    x, r = (rng.standard_normal((*rows, SIZE)).astype(dtype) for _ in range(2))
    wanted = np.maximum(x @ w + np.linspace(-1, 1, SIZE).astype(dtype) + r, 0)
    for turned in (False, True) if len(rows) == 1 else (False,):
        model = forced(program(w, rows, turned=turned), form)
        (found,) = model.run([x, r])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "sparsity, block, rows, wanted",
    [
        (0.5, 1, 1, "matmul"), (0.85, 1, 1, "matmul"), (0.95, 1, 1, "matmul_csr"),
        (0.93, 4, 1, "matmul_bsr"), (0.9, 1, 64, "matmul"), (0.99, 1, 64, "matmul_csr"),
    ],
)  # fmt: skip
def test_chosen_only_above_what_is_sure_to_pay(sparsity, block, rows, wanted):
    """More rows make dense products cheaper, blocks make sparse ones so."""
    given = program(weights(sparsity, block), [rows], extras=False)
    assert algorithms.modelled(product(given)).name == wanted


def test_a_session_runs_what_was_chosen():
    """Through the plan, without being told."""
    given = program(weights(0.97), [1], turned=True)
    session = InferenceSession(Graph.of_program(given))
    rng = np.random.default_rng(1)
    x, r = (rng.standard_normal((1, SIZE)).astype(np.float32) for _ in range(2))
    w = weights(0.97)
    wanted = np.maximum(x @ w + np.linspace(-1, 1, SIZE).astype(np.float32) + r, 0)
    np.testing.assert_allclose(session.run(None, {"x": x, "r": r})[0], wanted, atol=1e-4)


def test_without_scipy_the_dense_product_runs(monkeypatch):
    """A plan that names a sparse algorithm means the same everywhere."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    given = program(weights(0.97), [2], extras=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    x = np.ones((2, SIZE), np.float32)
    (found,) = compiler.compile_module(given.module, given.ctx).run([x])
    np.testing.assert_allclose(found, x @ weights(0.97), atol=1e-4)


def test_times_of_sparse_weights_are_kept_by_how_sparse_they_are(tmp_path):
    """What was measured at 95 % says nothing about 75 %."""
    keys = {times.signature(product(program(weights(s), [1]))) for s in (0.75, 0.95, 0.95)}
    assert len(keys) == 2
    given = program(weights(0.75), [1], extras=False)
    tuning.tune(given.module, given.ctx, tmp_path / "times.json")
    (rows,) = json.loads((tmp_path / "times.json").read_text()).values()
    (row,) = rows.values()
    assert row.keys() == {"matmul", "matmul_csr"}


def test_infinities_in_the_input_are_the_only_difference():
    """0 x inf is nan in a dense product; a weight that is gone does not see its input."""
    w = weights(0.97)
    given = program(w, [1], extras=False)
    x = np.zeros((1, SIZE), np.float32)
    x[0, 0] = np.inf
    (found,) = compiler.compile_module(given.module, given.ctx).run([x])
    assert np.isfinite(found[0, w[0] == 0]).all()


CONVOLUTIONS = {
    "pointwise": ((1, 1), {}),
    "padded": ((3, 3), {"pads": [1, 1, 1, 1]}),
    "strided": ((3, 3), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    "dilated": ((3, 2), {"dilations": [2, 1]}),
    "pointwise with strides": ((1, 1), {"strides": [2, 2]}),
}


def convolution(w: np.ndarray, images: int, size: int = 9, **attributes: object) -> Program:
    """relu(conv(x, w) + c)."""
    graph = Graph("net")
    graph.add_input("x", [images, w.shape[1], size, size], w.dtype)
    graph.add_initializer("w", w)
    graph.add_initializer("c", np.linspace(-1, 1, len(w)).astype(w.dtype))
    graph.add_node("conv", "Conv", ["x", "w", "c"], ["s"], **attributes)
    graph.add_node("act", "Relu", ["s"], ["y"])
    graph.add_output("y", None, w.dtype)
    return graph.program()


def convolved(given: Program) -> PfrtOp:
    """The convolution."""
    return next(
        op for op in given.module.walk() if isinstance(op, PfrtOp) and op.name == "pfrt.conv"
    )


def kernel_weights(window: tuple[int, ...], sparsity: float, block: int = 1, dtype=np.float32):
    """Weights of 32 features and 48 channels; blocks are of features and channels of one tap."""
    rng = np.random.default_rng(0)
    stays = rng.random((32 // block, 48 // block, *window)) >= sparsity
    mask = np.repeat(np.repeat(stays, block, axis=0), block, axis=1)
    return (rng.standard_normal(mask.shape) * mask).astype(dtype)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("form", ["_csr", "_bsr", "_nm"])
def test_the_same_numbers_as_the_dense_convolution(form, kind, images):
    """Of images with borders, strides and gaps, with bias and activation."""
    window, attributes = CONVOLUTIONS[kind]
    w = kernel_weights(window, 0.9, 4)
    if form == "_nm":
        w = np.where(np.arange(48)[:, None, None] % 4 < 2, kernel_weights(window, 0.0), 0)
        w = w.astype(np.float32)
    x = np.random.default_rng(1).standard_normal((images, 48, 9, 9)).astype(np.float32)
    given = convolution(w, images, **attributes)
    (wanted,) = ReferenceBackend().compile(given.module).run([x])
    op = convolved(given)
    op.attributes[algorithms.ALGORITHM] = StringAttr(f"conv{form}")
    assert algorithms.choose(op).name == f"conv{form}"
    (found,) = compiler.compile_module(given.module, given.ctx).run([x])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_plan_of_a_sparse_convolution_runs_without_scipy(monkeypatch):
    """Dense, as products do; and in f64."""
    given = convolution(kernel_weights((3, 3), 0.985, dtype=np.float64), 2, pads=[1, 1, 1, 1])
    assert algorithms.modelled(convolved(given)).name == "conv_csr"
    x = np.random.default_rng(1).standard_normal((2, 48, 9, 9))
    (wanted,) = ReferenceBackend().compile(given.module).run([x])
    monkeypatch.setitem(sys.modules, "scipy", None)
    (found,) = compiler.compile_module(given.module, given.ctx).run([x])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    "sparsity, block, wanted",
    [(0.95, 1, "conv_im2col"), (0.98, 1, "conv_csr"), (0.98, 4, "conv_csr")],
)
def test_convolutions_are_sparse_only_above_what_is_sure_to_pay(sparsity, block, wanted):
    """With a column for each position even blocks are multiplied faster by rows."""
    given = convolution(kernel_weights((3, 3), sparsity, block), 1, size=30)
    assert algorithms.modelled(convolved(given)).name == wanted


def test_a_session_leaves_sparse_convolutions_their_layout():
    """There is no sparse form on nhwc, which all others are converted to."""
    w = kernel_weights((3, 3), 0.97)
    session = InferenceSession(Graph.of_program(convolution(w, 1, size=30)), optimization_level=3)
    x = np.random.default_rng(1).standard_normal((1, 48, 30, 30)).astype(np.float32)
    (wanted,) = ReferenceBackend().compile(convolution(w, 1, size=30).module).run([x])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, atol=1e-4)
    given = convolution(w, 1, size=30)
    pipelines.run(
        given.ctx, given.module, pipelines.parse("pfrt-layout{target=auto compiled=true}")
    )
    assert convolved(given).data_layout == "nchw"
    asked = convolution(np.where(np.arange(48)[:, None, None] % 4 < 2, 1, 0) * w, 1, size=30)
    convolved(asked).attributes[algorithms.ALGORITHM] = StringAttr("conv_nm")
    pipelines.run(
        asked.ctx, asked.module, pipelines.parse("pfrt-layout{target=auto compiled=true}")
    )
    assert algorithms.choose(convolved(asked)).name == "conv_nm"
    dense = convolution(kernel_weights((3, 3), 0.5), 1, size=30)
    pipelines.run(
        dense.ctx, dense.module, pipelines.parse("pfrt-layout{target=auto compiled=true}")
    )
    assert convolved(dense).data_layout == "nhwc"


def test_blocks_that_do_not_fill_a_matrix_have_no_form():
    """Asked for, or named by a plan that somebody wrote."""
    given = convolution(np.ones((30, 46, 1, 1), np.float32), 1)
    convolved(given).attributes[algorithms.ALGORITHM] = StringAttr("conv_bsr")
    assert algorithms.choose(convolved(given)).name == "conv_gemm_1x1"
    passes = pipelines.parse("convert-pfrt-to-plan,plan-allocate")
    pipelines.run(given.ctx, given.module, passes)
    (call,) = (
        op for op in given.module.walk() if isinstance(op, CallOp) and "conv" in op.algorithm
    )
    call.properties["callee"] = SymbolRefAttr("conv_bsr")
    x = np.ones((1, 46, 9, 9), np.float32)
    (found,) = NumpyBackend().compile(given.module, "main").run([x])
    assert found.max() == 47


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 300])
def test_packed_patterns_are_multiplied_where_that_is_asked_for(rows, turned):
    """Never by the cost model, whatever weights look like, nor where the pattern does not hold."""
    w = weights(0.0)
    w[np.arange(SIZE) % 4 < 2] = 0
    x, r = (np.random.default_rng(1).standard_normal((rows, SIZE)).astype(np.float32) for _ in "xr")
    wanted = np.maximum(x @ w + np.linspace(-1, 1, SIZE).astype(np.float32) + r, 0)
    given = program(w, [rows], turned=turned)
    assert not algorithms.modelled(product(given)).name.endswith("_nm")
    (found,) = forced(given, "_nm").run([x, r])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    dense = product(program(weights(0.0), [rows], turned=turned))
    name = f"{dense.name.removeprefix('pfrt.')}_nm"
    dense.attributes[algorithms.ALGORITHM] = StringAttr(name)
    assert algorithms.choose(dense).name == name.removesuffix("_nm")
