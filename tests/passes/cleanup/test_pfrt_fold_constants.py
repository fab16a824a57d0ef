"""pfrt-fold-constants: what it must not do with memory, and with code that may never run."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.cleanup.pfrt_fold_constants import PfrtFoldConstantsPass
from pyflame_rt.universe import make_context


def folded(text: str, **options: int) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    PfrtFoldConstantsPass(**options).apply(make_context(), module)
    module.verify()
    return module


def test_reshaped_weight_is_a_view() -> None:
    """Folding a reshape of a mapped weight copies nothing."""
    array = np.arange(4096, dtype=np.float32)
    module = Parser(
        make_context(),
        """
      func.func @main(%w: tensor<4096xf32>) -> tensor<64x64xf32> {
        %y = pfrt.reshape %w {shape = array<i64: 64, 64>} : (tensor<4096xf32>) -> tensor<64x64xf32>
        func.return %y : tensor<64x64xf32>
      }""",
    ).parse_module()
    (function,) = module.ops
    block = function.regions[0].block
    constant = ConstantOp.get(array)
    block.insert_op_before(constant, block.first_op)
    block.args[0].replace_all_uses_with(constant.result)
    PfrtFoldConstantsPass().apply(make_context(), module)
    (left,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
    assert isinstance(left.value, WeightAttr)
    assert np.shares_memory(left.value.data.array, array)


@pytest.mark.parametrize(
    "op",
    [
        "pfrt.constant_of_shape {shape = array<i64: 1000000, 1000000>} : () -> tensor<1000000x1000000xf32>",
        "pfrt.expand %c {shape = array<i64: 1000000, 1000000>} : (tensor<f32>) -> tensor<1000000x1000000xf32>",
        "pfrt.range %z, %n, %o : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>",
    ],
)
def test_huge_results_are_not_computed(op: str) -> None:
    """A few bytes of model do not make the compiler allocate terabytes."""
    module = folded(f"""func.func @main() {{
      %c = pfrt.constant dense<1.0> : tensor<f32>
      %z = pfrt.constant dense<0> : tensor<i64>
      %o = pfrt.constant dense<1> : tensor<i64>
      %n = pfrt.constant dense<1000000000000> : tensor<i64>
      %y = {op}
      "test.op"(%y) : ({op.rpartition("-> ")[2]}) -> ()
      func.return
    }}""")
    assert op.split()[0] in [nested.name for nested in module.walk()]


FAILING = """%y = pfrt.gather %x, %i : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>"""


def test_failure_in_a_branch_is_left_for_run_time() -> None:
    """An op that cannot be computed is no error where perhaps it never runs."""
    module = folded(f"""func.func @main(%c: tensor<i1>) -> tensor<1xf32> {{
      %x = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
      %i = pfrt.constant dense<[7]> : tensor<1xi64>
      %r = pfrt.if %c -> (tensor<1xf32>) {{
        {FAILING}
        pfrt.yield %y : tensor<1xf32>
      }} else {{
        %k = pfrt.constant dense<[1.0]> : tensor<1xf32>
        pfrt.yield %k : tensor<1xf32>
      }} : tensor<i1>
      func.return %r : tensor<1xf32>
    }}""")
    assert "pfrt.gather" in [op.name for op in module.walk()]


def test_failure_that_always_happens_is_an_error() -> None:
    """The same op on the way to the result fails at compile time."""
    with pytest.raises(PassFailed, match=r"pfrt\.gather: cannot be computed"):
        folded(f"""func.func @main() -> tensor<1xf32> {{
          %x = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
          %i = pfrt.constant dense<[7]> : tensor<1xi64>
          {FAILING}
          func.return %y : tensor<1xf32>
        }}""")


def test_large_results_no_larger_than_their_operands_are_folded() -> None:
    """The limit is for growth: a transposed weight replaces the weight."""
    module = folded(
        """func.func @main() -> tensor<2x3xf32> {
          %x = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
          %y = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<3x2xf32> -> tensor<2x3xf32>
          func.return %y : tensor<2x3xf32>
        }""",
        max_bytes=0,
    )
    assert [op.name for op in module.walk()][2:] == ["pfrt.constant", "func.return"]
