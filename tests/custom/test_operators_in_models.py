"""Custom operators in ONNX models, in IR, through passes and on backends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from pyflame_rt import (
    BackendError,
    Graph,
    InferenceSession,
    InvalidModelError,
    UnsupportedOperatorError,
    ValidationError,
    compiler,
    custom,
    module_files,
    pipelines,
    plugins,
)
from pyflame_rt.custom import BackendType, CustomOpBuilder, custom_op
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parents[2]
X = np.arange(8, dtype=np.float32).reshape(2, 4) - 3


def model(text: str) -> bytes:
    header = '<ir_version: 8, opset_import: ["" : 17, "custom" : 2, "com.example" : 1]>'
    return onnx.parser.parse_model(header + text).SerializeToString()


def program(text: str) -> compiler.Program:
    return compiler.load(model(text))


def parsed(text: str):
    ctx = make_context()
    return ctx, module_files.parse(text.encode(), ctx, "test.mlir")


@pytest.fixture
def scaled():
    """custom::Scaled(x, bias?) = x * scale + bias, shapes inferred."""

    @custom_op("Scaled", shape_inference=lambda shapes: [shapes[0]])
    def op(x, bias=None, *, scale: float = 2.0):
        y = x * np.float32(scale)
        return y if bias is None else y + bias

    return op


@pytest.mark.parametrize("level", range(4))
def test_every_level_and_backend_gives_the_kernels_result(scaled, level):
    """Dynamic shapes, an absent optional input, two outputs, a subgraph."""
    CustomOpBuilder("TopTwo").domain("com.example").input("X").output("V").output("I", np.int64) \
        .kernel(lambda inputs: [np.sort(inputs[0])[..., -2:], np.argsort(inputs[0])[..., -2:]]) \
        .shape_inference(lambda shapes: [(*shapes[0][:-1], 2)] * 2).build()  # fmt: skip
    loaded = program("""g (float[N, 4] x, bool c) => (float[N, 2] y, int64[N, 2] i) {
        a = custom.Scaled <scale = 3.0> (x)
        b = custom.Scaled (a, x)
        d = If (c) <
            then_branch = t () => (float[N, 4] r) { r = custom.Scaled <scale = 0.5> (b) },
            else_branch = e () => (float[N, 4] s) { s = Relu (b) }>
        v, i = com.example.TopTwo (d)
        y = Neg (v)
    }""")
    doubled = (X * 3) * 2 + X
    for condition in (True, False):
        d = doubled * np.float32(0.5) if condition else np.maximum(doubled, 0)
        for backend in ("numpy", "reference"):
            pipeline = compiler.optimization_pipeline(level)
            compiled = compiler.compile_module(loaded.module, loaded.ctx, backend, pipeline)
            y, i = compiled.run([X, np.array(condition)])
            assert (y == -np.sort(d)[:, -2:]).all()
            assert (i == np.argsort(d)[:, -2:]).all()


def test_sessions_run_it_and_specialise_it(scaled):
    session = InferenceSession(
        model("g (float[N, 4] x) => (float[N, 4] y) { y = custom.Scaled (x) }")
    )
    for _ in range(4):
        (y,) = session.run(None, {"x": X})
        assert (y == 2 * X).all()
    assert session.graph().nodes[0].op_type == "custom::Scaled"
    assert session.graph().nodes[0].attributes == {"scale": 2.0}


def test_graphs_take_operators_with_and_without_domain(scaled):
    graph = Graph("g")
    graph.add_input("x", [2, 4], np.float32)
    graph.add_node("", "Scaled", ["x"], ["a"], scale=4.0)
    graph.add_node("", "custom::Scaled", ["a", "x"], ["y"])
    graph.add_output("y", [2, 4], np.float32)
    assert (InferenceSession(graph).run(None, {"x": X})[0] == 9 * X).all()


def test_text_round_trips_and_verifies(scaled):
    """Positional and optional operands, attributes, names, locations."""
    loaded = program("""g (float[N, 4] x) => (float[N, 4] y) {
        a = custom.Scaled <scale = 0.1> (x)
        y = custom.Scaled (a, x)
    }""")
    text = module_files.to_text(loaded.module)
    assert "custom.scaled %a bias(%x : tensor<?x4xf32>) as" in text
    _, again = parsed(text)
    assert module_files.to_text(again) == text
    pipelines.verify_module(again)


def test_find_says_what_a_file_needs_to_know(scaled):
    loaded = program("g (float[4] x) => (float[4] y) { y = custom.Scaled <scale = 0.5> (x) }")
    found = [node for op in loaded.module.walk() if (node := custom.find(op))]
    (node,) = found
    assert (node.domain, node.op_type, node.attributes) == ("custom", "Scaled", {"scale": 0.5})


def test_pure_operators_are_merged_folded_and_removed(scaled):
    """And those with state are none of that."""
    calls = []

    def counted(inputs):
        calls.append(1)
        return [inputs[0] + len(calls)]

    CustomOpBuilder("Tick").input("X").output("Y").kernel(counted).same_shape().stateful().build()
    loaded = program("""g (float[4] x) => (float[4] y, float[4] z) {
        c = Constant <value = float[4] {1, 2, 3, 4}> ()
        f = custom.Scaled (c)
        a = custom.Scaled (x)
        b = custom.Scaled (x)
        unused = custom.Scaled <scale = 7.0> (x)
        s = Add (a, b)
        y = Add (s, f)
        t = custom.Tick (c)
        u = custom.Tick (c)
        v = custom.Tick (c)
        z = Add (t, u)
    }""")
    module = loaded.module.clone()
    pipelines.run(loaded.ctx, module, pipelines.parse("pfrt-optimize{level=2}"), verify=True)
    names = [op.name for op in module.walk()]
    assert names.count("custom.scaled") == 1
    assert names.count("custom.tick") == 3
    assert not calls
    compiled = compiler.compile_module(loaded.module, loaded.ctx)
    y, z = compiled.run([np.ones(4, np.float32)])
    assert y.tolist() == [6, 8, 10, 12]
    assert z.tolist() == [5, 7, 9, 11], "1 and 2 were added, in order"


def test_a_lowered_plan_is_text_that_runs(scaled):
    """The plan calls the kernel by the op's name."""
    loaded = program("g (float[2, 4] x) => (float[2, 4] y) { y = custom.Scaled (x) }")
    lowered = loaded.module.clone()
    pipelines.run(
        loaded.ctx, lowered, pipelines.parse("convert-pfrt-to-plan,plan-allocate"), verify=True
    )
    text = module_files.to_text(lowered, locations=False)
    assert "plan.call @custom.scaled(%x)" in text
    ctx, again = parsed(text)
    assert (compiler.compile_module(again, ctx).run([X])[0] == 2 * X).all()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", ["[2, 4]", "[N, 4]"])
