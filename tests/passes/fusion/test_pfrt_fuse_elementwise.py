"""Fused regions compute, bit by bit, what their ops did, and every tool works on them."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

from pyflame_rt import compiler, inspection, model_runs, module_files, pipelines
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dot import DotTarget
from pyflame_rt.graph import Graph
from pyflame_rt.pass_statistics import nodes
from pyflame_rt.universe import make_context

FUSE = "pfrt-fuse-elementwise"
X = np.random.default_rng(0).standard_normal((4, 8), dtype=np.float32)


def program(text: str) -> Program:
    ctx = make_context()
    found = Program(ctx, module_files.parse(text, ctx, "test.mlir"), "test")
    pipelines.run(ctx, found.module, (), verify=True)
    return found


def run_pipeline(found: Program, text: str) -> Program:
    module = found.module.clone()
    pipelines.run(found.ctx, module, pipelines.parse(text), verify=True)
    return Program(found.ctx, module, found.name)


def regions(found: Program) -> list[FusedOp]:
    return [op for op in found.module.walk() if isinstance(op, FusedOp)]


def random_model(seed: int, count: int = 40, *, dynamic: bool = False) -> str:
    """A graph of elementwise ops and reductions of rows, columns and all, softmax between them."""
    rng = np.random.default_rng(seed)
    rows = "?" if dynamic else "4"
    full, row, column, scalar = (
        f"tensor<{shape}f32>" for shape in (f"{rows}x8x", f"{rows}x1x", "8x", "")
    )
    argument = f'%x: {full} {{pfrt.name = "x", pfrt.dims = ["N", ""]}}'
    values = {full: ["%x"], row: [], column: [], scalar: []}
    lines: list[str] = []

    def add(kind: str, text: str) -> None:
        name = f"v{len(lines)}"
        lines.append(text.replace("RESULT", f"%{name}").replace("NAME", name))
        values[kind].append(f"%{name}")

    def pick(kind: str) -> str:
        # Mostly what came last, so that chains are long.
        return values[kind][-1 - min(int(rng.exponential(1.5)), len(values[kind]) - 1)]

    for _ in range(count):
        kind = full if rng.random() < 0.7 else str(rng.choice([k for k in values if values[k]]))
        choice = rng.random()
        if choice < 0.35:
            function = rng.choice(["tanh", "sigmoid", "abs", "neg", "relu", "exp", "round"])
            add(kind, f'RESULT = pfrt.{function} {pick(kind)} as "NAME" : {kind} -> {kind}')
        elif choice < 0.7:
            other = str(rng.choice([k for k in values if values[k]]))
            result = kind if {kind, other} != {row, column} else full
            result = full if full in (kind, other) else kind if other == scalar else result
            result = other if kind == scalar and result != full else result
            function = rng.choice(["add", "sub", "mul", "max"])
            lhs, rhs = pick(kind), pick(other)
            types = f"({kind}, {other}) -> {result}"
            add(result, f'RESULT = pfrt.{function} {lhs}, {rhs} as "NAME" : {types}')
        elif choice < 0.8:
            add(scalar, f"RESULT = pfrt.constant dense<{rng.integers(1, 9)}.5> : {scalar}")
        elif choice < 0.95:
            options = ((row, "1", "true"), (column, "0", "false"), (scalar, "0, 1", "false"))
            result, axes, keep = options[rng.integers(len(options))]
            function = rng.choice(["reduce_mean", "reduce_max", "reduce_sum"])
            properties = f"{{axes = array<i64: {axes}>, keepdims = {keep}}}"
            add(
                result, f"RESULT = pfrt.{function} {pick(full)} {properties} : ({full}) -> {result}"
            )
        else:
            add(full, f"RESULT = pfrt.softmax {pick(full)} {{axis = 1 : i64}} : {full} -> {full}")
    left = values[full][-1], values[full][len(values[full]) // 2]
    body = "\n".join(lines)
    return (
        f"func.func @main({argument}) -> ({full}, {full}) {{\n{body}\n"
        f"func.return {left[0]}, {left[1]} : {full}, {full}\n}}"
    )


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("backend", ["reference", "numpy"])
def test_same_bits_on_random_graphs(backend: str, dynamic: bool):
    """Regions of random graphs verify (so no cycle arose) and change no bit of any output."""
    fused = 0
    for seed in range(12):
        before = program(random_model(seed, dynamic=dynamic))
        after = run_pipeline(before, FUSE)
        fused += len(regions(after))
        expected, found = (
            compiler.compile_module(p.module.clone(), p.ctx, backend).run([X])
            for p in (before, after)
        )
        for left, right in zip(expected, found, strict=True):
            np.testing.assert_array_equal(left, right)
    assert fused > 12


def test_twice_is_once():
    """The pass finds nothing more to do in what it made."""
    once = run_pipeline(program(random_model(1)), FUSE)
    assert str(run_pipeline(once, FUSE).module) == str(once.module)


def test_values_are_observed_inside_regions():
    """A comparison layer by layer sees the same named values before and after, each once."""
    before = program(random_model(2))
    dead = "dce"
    expected, found = (
        model_runs.reference_values(before, p, {"x": X}, layers=True)
        for p in (dead, f"{dead},{FUSE}")
    )
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def test_every_region_has_two_ops_and_one_use_each():
    """No region of a single op; a further result only where a value stays inside for it."""
    for seed in range(12):
        for region in regions(run_pipeline(program(random_model(seed)), f"dce,{FUSE}")):
            count = sum(op.name != "pfrt.constant" for op in region.ops)
            assert count >= max(2, 2 * len(region.results) - 1)


NORM = """
func.func @main(%x: tensor<?x8xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]})
    -> (tensor<?x8xf32> {pfrt.name = "y", pfrt.dims = ["N", ""]}) {
  %m = pfrt.reduce_mean %x as "m" {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %d = pfrt.sub %x, %m as "d" : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %c = pfrt.constant dense<2.0> : tensor<f32>
  %e = pfrt.mul %d, %c as "e" : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %s = pfrt.softmax %e as "s" {axis = 1 : i64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %t = pfrt.tanh %s as "t" : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = pfrt.neg %t as "y" : tensor<?x8xf32> -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}
"""


@pytest.fixture
def norm() -> Program:
    found = run_pipeline(program(NORM), FUSE)
    assert [len(list(op.ops)) for op in regions(found)] == [4, 2]
    return found


def test_costs_are_those_of_the_ops_and_of_what_goes_in_and_out(norm: Program):
    """flops add up; bytes count operands and results; unknown where a shape is."""
    assert all(op.flops() is None and op.bytes() is None for op in regions(norm))
    static = run_pipeline(norm, 'pfrt-specialize-shapes{shapes="x=4x8"}')
    first, second = regions(static)
    assert (first.flops(), first.bytes()) == (3 * 32, 2 * 32 * 4)
    assert (second.flops(), second.bytes()) == (2 * 32, 2 * 32 * 4)


def test_shapes_become_known_inside(norm: Program):
    """Specialising, and inferring from what is declared loosely, reach into regions."""
    static = run_pipeline(norm, 'pfrt-specialize-shapes{shapes="x=4x8"}')
    assert "?" not in str(static.module)
    loose = program(
        """
        func.func @main(%a: tensor<4x8xf32>) -> tensor<?x1xf32> {
          %y = pfrt.fused(%a) -> (tensor<?x1xf32>) {
          ^bb0(%x: tensor<?x8xf32>):
            %e = pfrt.exp %x : tensor<?x8xf32> -> tensor<?x8xf32>
            %m = pfrt.reduce_mean %e {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
            pfrt.yield %m : tensor<?x1xf32>
          } : (tensor<4x8xf32>)
          func.return %y : tensor<?x1xf32>
        }
        """
    )
    inferred = run_pipeline(loose, "pfrt-infer-shapes")
    assert "tensor<4x1xf32>" in str(inferred.module)
    assert "?" not in str(inferred.module)


def test_a_part_of_a_model_is_cut_at_regions(norm: Program):
    """`pfrt-extract` cuts at what regions compute."""
    part = run_pipeline(norm, "pfrt-extract{inputs=s outputs=y}")
    assert len(regions(part)) == 1
    (found,) = compiler.compile_module(part.module, part.ctx).run([X])
    np.testing.assert_array_equal(found, -np.tanh(X))


def test_a_region_is_one_node_with_a_name(norm: Program):
    """The Graph view, the inspection and the statistics show one node for a region."""
    graph = Graph.of_program(norm)
    assert [node.op_type for node in graph.nodes] == [
        "FusedReduceMeanSubMul",
        "Softmax",
        "FusedTanhNeg",
    ]
    assert graph.nodes[0].inputs == ("x",)
    assert [node.outputs for node in graph.nodes] == [("e",), ("s",), ("y",)]
    assert len(list(nodes(norm.module))) == 3
    report = inspection.inspect_program(norm, {"N": 4})
    assert report.operators == {"Fused": 2, "Softmax": 1}
    static = run_pipeline(norm, 'pfrt-specialize-shapes{shapes="x=4x8"}')
    assert report.flops == sum(op.flops() or 0 for op in nodes(static.module))


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("add %x, %x", "relu %a", "FusedAddRelu"),
        ("mul %x, %x", "add %a, %x", "FMA"),
        ("add %x, %x", "mul %a, %x", "FusedAddMul"),
    ],
)
def test_documented_names(first: str, second: str, name: str):
    """The names that the documentation gives to fused pairs."""
    kind = "tensor<4x8xf32>"

    def line(result: str, text: str) -> str:
        types = f"({kind}, {kind})" if "," in text else kind
        return f"{result} = pfrt.{text} : {types} -> {kind}"

    text = (
        f"func.func @main(%x: {kind}) -> {kind} {{\n{line('%a', first)}\n{line('%y', second)}\n"
        f"func.return %y : {kind}\n}}"
    )
    graph = Graph.of_program(run_pipeline(program(text), FUSE))
    assert [node.op_type for node in graph.nodes] == [name]


def test_dot_shows_what_is_inside(norm: Program):
    """A region is a cluster of its ops in the drawing."""
    output = io.StringIO()
    DotTarget().emit(norm.ctx, norm.module, output)
    text = output.getvalue()
    assert text.count('label="pfrt.fused') == 4
    assert 'label="pfrt.reduce_mean' in text


def test_saved_and_loaded(norm: Program, tmp_path):
    """The text form is read back as the same module."""
    path = tmp_path / "fused.mlir"
    module_files.save(norm.module, path)
    again = module_files.load(path, make_context())
    assert module_files.to_text(again) == module_files.to_text(norm.module)


def test_linear_in_graph_size():
    """Four times the ops take about four times the time."""
    taken: list[float] = []
    for count in (500, 2000):
        found = program(random_model(0, count))
        (instance,) = pipelines.parse(FUSE)
        started = time.process_time()
        instance.apply(found.ctx, found.module)
        taken.append(time.process_time() - started)
    assert taken[1] < 10 * taken[0]
