"""pfrt-outline on random graphs: whatever goes wherever, the results stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects import func

from pyflame_rt import compiler, module_files, pipelines
from pyflame_rt.universe import make_context

T = "tensor<4xf32>"
OPS = ("add", "mul", "relu", "neg", "if", "constant")


@st.composite
def graphs(draw: st.DrawFn) -> str:
    """A function of ops that each use any values before them and run anywhere."""
    values, lines = ["%x", "%z"], []
    for number in range(draw(st.integers(1, 14))):
        kind, target = draw(st.sampled_from(OPS)), draw(st.sampled_from(("", "reference", "numpy")))
        a, b = (draw(st.sampled_from(values)) for _ in range(2))
        name, tag = f"%v{number}", f' {{pfrt.target = "{target}"}}' if target else ""
        if kind == "constant":
            lines.append(f"{name} = pfrt.constant dense<[0.5, {number}.0, -1.0, 2.0]> : {T}")
        elif kind in ("add", "mul"):
            lines.append(f"{name} = pfrt.{kind} {a}, {b}{tag} : ({T}, {T}) -> {T}")
        elif kind == "if":
            lines.append(
                f"{name} = pfrt.if %c -> ({T}) {{\n"
                f"  %i{number} = pfrt.add {a}, {b} : ({T}, {T}) -> {T}\n"
                f"  pfrt.yield %i{number} : {T}\n}} else {{\n  pfrt.yield {b} : {T}\n}}"
                f"{tag} : tensor<i1>"
            )
        else:
            lines.append(f"{name} = pfrt.{kind} {a}{tag} : {T} -> {T}")
        values.append(name)
    results = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    kinds = ", ".join([T] * len(results))
    return (
        f"func.func @main(%x: {T}, %z: {T}, %c: tensor<i1>) -> ({kinds}) {{\n"
        + "\n".join(lines)
        + f"\nfunc.return {', '.join(results)} : {kinds}\n}}\n"
    )


def parts(module) -> list[func.FuncOp]:
    return [f for f in module.ops if isinstance(f, func.FuncOp) and "pfrt.target" in f.attributes]


@settings(max_examples=60, deadline=None)
@given(graphs(), st.booleans(), st.integers(1, 3))
def test_a_split_model_computes_the_same(text: str, condition: bool, least: int):
    """Parts run on other backends, each op where its tag says, in an order that exists."""
    ctx = make_context()
    module = module_files.parse(text.encode(), ctx, "random.mlir")
    pipelines.verify_module(module)
    x, z = np.linspace(-1, 1, 4, dtype=np.float32), np.array([2, -3, 0.5, 1], np.float32)
    feed = [x, z, np.array(condition)]
    expected = compiler.compile_module(module, ctx, "reference", "").run(feed)
    pipelines.run(ctx, module, pipelines.parse(f"pfrt-outline{{min-ops={least}}}"), verify=True)
    for part in parts(module):
        assert len(list(part.body.block.ops)) > least, "ops, and the return"
        for op in part.body.walk():
            assert "pfrt.target" not in op.attributes
            assert all(inside(value, part) for value in op.operands), "captured from outside"
    actual = compiler.compile_module(module, ctx).run(feed)
    assert all((a == e).all() for a, e in zip(actual, expected, strict=True))
    again = module_files.parse(module_files.to_text(module).encode(), ctx, "again.mlir")
    actual = compiler.compile_module(again, ctx).run(feed)
    assert all((a == e).all() for a, e in zip(actual, expected, strict=True))


def inside(value, function: func.FuncOp) -> bool:
    """Whether a value is defined in a function."""
    place = value.owner
    while place is not None and place is not function:
        place = place.parent_op()
    return place is function


def test_parts_are_as_few_as_can_be():
    """A long alternation is cut where it must be, and independent work joins what is there."""
    ctx = make_context()
    lines, last = [], "%x"
    for step in range(6):
        kind = "neg" if step % 2 else "relu"
        lines.append(f"%a{step} = pfrt.{kind} {last} : {T} -> {T}")
        lines.append(f"%b{step} = pfrt.relu %x : {T} -> {T}")
        last = f"%a{step}"
    text = f"func.func @main(%x: {T}) -> {T} {{\n" + "\n".join(lines)
    module = module_files.parse(f"{text}\nfunc.return {last} : {T}\n}}".encode(), ctx, "x")
    run = pipelines.parse("pfrt-outline{target=reference ops=Relu}")
    pipelines.run(ctx, module, run, verify=True)
    counts = [len(list(part.body.block.ops)) - 1 for part in parts(module)]
    assert counts == [7, 1, 1], "all independent ones are in the first"