@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (lambda inputs: {}["k"], "its kernel failed: KeyError: 'k' (test_operators_in_models.py:"),
        (lambda inputs: [inputs[0] > 0], 'returned bool for output "Y", declared float32'),
        (lambda inputs: [inputs[0][:, :3]], "has shape [2, 3], declared ["),
        (lambda inputs: [], "its kernel returned 0 values, not 1"),
    ],
)
def test_faults_of_kernels_name_op_and_node(backend, shape, kernel, why):
    """One line: the op, the node and file, what the kernel did."""
    CustomOpBuilder("Bad").input("X").output("Y").kernel(kernel).same_shape().build()
    loaded = program(f"g (float{shape} x) => (float{shape} y) {{ y = custom.Bad (x) }}")
    compiled = compiler.compile_module(loaded.module, loaded.ctx, backend, "")
    with pytest.raises(BackendError) as caught:
        compiled.run([X])
    text = str(caught.value)
    assert text.startswith("custom.bad ")
    assert 'node "Bad_1"' in text
    assert why in text
    assert "\n" not in text


def test_a_kernel_cannot_write_to_what_it_is_given():
    """A caller's array, a weight or another value may be behind it."""

    def spoiling(inputs):
        inputs[0][:] = 0
        return [inputs[0]]

    CustomOpBuilder("Spoil").input("X").output("Y").kernel(spoiling).same_shape().build()
    loaded = program("g (float[2, 4] x) => (float[2, 4] y) { y = custom.Spoil (x) }")
    x = X.copy()
    with pytest.raises(BackendError, match="read-only"):
        compiler.compile_module(loaded.module, loaded.ctx).run([x])
    assert (x == X).all()


def test_an_operator_without_a_kernel_for_the_cpu_is_named():
    CustomOpBuilder("Wafer").input("X").kernel(lambda i: i, BackendType.WSE).build()
    loaded = program("g (float[4] x) => (float[4] y) { y = custom.Wafer (x) }")
    for backend in ("numpy", "reference"):
        with pytest.raises(BackendError, match="kernel"):
            compiler.compile_module(loaded.module, loaded.ctx, backend, "")


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ("y = custom.Scaled ()", "input 0 is missing"),
        ("y = custom.Scaled (x, x, x)", "has 3 inputs, at most 2"),
        ("y = custom.Scaled <scale = 1> (x)", '"scale" must be a number'),
        ("y = custom.Scaled <axis = 1> (x)", 'has no attribute "axis"'),
        ("y, z = custom.Scaled (x)", "has 2 outputs, at most 1"),
        ("y = custom.Typed (x)", 'input "X" must hold float64, not float32'),
        ("y = custom.Typed <n = 1> (x)", 'input "X" must hold float64, not float32'),
        ("y = custom.Needs (x)", 'attribute "n" is missing'),
        ("y = custom.Shapes (x)", "its shape inference failed: no matrix"),
    ],
)
def test_wrong_nodes_are_told_at_import(scaled, node, why):
    def no_matrix(shapes):
        if len(shapes[0]) != 2:
            raise ValueError("no matrix")
        return shapes

    def one(name):
        return CustomOpBuilder(name).output("Y").kernel(lambda inputs: inputs)

    one("Typed").input("X", np.float64).attr_int("n").build()
    one("Needs").input("X").attr_int("n", required=True).build()
    one("Shapes").input("X").shape_inference(no_matrix).build()
    with pytest.raises(InvalidModelError, match=why):
        program(f"g (float[4] x) => (float[4] y) {{ {node} }}")


