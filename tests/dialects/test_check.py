"""The check dialect: what it accepts, how it says what differs, and that both backends run it."""

from __future__ import annotations

from io import StringIO

import ml_dtypes
import numpy as np
import pytest
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, VerifyException

from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.check import difference
from pyflame_rt.errors import BackendError
from pyflame_rt.passes.conversion.convert_pfrt_to_plan import ConvertPfrtToPlanPass
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<?xf32>) {{
  %k = pfrt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  {op} loc("test"("t.mlir":3:0))
  func.return
}}
"""
CLOSE = "check.expect_close %x, %k {rtol = 1.000000e-01 : f32} : tensor<?xf32>, tensor<3xf32>"
EQUAL = "check.expect_eq %x, %k : tensor<?xf32>, tensor<3xf32>"


def executables(op: str):
    ctx = make_context()
    module = Parser(ctx, TEXT.format(op=op)).parse_module()
    module.verify()
    reference = ReferenceBackend().compile(module)
    ConvertPfrtToPlanPass().apply(ctx, module)
    return reference, NumpyBackend().compile(module)


@pytest.mark.parametrize(("op", "values"), [(CLOSE, [1.05, 2.1, 2.8]), (EQUAL, [1, 2, 3])])
def test_what_holds_passes(op, values):
    """Within the tolerance, or equal."""
    for executable in executables(op):
        assert executable.run([np.array(values, np.float32)]) == []


@pytest.mark.parametrize(
    ("op", "values", "why"),
    [
        (CLOSE, [1, 2.5, 4], r"got 2\.5, expected 2\.0 at index \[1\]; 2 of 3 elements differ"),
        (EQUAL, [1, 2, np.nan], r"got nan, expected 3\.0 at index \[2\]; 1 of 3 elements differ"),
        (EQUAL, [1, 2], r"got shape \[2\], expected \[3\]"),
    ],
)
def test_what_does_not_hold_fails(op, values, why):
    """One line with the place and the first differing element."""
    for executable in executables(op):
        with pytest.raises(BackendError, match=why) as caught:
            executable.run([np.array(values, np.float32)])
        assert 'node "test", t.mlir:3' in str(caught.value)


def test_difference_of_special_values():
    """NaN equals NaN, infinities only themselves, and integers are compared exactly."""
    special = np.array([np.nan, np.inf, -np.inf], np.float32)
    assert difference(special, special.copy()) is None
    assert difference(special, special.copy(), rtol=0.1) is None
    assert "index [1]" in str(difference(special, -special, rtol=0.1) or "")
    big = np.array([2**62], np.int64)
    assert difference(big, big + 1) is not None
    assert difference(big, big.astype(np.uint64)) == "got int64, expected uint64"
    assert difference(np.zeros((0, 2)), np.zeros((0, 2))) is None
    assert difference(np.array(True), np.array(False)) is not None


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.int4, ml_dtypes.float8_e4m3fn])
def test_difference_of_extension_types(dtype):
    """Types that NumPy does not compute with."""
    array = np.array([1, 2]).astype(dtype)
    assert difference(array, array.copy()) is None
    assert "index [0]" in str(difference(array, array[::-1]))


def parsed(op: str):
    return Parser(make_context(), TEXT.format(op=op)).parse_module()


def test_round_trip():
    """Defaults are not printed; two types are, when they differ."""
    module = parsed(CLOSE)
    out = StringIO()
    Printer(out).print_op(module)
    assert CLOSE in out.getvalue()
    assert "rtol" not in str(parsed("check.expect_close %k, %k : tensor<3xf32>"))


@pytest.mark.parametrize(
    "types", ["tensor<?xf32>, tensor<3xf64>", "tensor<?x1xf32>, tensor<3xf32>"]
)
def test_types_that_cannot_be_equal(types):
    """C1: element type and rank."""
    left, right = types.split(", ")
    text = f"func.func @f(%a: {left}, %b: {right}) {{\ncheck.expect_eq %a, %b : {types}\nfunc.return\n}}"
    with pytest.raises(VerifyException, match="C1"):
        Parser(make_context(), text).parse_module().verify()


def test_unknown_property():
    """A misspelled tolerance is not ignored."""
    with pytest.raises(ParseError, match="no property epsilon"):
        parsed("check.expect_close %k, %k {epsilon = 1.0 : f32} : tensor<3xf32>")
