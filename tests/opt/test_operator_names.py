"""Fused operations have the documentation's names in the Graph view."""

from __future__ import annotations

import pytest

from pyflame_rt import ir_text
from pyflame_rt.compiler import Program
from pyflame_rt.graph import Graph
from pyflame_rt.universe import make_context

MATMUL = "tensor<2x2xf32>, tensor<2x2xf32>"
FUSED = """pfrt.fused (%x) -> (tensor<2x2xf32>) {{
^bb0(%a: tensor<2x2xf32>):
  {}
  pfrt.yield %r : tensor<2x2xf32>
}} : (tensor<2x2xf32>)"""


def line(name: str, op: str, *operands: str) -> str:
    kinds = ", ".join(["tensor<2x2xf32>"] * len(operands))
    kinds = f"({kinds})" if len(operands) > 1 else kinds
    return f"%{name} = pfrt.{op} {', '.join(operands)} : {kinds} -> tensor<2x2xf32>"


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (f"pfrt.matmul %x, %x : {MATMUL} -> tensor<2x2xf32>", "MatMul"),
        (
            'pfrt.matmul %x, %x {activation = #pfrt.activation<"relu">} : '
            f"{MATMUL} -> tensor<2x2xf32>",
            "FusedMatMulRelu",
        ),
        (
            f"pfrt.matmul %x, %x bias %x plus %x : {MATMUL} bias tensor<2x2xf32> "
            "plus tensor<2x2xf32> -> tensor<2x2xf32>",
            "FusedMatMulAddAdd",
        ),
        (FUSED.format(f"{line('s', 'add', '%a', '%a')} {line('r', 'relu', '%s')}"), "FusedAddRelu"),
        (FUSED.format(f"{line('s', 'mul', '%a', '%a')} {line('r', 'add', '%s', '%a')}"), "FMA"),
        (
            FUSED.format(" ".join(line(name, "exp", "%a") for name in "bcder")),
            "FusedElementwise",
        ),
    ],
)
def test_names_of_fused_operations(op: str, name: str):
    text = f"""func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {{
      %y = {op}
      func.return %y : tensor<2x2xf32>
    }}"""
    ctx = make_context()
    (node,) = Graph.of_program(Program(ctx, ir_text.parse(text, ctx, "m.mlir"), "m")).nodes
    assert node.op_type == name