def test_versions_of_domains(scaled):
    """A model may ask for a later version of its domain, not for one before the operator's."""
    CustomOpBuilder("New").version(3).input("X").kernel(lambda i: i).build()
    with pytest.raises(UnsupportedOperatorError, match=r"custom::New.*version 3 is registered"):
        program("g (float[4] x) => (float[4] y) { y = custom.New (x) }")


@pytest.mark.parametrize(
    ("op", "why"),
    [
        ("custom.scaled %x {scale = 1 : i64} : tensor<4xf32> -> tensor<4xf32>", "scale"),
        ("custom.scaled %x : tensor<4xf32> -> tensor<5xf32>", "declared tensor<5xf32>"),
        ("custom.scaled %x : tensor<4xf32> -> tensor<4xf64>", "declared tensor<4xf64>"),
    ],
)
def test_the_verifier_knows_the_schema(scaled, op, why):
    _, module = parsed(f"func.func @main(%x: tensor<4xf32>) {{ %y = {op}\n func.return }}")
    with pytest.raises(ValidationError, match=why):
        pipelines.verify_module(module)


def test_text_of_an_unknown_operator_says_what_to_do():
    with pytest.raises(InvalidModelError, match=r"no operation lost.op; if a plugin defines it"):
        parsed("lost.op")


def test_names_that_clash_with_xdsls_are_mapped():
    """Domains like dialects, attributes and inputs like members of an op."""

    def attributes(inputs, attrs):
        return [inputs[0] * len(attrs) + attrs["operandSegmentSizes"]]

    CustomOpBuilder("type").domain("func").input("operands").input("as", optional=True) \
        .input("rest", variadic=True).output("results").attr_int("names", default=1) \
        .attr_int("name", default=2).attr_int("operandSegmentSizes", default=10) \
        .attr_int("properties", default=4).kernel(attributes).same_shape().build()  # fmt: skip
    header = '<ir_version: 8, opset_import: ["" : 17, "func" : 1]>'
    text = "g (float[4] x) => (float[4] y) { y = func.type <names = 5> (x, , x, x) }"
    data = onnx.parser.parse_model(header + text).SerializeToString()
    loaded = compiler.load(data)
    printed = module_files.to_text(loaded.module)
    assert "func_ops.type %x rest(%x, %x : tensor<4xf32>, tensor<4xf32>) as" in printed
    assert "names_ = 5" in printed
    ctx, again = parsed(printed)
    pipelines.verify_module(again)
    for module in (loaded.module, again):
        (y,) = compiler.compile_module(module, ctx).run([np.ones(4, np.float32)])
        assert y.tolist() == [14] * 4
    (node,) = [n for op in again.walk() if (n := custom.find(op))]
    assert node.attributes == {
        "names": 5, "name": 2, "operandSegmentSizes": 10, "properties": 4
    }  # fmt: skip


def test_a_name_that_onnx_does_not_have_extends_its_domain():
    """Its own are not replaced: they cannot be registered."""
    CustomOpBuilder("Nines").domain("").input("X").kernel(lambda i: [i[0] * 0 + 9]).build()
    loaded = program("g (float[4] x) => (float[4] y, float[4] z) { y = Relu (x)  z = Nines (x) }")
    y, z = compiler.compile_module(loaded.module, loaded.ctx).run([-np.ones(4, np.float32)])
    assert y.tolist() == [0] * 4
    assert z.tolist() == [9] * 4


def test_a_reproducer_brings_its_plugins(tmp_path, monkeypatch):
    """The folder's script needs nothing but the tools."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for tool in ("pfrt_opt", "pfrt_run"):
        script = commands / tool.replace("_", "-")
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pyflame_rt.tools.{tool} "$@"\n')
        script.chmod(0o755)
    file = tmp_path / "my ops.py"
    file.write_text(
        "from pyflame_rt.custom import custom_op\n"
        "@custom_op('Thrice', shape_inference=lambda s: s)\ndef thrice(x):\n    return x * 3\n"
    )
    plugins.load_plugin(str(file))
    session = InferenceSession(
        model("g (float[2, 4] x) => (float[2, 4] y) { y = custom.Thrice (x) }")
    )
    session.save_reproducer(tmp_path / "case", {"x": X})
    file.unlink()
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    run = ["sh", str(tmp_path / "case" / "run.sh")]
    subprocess.run(run, check=True, env=environment, capture_output=True, timeout=60)
    outputs = np.load(tmp_path / "case" / "outputs.npz")
    assert (outputs["y"] == 3 * X).all()
