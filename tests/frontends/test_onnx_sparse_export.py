"""Pruned weights leave as ONNX's sparse initializers, and come back."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from pyflame_rt import Graph, pruning
from pyflame_rt.compiler import load
from pyflame_rt.errors import UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx, save_onnx
from pyflame_rt.frontends.onnx.export.tensors import Initializer, sparse_proto
from pyflame_rt.limits import Expansion, Limits
from pyflame_rt.pruning import PruningConfig, WeightPruner


def network() -> Graph:
    """A convolution and a product."""
    rng = np.random.default_rng(0)
    graph = Graph("net")
    graph.add_input("x", [2, 4, 8, 8])
    graph.add_initializer("conv.weight", rng.standard_normal((8, 4, 3, 3)).astype(np.float32))
    graph.add_initializer("fc.weight", rng.standard_normal((8 * 36, 16)).astype(np.float32))
    graph.add_node("conv", "Conv", ["x", "conv.weight"], ["c"])
    graph.add_node("flat", "Flatten", ["c"], ["f"])
    graph.add_node("fc", "MatMul", ["f", "fc.weight"], ["y"])
    graph.add_output("y", [2, 16])
    return graph


@pytest.mark.parametrize("opset", [7, 17])
def test_pruned_weights_are_sparse_initializers_where_that_is_smaller(opset):
    """The file passes the checker, onnxruntime runs it, and it means what the module means."""
    pruned = WeightPruner(PruningConfig.magnitude_pruning(0.9)).prune(network())
    model = export_onnx(pruned.program().module, opset=opset)
    # The newest is more than every onnxruntime reads.
    model.ir_version = min(model.ir_version, 10)
    onnx.checker.check_model(model)
    names = {tensor.values.name for tensor in model.graph.sparse_initializer}
    assert names == {"conv.weight", "fc.weight"}
    assert not model.graph.initializer
    x = np.random.default_rng(1).standard_normal((2, 4, 8, 8)).astype(np.float32)
    (theirs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    again = Graph.of_program(load(model.SerializeToString()))
    for name in names:
        assert np.array_equal(again.initializers[name], pruned.initializers[name])
    from pyflame_rt import InferenceSession

    ours = InferenceSession(pruned).run(None, {"x": x})[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_half_of_the_zeros_do_not_pay_for_indices():
    """An index has 8 bytes; weights that nobody pruned stay as they are whatever they hold."""
    half = WeightPruner(PruningConfig.nm_sparsity(2, 4)).prune(network())
    assert not export_onnx(half.program().module).graph.sparse_initializer
    zeros = import_onnx(export_onnx(network().program().module).SerializeToString())
    assert not export_onnx(zeros).graph.sparse_initializer


@pytest.mark.skipif(shutil.which("polygraphy") is None, reason="polygraphy is not installed")
def test_an_independent_checker_finds_the_pattern(tmp_path):
    """polygraphy inspect sparsity: every tensor that it takes for prunable has the 2:4 pattern."""
    pruned = WeightPruner(PruningConfig.nm_sparsity(2, 4)).prune(network())
    assert set(pruning.masks_of(pruned)) == {"conv.weight", "fc.weight"}
    save_onnx(pruned.program().module, tmp_path / "m.onnx")
    command = ["polygraphy", "inspect", "sparsity", str(tmp_path / "m.onnx")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = found.stdout + found.stderr
    assert said.count("Found sparse tensor") == 2
    assert "non-sparse" not in said


def test_a_small_file_does_not_become_a_large_model():
    """Each tensor is below the cap of one, but they are many: counted before there is an array."""
    shape = [1 << 13, 1 << 12]
    tensors = [
        helper.make_sparse_tensor(
            numpy_helper.from_array(np.ones(1, np.float32), f"w{index}"),
            numpy_helper.from_array(np.zeros(1, np.int64)),
            shape,
        )
        for index in range(3)
    ]
    graph = helper.make_graph(
        [helper.make_node("Sum", ["w0", "w1", "w2"], ["y"])],
        "g", [], [helper.make_tensor_value_info("y", 1, shape)], sparse_initializer=tensors,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(UnsupportedOperatorError, match="sparse tensors of 402653184 bytes in 36"):
        import_onnx(model.SerializeToString())


def test_what_is_written_can_be_read():
    """Where sparse tensors would be more than a reader believes, they are dense."""
    array = np.zeros(100_000, np.float32)
    array[7] = 1
    expansion = Expansion(Limits(expansion_bytes=500_000))
    found = [sparse_proto(Initializer("w", array, True), expansion) for _ in range(2)]
    assert [proto is None for proto in found] == [False, True]
