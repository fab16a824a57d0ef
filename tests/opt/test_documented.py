"""The Python blocks of the developer guide's chapter on optimization, on a graph that has something
for each of them. They print results there; here they are asserted."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

import pyflame_rt
from pyflame_rt import OptLevel, opt

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
m (float[1, 3, 8, 8] input) => (float[1, 4] output)
<float[4, 3, 3, 3] w, float[4] s = {1, 1, 1, 1}, float[4] unused = {0, 0, 0, 0},
 float[2] k = {1, 2}, float[4] o = {0, 0, 0, 0}>
{
  c = Conv(input, w)
  n = BatchNormalization(c, s, o, o, s)
  r = Relu(n)
  twice = Relu(n)
  both = Add(r, twice)
  same = Identity(both)
  p = GlobalAveragePool(same)
  f = Flatten(p)
  three = Add(k, k)
  total = ReduceSum<keepdims = 0>(three)
  output = Mul(f, total)
  dead = Add(f, unused)
}
"""


@pytest.fixture
def model() -> bytes:
    proto = parser.parse_model(TEXT)
    rng = np.random.default_rng(0)
    weights = onnx.numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype("f4"), "w")
    rest = [t for t in proto.graph.initializer if t.name != "w"]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend([weights, *rest])
    return proto.SerializeToString()


@pytest.fixture
def graph(model: bytes) -> pyflame_rt.Graph:
    return pyflame_rt.InferenceSession(model).graph()


def operators(graph: pyflame_rt.Graph) -> list[str]:
    return [node.op_type for node in graph.nodes]


def test_levels_of_a_session(model: bytes):
    options = pyflame_rt.SessionOptions()
    assert options.optimization_level == pyflame_rt.OptLevel.EXTENDED
    options.optimization_level = pyflame_rt.OptLevel.NONE
    plain = pyflame_rt.InferenceSession(model, options)
    options = pyflame_rt.SessionOptions()
    options.optimization_level = pyflame_rt.OptLevel.ALL
    session = pyflame_rt.InferenceSession(model, options)
    images = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    ours, reference = (s.run(None, {"input": images})[0] for s in (session, plain))
    np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-5)


def test_verbosity_is_a_log_of_passes(model: bytes, caplog: pytest.LogCaptureFixture):
    options = pyflame_rt.SessionOptions()
    options.verbose_optimization = True
    with caplog.at_level(logging.INFO, "pyflame_rt"):
        pyflame_rt.InferenceSession(model, options)
    folding = next(m for m in caplog.messages if m.startswith("pfrt-fold-constants: "))
    assert "2 nodes removed, 1 constants folded, 1 initializers removed" in folding
    assert folding.endswith(" ms)")


def test_constant_folding(graph: pyflame_rt.Graph):
    config = opt.ConstantFoldingConfig()
    config.max_tensor_bytes = 16 * 1024 * 1024
    config.fold_shape_ops = True
    config.fold_expensive_ops = False
    config.exclude_ops = ["RandomNormal"]
    result = opt.fold_constants(graph, config)
    assert result.modified
    assert result.stats.constants_folded == 1
    assert result.stats.nodes_removed == 3, "Add, ReduceSum, and Identity"
    assert "ReduceSum" not in operators(graph)
    np.testing.assert_array_equal(graph.initializers["total"], 6)


def test_operators_are_excluded_from_folding(graph: pyflame_rt.Graph):
    result = opt.fold_constants(graph, opt.ConstantFoldingConfig(exclude_ops=["Add", "Sine"]))
    assert result.stats.constants_folded == 0
    assert result.warnings == ['pfrt-fold-constants: nothing is called "Sine" in exclude']


def test_dead_code_elimination(graph: pyflame_rt.Graph):
    config = opt.DCEConfig()
    config.remove_initializers = True
    config.remove_identity = True
    config.remove_dropout = True
    result = opt.eliminate_dead_code(graph, config)
    assert result.stats.nodes_removed == 2
    assert result.stats.initializers_removed == 1
    assert "Identity" not in operators(graph)
    assert "unused" not in graph.initializers


def test_dead_code_elimination_keeps_what_it_is_told_to(graph: pyflame_rt.Graph):
    opt.eliminate_dead_code(graph, opt.DCEConfig(remove_identity=False, remove_initializers=False))
    assert "Identity" in operators(graph)
    assert "unused" in graph.initializers


def test_common_subexpression_elimination(graph: pyflame_rt.Graph):
    config = opt.CSEConfig()
    config.check_attributes = True
    config.max_comparisons = 1000
    opt.eliminate_dead_code(graph)
    result = opt.eliminate_common_subexpressions(graph, config)
    assert result.stats.nodes_removed == 1
    (add,) = [node for node in graph.nodes if node.outputs == ("both",)]
    assert add.inputs == ("r", "r")


def test_operator_fusion(graph: pyflame_rt.Graph):
    config = opt.FusionConfig()
    config.fuse_conv_bn = True
    config.fuse_conv_bn_activation = True
    config.fuse_matmul_add = True
    config.fuse_elementwise_activation = True
    config.check_backend_support = True
    config.target_backend = "cpu"
    before = len(graph.nodes)
    result = opt.fuse_operators(graph, config)
    assert result.stats.nodes_fused == before - len(graph.nodes)


