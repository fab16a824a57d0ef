"""Type inference through control flow: it ends, and it holds for every iteration."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from pyflame_rt.dialects.pfrt.pieces import ConcatOp
from pyflame_rt.passes.analysis.pfrt_infer_shapes import PfrtInferShapesPass
from pyflame_rt.universe import make_context


def inferred(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    PfrtInferShapesPass().apply(make_context(), module)
    module.verify()
    return module


def test_deeply_nested_loops_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of inference do not multiply with the depth of loops, even where each loop changes
    what it carries."""
    depth, unknown = 16, "tensor<?x?xf32>"
    head = "func.func @main(%m: tensor<i64>, %v0: tensor<1x2xf32>, %k: tensor<1x2xf32>) {\n"
    opened, closed, kind = "", "", "tensor<1x2xf32>"
    for level in range(depth):
        opened += f"""%r{level} = pfrt.loop trip(%m) carry(%v{level}) -> ({unknown}) {{
          ^bb0(%i{level}: tensor<i64>, %g{level}: tensor<i1>, %v{level + 1}: {unknown}):
        """
        closed = (
            f"""%w{level} = pfrt.concat %v{level + 1}, %k {{axis = 0 : i64}} : ({unknown}, tensor<1x2xf32>) -> {unknown}
          pfrt.yield %g{level}, %w{level} : tensor<i1>, {unknown}
        }} : trip tensor<i64> carry({kind})
        """
            + closed
        )
        kind = unknown
    calls: list[object] = []
    infer = ConcatOp.infer_types
    monkeypatch.setattr(ConcatOp, "infer_types", lambda op: calls.append(op) or infer(op))
    inferred(f"{head}{opened}{closed}func.return\n}}")
    assert len(calls) < 50 * depth


def test_values_that_a_loop_rotates() -> None:
    """A dimension that loosens one value a round: types hold though rounds are limited."""
    count = 12
    kinds = ["tensor<2xf32>"] + ["tensor<1xf32>"] * (count - 1)
    arguments = ", ".join(f"%a{i}: {kind}" for i, kind in enumerate(kinds))
    unknown = ", ".join(["tensor<?xf32>"] * count)
    module = inferred(f"""func.func @main(%m: tensor<i64>, {arguments}) -> ({unknown}) {{
      %r:{count} = pfrt.loop trip(%m) carry({", ".join(f"%a{i}" for i in range(count))}) -> ({unknown}) {{
      ^bb0(%i: tensor<i64>, %g: tensor<i1>, {", ".join(f"%v{i}: tensor<?xf32>" for i in range(count))}):
        pfrt.yield %g, {", ".join(f"%v{(i - 1) % count}" for i in range(count))} : tensor<i1>, {unknown}
      }} : trip tensor<i64> carry({", ".join(kinds)})
      func.return {", ".join(f"%r#{i}" for i in range(count))} : {unknown}
    }}""")
    (function,) = module.ops
    assert f"-> ({unknown})" in str(function).splitlines()[0]
