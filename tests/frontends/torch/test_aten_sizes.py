"""Sizes known at run time: what is certain of them, and how the rules are found."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import UnknownLoc, f32
from xdsl.ir import Block

from pyflame_rt.dialects.pfrt.types import DYNAMIC, tensor
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.torch.aten import promotion, rules, sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue, code_of_dtype, dtype_of_code


def builder(*shapes: tuple[int, ...]) -> tuple[AtenBuilder, list[TensorValue]]:
    block = Block(arg_types=[tensor(f32, shape) for shape in shapes])
    return AtenBuilder(block, UnknownLoc(), "here"), [TensorValue(a) for a in block.args]


def test_polynomials_cancel() -> None:
    """(n + 3) * m - 3 * m is n * m, whatever the order it is calculated in."""
    b, (x,) = builder((DYNAMIC, DYNAMIC))
    n, m = b.sizes(x)
    product = sizes.multiply(sizes.add(n, 3), m)
    assert sizes.subtract(product, sizes.multiply(m, 3)) == sizes.multiply(m, n)
    assert sizes.floor_divide(
        sizes.multiply(sizes.product([2, n, m]), 3), sizes.multiply(m, 2)
    ) == (sizes.multiply(n, 3))
    assert sizes.modulo(sizes.multiply(n, 6), 3) == 0
    assert sizes.subtract(n, n) == 0


def test_what_is_certain_of_dimensions() -> None:
    """Dimensions are not negative; other integers may be."""
    b, (x,) = builder((DYNAMIC, DYNAMIC))
    n, m = b.sizes(x)
    assert sizes.equal(n, n) is True
    assert sizes.equal(sizes.add(n, 1), n) is False
    assert sizes.equal(n, m) is None
    assert sizes.less(n, sizes.add(n, 1)) is True
    assert sizes.less(n, 0) is False
    assert sizes.less(n, 5) is None
    assert sizes.larger(n, -1) == n
    assert sizes.less(Size.of_item(x.ssa), 0) is None


def test_complex_numbers_are_no_elements_of_real_tensors() -> None:
    """The imaginary part does not vanish."""
    b, _ = builder((2,))
    with pytest.raises(InvalidModelError, match=r"1j is no element of float32"):
        b.scalar_array(1j, promotion.FLOAT32)


def test_sizes_of_too_many_steps_are_refused() -> None:
    """Expressions stay small: neither depth nor length nor coefficients grow without end."""
    b, (x,) = builder((DYNAMIC, DYNAMIC))
    n, m = b.sizes(x)
    for step in (
        lambda value: sizes.floor_divide(value, 3),
        lambda value: sizes.multiply(value, sizes.add(sizes.add(n, m), 1)),
        lambda value: sizes.multiply(value, 2**31),
        lambda value: sizes.larger(sizes.floor_divide(value, 7), sizes.modulo(value, m)),
    ):
        value = n
        with pytest.raises(UnsupportedOperatorError, match="too many steps"):
            for _ in range(100):
                value = step(value)


def test_reshapes_need_no_calculation_where_sizes_stay() -> None:
    """A reshape to sizes that come from the operand is a property, not an operand."""
    b, (x,) = builder((DYNAMIC, DYNAMIC, 12))
    n, m, _ = b.sizes(x)
    y = b.reshape(x, (n, m, 3, 4))
    assert y.shape == (DYNAMIC, DYNAMIC, 3, 4)
    assert b.reshape(b.reshape(y, (sizes.multiply(n, m), 12)), (n, m, 12)).shape == x.shape
    assert [op.name for op in b.block.ops].count("pfrt.shape") <= 2
    first = next(op for op in b.block.ops if op.name == "pfrt.reshape")
    assert len(first.operands) == 1


def test_a_shape_that_does_not_fit_is_an_error() -> None:
    """The elements must fill the shape."""
    b, (x,) = builder((3, 4))
    with pytest.raises(InvalidModelError, match="do not fill"):
        b.reshape(x, (5, -1))
    with pytest.raises(InvalidModelError, match="only one dimension"):
        b.reshape(x, (-1, -1))


def test_unknown_ranks_are_told() -> None:
    """A rule that needs the number of dimensions says so."""
    block = Block(arg_types=[tensor(f32, None)])
    b = AtenBuilder(block, UnknownLoc(), "here")
    with pytest.raises(UnsupportedOperatorError, match="shapes of the model's inputs"):
        b.rank(TensorValue(block.args[0]))


@pytest.mark.parametrize(
    ("name", "args", "overload"),
    [
        ("add", ["x", "x"], "Tensor"),
        ("add", ["x", 2], "Scalar"),
        ("max", ["x"], ""),
        ("max", ["x", "x"], "other"),
        ("max", ["x", 1], "dim"),
        ("split", ["x", 2], "Tensor"),
        ("split", ["x", [1, 2]], "sizes"),
        ("mean", ["x", [1], True], "dim"),
        ("sum", ["x"], ""),
        ("to", ["x", 6], "dtype"),
        ("clamp", ["x", 0, 1], ""),
        ("clamp", ["x", None, "x"], "Tensor"),
        ("lstm", ["x", ["x", "x"], ["x"], True, 1, 0.0, False, False, False], "input"),
    ],
)
def test_overloads_are_told_by_their_arguments(name: str, args: list, overload: str) -> None:
    """Text of TorchScript has no names of overloads."""
    _, (x,) = builder((3, 4))
    given = [[x if i == "x" else i for i in a] if isinstance(a, list) else a for a in args]
    given = [x if item == "x" else item for item in given]
    rule = rules.resolve(name, given)
    assert rule is not None and rule.overload == overload


def test_arguments_that_fit_nothing() -> None:
    """There is no rule for them, and a rule called with them says what it takes."""
    b, (x,) = builder((3, 4))
    assert rules.resolve("relu", [x, x]) is None
    rule = rules.lookup("relu", "default")
    assert rule is not None
    with pytest.raises(InvalidModelError, match=r"do not fit aten::relu\(self\)"):
        rule.call(b, [x, 1], {})


def test_codes_of_types() -> None:
    """torch's numbers of types and ours."""
    assert dtype_of_code(6) is DType.Float32
    assert dtype_of_code(15) is DType.BFloat16
    assert dtype_of_code(8) is None
    assert dtype_of_code(99) is None
    assert all(code_of_dtype(found) == code for code in range(64) if (found := dtype_of_code(code)))


def test_numbers_give_way_to_tensors() -> None:
    """A number's type matters only by its category, one known at run time too."""
    _, (x,) = builder((3, 4))
    half = tensor(f32, ())
    block = Block(arg_types=[half])
    number = TensorValue(block.args[0], wrapped=True)
    assert promotion.result_type([x, 2]).name == "float32"
    assert promotion.result_type([2, True]).name == "int64"
    assert promotion.result_type([2, 1.5]).name == "float32"
    assert promotion.result_type([number, 2]).name == "float32"