def test_layout_optimization(graph: pyflame_rt.Graph):
    config = opt.LayoutConfig()
    config.conv_layout = opt.Layout.NCHW
    config.insert_transposes = True
    config.propagate_layout = True
    config.target_backend = "cpu"
    assert isinstance(opt.optimize_layout(graph, config), opt.PassResult)


def test_the_pass_manager(graph: pyflame_rt.Graph, caplog: pytest.LogCaptureFixture):
    config = opt.PassManagerConfig()
    config.opt_level = OptLevel.EXTENDED
    config.max_iterations = 10
    config.verbose = True
    config.validate_after_pass = True
    pm = opt.PassManager(config)
    assert pm.passes == ()
    pm = opt.PassManager.create_default(OptLevel.EXTENDED)
    result = pm.run(graph)
    assert result.modified
    assert result.warnings == []
    assert "nodes removed" in str(result.stats)
    assert not pm.run_pass("ConstantFoldingPass", graph).modified
    assert not pm.run_until_fixed_point(graph).modified


def test_statistics_are_those_of_the_graph(graph: pyflame_rt.Graph):
    before, weights = len(graph.nodes), len(graph.initializers)
    result = opt.optimize(graph, OptLevel.ALL)
    assert result.stats.nodes_removed - result.stats.nodes_added == before - len(graph.nodes)
    assert result.stats.initializers_removed >= weights - len(graph.initializers) > 0


def test_the_documented_passes_are_registered_one_by_one(graph: pyflame_rt.Graph):
    config = opt.PassManagerConfig()
    config.opt_level = OptLevel.ALL
    config.skip_passes = ["LayoutOptimizationPass"]
    pm = opt.PassManager(config)
    pm.register_pass(opt.ConstantFoldingPass())
    pm.register_pass(opt.DeadCodeEliminationPass())
    pm.register_pass(opt.CSEPass)
    pm.register_pass("OperatorFusionPass")
    result = pm.run(graph)
    assert result.modified
    assert pm.passes[:3] == ("pfrt-fold-constants", "pfrt-dce", "cse")


def test_custom_passes(graph: pyflame_rt.Graph):
    """`MyCustomPass` of the guide, which sees nodes and rewrites the graph's module."""

    class MyCustomPass(opt.Pass):
        def name(self) -> str:
            return "MyCustomPass"

        def description(self) -> str:
            return "Removes what is not used"

        def should_run(self, level: OptLevel) -> bool:
            return level >= OptLevel.EXTENDED

        def run(self, graph: pyflame_rt.Graph) -> opt.PassResult:
            result = opt.PassResult()
            for op in list(graph.program().module.walk(reverse=True)):
                if op.name == "pfrt.add" and not any(r.uses for r in op.results):
                    op.detach()
                    op.erase()
                    result.modified = True
            result.warnings.append("seen")
            return result

    pm = opt.PassManager(opt.PassManagerConfig(opt_level=OptLevel.BASIC))
    pm.register_pass(MyCustomPass)
    assert not pm.run(graph).modified
    pm.config.opt_level = OptLevel.EXTENDED
    result = pm.run(graph)
    assert (result.modified, result.stats.nodes_removed, result.warnings) == (True, 1, ["seen"])
    assert operators(graph).count("Add") == 2


def test_pattern_matching():
    graph = pyflame_rt.Graph()
    graph.add_input("x", [2, 3], np.float32)
    graph.add_initializer("w", np.ones((3, 4), np.float32))
    graph.add_initializer("b", np.ones(4, np.float32))
    graph.add_node("", "MatMul", ["x", "w"], ["h"])
    graph.add_node("", "Add", ["h", "b"], ["y"])
    graph.add_node("", "Add", ["b", "h"], ["z"])
    for name in "yz":
        graph.add_output(name, [2, 4], np.float32)

    pattern = opt.Pattern()
    pattern.add_node(opt.PatternNode.op("MatMul", "matmul"))
    pattern.add_node(opt.PatternNode.op("Add", "add"))
    pattern.add_edge(opt.PatternEdge.output_to_input("matmul", "add", 0))
    pattern.set_root("add")

    matcher = opt.PatternMatcher()
    (match,) = matcher.find_all(graph, pattern)
    assert match.get_node("matmul").outputs == ("h",)
    assert match.get_node("add").outputs == ("y",)
    assert not match.is_single_consumer("matmul"), "h is used twice"
    assert not match.is_single_consumer("add"), "y is an output"


def test_saving_the_optimised_model(model: bytes, tmp_path: Path):
    options = pyflame_rt.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.mlir")
    options.skip_passes = ["CSEPass"]
    options.validate_after_pass = True
    session = pyflame_rt.InferenceSession(model, options)
    again = pyflame_rt.InferenceSession(tmp_path / "optimized.mlir")
    assert "cse" not in session.pipeline
    images = np.ones((1, 3, 8, 8), np.float32)
    expected = session.run(None, {"input": images})[0]
    np.testing.assert_allclose(again.run(None, {"input": images})[0], expected, rtol=1e-6)
