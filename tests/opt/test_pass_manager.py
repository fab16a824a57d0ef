"""The pass manager beyond the documentation's examples: what it takes, what it refuses, what it
leaves alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

import pyflame_rt as rt
from pyflame_rt import opt


@pytest.fixture
def graph() -> rt.Graph:
    made = rt.Graph("small")
    made.add_input("x", [2], np.float32)
    made.add_initializer("k", np.array([3, 5], np.float32))
    made.add_node("", "Neg", ["k"], ["n"])
    made.add_node("", "Mul", ["x", "n"], ["y"])
    made.add_output("y", [2], np.float32)
    return made


@dataclass(frozen=True)
class SwapPass(ModulePass):
    """Swaps the operands of the last op, each time it runs."""

    name = "swap"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if inner.name == "pfrt.mul":
                inner.operands = tuple(reversed(inner.operands))


class Failing(opt.Pass):
    """Fails in the way it is told to."""

    def __init__(self, how: str = "raise"):
        self.how = how

    def name(self) -> str:
        return "Failing"

    def run(self, graph: rt.Graph) -> opt.PassResult:
        if self.how == "raise":
            raise KeyError("oops")
        if self.how == "return":
            return None  # type: ignore[return-value]
        for op in graph.program().module.walk():
            if op.name == "pfrt.mul":
                kind = TensorType(op.operands[0].type.element_type, [3])  # type: ignore[attr-defined]
                Rewriter.replace_value_with_new_type(op.results[0], kind)
        return opt.PassResult()


def manager(*items: object, **settings: object) -> opt.PassManager:
    made = opt.PassManager(opt.PassManagerConfig(**settings))  # type: ignore[arg-type]
    for item in items:
        made.register_pass(item)  # type: ignore[arg-type]
    return made


def test_a_graph_becomes_a_view_only_when_something_changes(graph: rt.Graph):
    assert not manager("cse").run(graph).modified
    graph.add_initializer("more", np.ones(2, np.float32))
    assert opt.fold_constants(graph).stats.constants_folded == 1
    assert [node.op_type for node in graph.nodes] == ["Mul"]
    with pytest.raises(rt.ValidationError, match="a view of a model cannot be changed"):
        graph.add_initializer("even more", np.ones(2, np.float32))
    np.testing.assert_array_equal(
        rt.InferenceSession(graph).run(None, {"x": [1.0, 2.0]})[0], [-3, -10]
    )


def test_a_sessions_model_stays_as_it_is(graph: rt.Graph):
    session = rt.InferenceSession(graph)
    view = session.graph()
    opt.optimize(view)
    assert [node.op_type for node in view.nodes] == ["Mul"]
    assert [node.op_type for node in session.graph().nodes] == ["Neg", "Mul"]


@pytest.mark.parametrize(
    "item",
    [SwapPass, SwapPass(), "swap-plugin", "pfrt-optimize{level=1}", "CSEPass", opt.CSEPass()],
)
def test_passes_are_registered_in_every_form(graph: rt.Graph, item: object, monkeypatch):
    from pyflame_rt import pipelines

    table = {**pipelines.multiverse().all_passes, "swap-plugin": lambda: SwapPass}
    universe = type("Universe", (), {"all_passes": table})
    monkeypatch.setattr(pipelines, "multiverse", lambda: universe)
    made = manager(item)
    assert made.passes
    made.run(graph)


def test_what_never_settles_is_stopped(graph: rt.Graph):
    result = manager(SwapPass, max_iterations=3).run_until_fixed_point(graph)
    assert result.warnings == ["still changing after 3 iterations"]


def test_skipping_what_is_not_there_is_a_warning(graph: rt.Graph):
    made = manager(SwapPass, "CSEPass", skip_passes=["swap", "CSEPass", "layout"])
    result = made.run(graph)
    assert (result.modified, result.warnings) == (
        False, ['skip_passes: no pass "layout" is registered']
    )  # fmt: skip


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "Failing: KeyError: 'oops'"),
        ("return", "Failing: run returned NoneType, not a PassResult"),
        ("break", "Failing: pfrt.mul .*left invalid IR: .*tensor<3xf32>"),
    ],
)
def test_a_pass_that_fails_leaves_the_graph_alone(graph: rt.Graph, how: str, message: str):
    made = manager(Failing(how), validate_after_pass=True)
    with pytest.raises(rt.PassFailed, match=message):
        made.run(graph)
    assert [node.op_type for node in graph.nodes] == ["Neg", "Mul"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda graph: manager(3), "cannot register 3; give a Pass, a ModulePass, or the text"),
        (lambda graph: manager(int), "cannot register <class 'int'>"),
        (lambda graph: manager(opt.Pass), "Pass cannot be made: Can't instantiate abstract class"),
        (lambda graph: manager("nope"), 'unknown pass "nope"'),
        (lambda graph: manager(SwapPass).run_pass("Swap", graph), 'no pass "Swap" is registered'),
        (lambda graph: opt.CSEPass(opt.DCEConfig()), "CSEPass: takes a CSEConfig, not DCEConfig"),
        (
            lambda graph: opt.eliminate_common_subexpressions(graph, opt.CSEConfig(False)),
            "CSEConfig: check_attributes = False would merge nodes",
        ),
        (
            lambda graph: opt.eliminate_common_subexpressions(graph, opt.CSEConfig(True, 0)),
            "CSEConfig: max_comparisons must be positive, got 0; skip_passes",
        ),
        (
            lambda graph: opt.fuse_operators(graph, opt.FusionConfig(target_backend="gpu")),
            'FusionConfig: there is no backend "gpu"; there are cpu, numpy, reference',
        ),
        (
            lambda graph: opt.optimize_layout(graph, opt.LayoutConfig(target_backend="gpu")),
            'LayoutConfig: there is no backend "gpu"',
        ),
        (
            lambda graph: opt.optimize_layout(graph, opt.LayoutConfig(propagate_layout=False)),
            "LayoutConfig: propagate_layout = False would transpose around every node; insert_",
        ),
    ],
)
def test_what_makes_no_sense_is_said(graph: rt.Graph, action, message: str):
    with pytest.raises(rt.PyFlameRTError) as caught:
        action(graph)
    assert message in str(caught.value)


def pattern(*nodes: str, root: str | None = None) -> opt.Pattern:
    made = opt.Pattern()
    for name in nodes:
        made.add_node(opt.PatternNode.any(name))
    if root is not None:
        made.set_root(root)
    return made


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda graph: pattern("a", "a"), 'Pattern: there is a node "a" already'),
        (lambda graph: pattern("a", root="b"), 'there is no node "b"; its nodes are a'),
        (
            lambda graph: pattern().add_edge(opt.PatternEdge.output_to_input("a", "b")),
            'there is no node "a"; its nodes are none',
        ),
        (lambda graph: opt.PatternMatcher().find_all(graph, pattern("a")), "it has no root"),
        (
            lambda graph: opt.PatternMatcher().find_all(graph, pattern("a", "b", root="a")),
            'node "b" does not feed the root "a"',
        ),
        (
            lambda graph: (
                opt.PatternMatcher().find_all(graph, pattern("a", root="a"))[0].get_node("b")
            ),
            'Match: the pattern has no node "b"',
        ),
    ],
)
def test_patterns_that_make_no_sense_are_named(graph: rt.Graph, action, message: str):
    with pytest.raises(rt.ValidationError) as caught:
        action(graph)
    assert message in str(caught.value)


def test_an_edge_without_an_input_number_fits_any(graph: rt.Graph):
    made = pattern("n", "y", root="y")
    made.add_edge(opt.PatternEdge.output_to_input("n", "y"))
    (match,) = opt.PatternMatcher().find_all(graph, made)
    assert match.get_node("n").op_type == "Neg"
    assert match.is_single_consumer("n")


def test_verbosity_without_logging_is_on_stderr():
    """A program that has set up no logging sees it too."""
    code = (
        "from pyflame_rt import opt, Graph; g = Graph(); g.add_input('x', [2], 'f4');"
        "g.add_node('', 'Neg', ['x'], ['y']); g.add_output('y', [2], 'f4');"
        "m = opt.PassManager(opt.PassManagerConfig(verbose=True)); m.register_pass('cse'); m.run(g)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "cse: no node changed\n"
