"""The NumPy backend agrees with the reference interpreter, op family by op family.

Each case runs with the op's buffers as arguments and results, with them in the arena between other
ops (where results may take the place of operands), and with every dimension `?`.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 100.0, -100.0]


def floats(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def positive(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Numbers in 0.5..1.5."""
    return (np.random.default_rng(seed).random(shape) + 0.5).astype(dtype)


def ints(*shape: int, low: int = -9, high: int = 9, seed: int = 0, dtype: Any = np.int64):
    """Small integers."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def bools(*shape: int, seed: int = 0) -> np.ndarray:
    """Both values."""
    return np.random.default_rng(seed).random(shape) < 0.5


UNARY = (
    "abs", "ceil", "cos", "exp", "floor", "log", "neg", "reciprocal", "round", "sign", "sin", "sqrt",
    "celu", "elu", "erf", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "mish", "relu", "selu",
    "sigmoid", "softplus", "softsign", "swish", "tanh", "thresholded_relu", "is_nan", "is_inf",
    "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
)  # fmt: skip
WITH_PROPERTIES = (
    ("celu", {"alpha": 0.5}),
    ("celu", {"alpha": 2.0}),
    ("clip", {"min": -0.5, "max": 0.25}),
    ("clip", {"min": -0.5}),
    ("clip", {"max": 0.25}),
    ("clip", {}),
    ("elu", {"alpha": 0.5}),
    ("elu", {"alpha": 2.5}),
    ("gelu", {"approximate": "tanh"}),
    ("hard_sigmoid", {"alpha": 0.3, "beta": 0.4}),
    ("leaky_relu", {"alpha": 0.0}),
    ("leaky_relu", {"alpha": 1.5}),
    ("leaky_relu", {"alpha": -0.5}),
    ("swish", {"alpha": 1.5}),
    ("is_inf", {"detect_negative": False}),
)
BINARY = ("add", "sub", "mul", "div", "pow", "mod", "min", "max", "sum", "mean")
COMPARISONS = ("equal", "greater", "greater_or_equal", "less", "less_or_equal")
BROADCASTS = (((3, 4), (3, 4)), ((3, 4), (4,)), ((1, 4), (3, 1)), ((), (2, 3)), ((0, 4), (1, 4)))
VARIADIC = ("min", "max", "sum", "mean", "concat")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("op", UNARY)
def test_unary_on_special_values(op, dtype, check_case, new_case):
    """NaN, infinities, zeros of both signs and plain numbers, in every float type."""
    x = np.concatenate([np.array(SPECIAL), floats(6)]).astype(dtype).reshape(3, 5)
    check_case(new_case(op, [x], {}), rtol=2e-3 if dtype == np.float16 else 1e-5)


@pytest.mark.parametrize(("op", "properties"), WITH_PROPERTIES)
def test_activation_properties(op, properties, check_case, new_case):
    """Parameters on both sides of the limits up to which the short forms hold."""
    x = np.concatenate([np.array(SPECIAL), floats(6)]).astype(np.float32)
    operands = [x, None, None] if op == "clip" else [x]
    check_case(new_case(op, operands, properties))


def test_clip_with_operand_bounds(check_case, new_case):
    """Bounds that are known at run time only."""
    low, high = np.array(-0.5, np.float32), np.array(0.5, np.float32)
    check_case(new_case("clip", [floats(2, 3), low, high], {}))
    check_case(new_case("clip", [floats(2, 3), None, high], {}))


@pytest.mark.parametrize("slope", [[0.5, 0.25, 1.0], [2.0, 0.5, 0.25], [0.0, 0.5, 0.5]])
@pytest.mark.parametrize("constants", [(), (1,)])
def test_prelu(slope, constants, check_case, new_case):
    """Slopes above one and of zero, and ones that are not constant, take the long way."""
    x = np.array([[np.inf, 1, -2], [-np.inf, -1, 0]], np.float32)
    check_case(new_case("prelu", [x, np.array(slope, np.float32)], {}, constants))


@pytest.mark.parametrize("shapes", BROADCASTS)
@pytest.mark.parametrize("op", BINARY)
def test_binary_broadcasting(op, shapes, check_case, new_case):
    """Equal shapes, a row, a column against a row, a scalar, nothing."""
    a, b = positive(*shapes[0]), positive(*shapes[1], seed=1)
    case = new_case(op, [a, b], {}, (), op in VARIADIC)
    if op == "mod":
        case = new_case(op, [a, b], {"fmod": True})
    check_case(case)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.int8])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "mod", "pow", "min", "max"])
def test_integer_arithmetic(op, dtype, check_case, new_case):
    """Wrapping, truncating division, division by zero, negative powers."""
    if op == "pow" and np.dtype(dtype).itemsize == 1:
        pytest.skip("ONNX has no power of 8-bit integers")
    a, b = ints(3, 5).astype(dtype), ints(3, 5, seed=1).astype(dtype)
    check_case(new_case(op, [a, b], {}, (), op in VARIADIC))


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("make", [floats, ints])
def test_comparisons(op, make, check_case, new_case):
    """Comparisons give booleans of broadcast shape."""
    a = make(3, 4)
    b = a[1].copy()
    check_case(new_case(op, [a, b], {}))


@pytest.mark.parametrize("op", ["and", "or", "xor"])
def test_logic(op, check_case, new_case):
    """Logic on booleans."""
    check_case(new_case(op, [bools(3, 4), bools(4, seed=1)], {}))
    check_case(new_case("not", [bools(3, 4)], {}))


@pytest.mark.parametrize("exponent", [2.0, 0.5, -1.0, 3.0])
def test_constant_power(exponent, check_case, new_case):
    """A square is no general power, also where the exponent has more dimensions."""
    for shape in ((), (1,), (1, 1, 1)):
        power = np.full(shape, exponent, np.float32)
        check_case(new_case("pow", [floats(2, 3), power], {}, (1,)))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("op", ["min", "max", "sum", "mean"])
def test_variadic(op, count, check_case, new_case):
    """From one operand to many, of which the first is the smallest."""
    operands = [floats(1, 4), *(floats(3, 4, seed=i) for i in range(1, count))]
    check_case(new_case(op, operands, {}, (), True))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float16])
def test_where(dtype, check_case, new_case):
    """All three operands broadcast."""
    operands = [bools(3, 1), floats(3, 4).astype(dtype), floats(4, seed=1).astype(dtype)]
    check_case(new_case("where", operands, {}))


@pytest.mark.parametrize(
    "source", ["float32", "float64", "float16", "int32", "int8", "uint8", "bool"]
)
@pytest.mark.parametrize("target", ["float32", "float16", "int64", "uint8", "bool"])
def test_cast(source, target, check_case, new_case):
    """Between floats, integers and booleans, out of range included."""
    x = np.array([0, 1, -1, 3.75, 200, -200]).astype(source if source != "uint8" else "int64")
    check_case(new_case("cast", [x.astype(source)], {"to": np.dtype(target)}))


@pytest.mark.parametrize("target", ["float8_e5m2", "float8_e4m3fn", "int4", "uint2", "bfloat16"])
def test_cast_to_extension_types(target, check_case, new_case):
    """What overflows a float8 is its largest number, also where NumPy takes the type for a float."""
    x = np.array([0, 1, -1, 3.75, 1e6, -1e6, np.inf, np.nan], np.float32)
    check_case(new_case("cast", [x], {"to": np.dtype(getattr(ml_dtypes, target))}))


GEMMS = (
    {"trans_a": False, "trans_b": False},
    {"trans_a": True, "trans_b": True, "alpha": 0.5, "beta": 2.0},
    {"trans_b": True, "beta": 0.0},
)


@pytest.mark.parametrize("properties", GEMMS)
@pytest.mark.parametrize("addend", [None, (5,), (3, 1), (3, 5), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32])
def test_gemm(properties, addend, dtype, check_case, new_case):
    """Transposed operands, factors, an addend that broadcasts, floats and integers."""
    a = (3 * floats(3, 4)).astype(dtype)
    b = (3 * floats(4, 5, seed=1)).astype(dtype)
    a = np.ascontiguousarray(a.T) if properties.get("trans_a") else a
    b = np.ascontiguousarray(b.T) if properties["trans_b"] else b
    c = None if addend is None else np.asarray(3 * floats(*addend, seed=2)).astype(dtype)
    for constants in ((), (1, 2) if c is not None else (1,)):
        check_case(
            new_case("gemm", [a, b, c], properties, constants),
            rtol=1e-2 if dtype == np.float16 else 1e-5,
            atol=1e-5,
        )


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((3, 0), (0, 2)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_matmul(shapes, dtype, check_case, new_case):
    """Vectors, batches that broadcast, nothing to sum."""
    a, b = (np.asarray(3 * floats(*s, seed=i)).astype(dtype) for i, s in enumerate(shapes))
    check_case(new_case("matmul", [a, b], {}), rtol=1e-2 if dtype == np.float16 else 1e-5)


CONVOLUTIONS = (
    ((2, 3, 5, 7), (4, 3, 1, 1), {}),
    ((2, 4, 5, 7), (6, 2, 1, 1), {"group": 2}),
    ((2, 3, 5, 7), (4, 3, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((2, 3, 5, 7), (4, 3, 3, 2), {"pads": (2, 0, 1, 1), "strides": (2, 3)}),
    ((1, 3, 9, 9), (4, 3, 3, 3), {"pads": (2, 2, 2, 2), "dilations": (2, 3)}),
    ((3, 4, 5, 5), (4, 1, 3, 3), {"pads": (1, 1, 1, 1), "group": 4}),
    ((3, 4, 5, 5), (8, 2, 3, 3), {"group": 2}),
    ((2, 3, 8, 8), (2, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": (2, 2)}),
    ((2, 3, 7, 8), (2, 3, 2, 3), {"auto_pad": "SAME_LOWER", "strides": (3, 2)}),
    ((2, 3, 7, 8), (2, 3, 2, 3), {"auto_pad": "VALID"}),
    ((2, 3, 9), (4, 3, 4), {"pads": (1, 2), "strides": (2,)}),
    ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"pads": (0, 1, 1, 1, 1, 0), "strides": (1, 2, 2)}),
    ((2, 3, 6, 6), (4, 3, 1, 1), {"strides": (2, 2)}),
    ((2, 3, 6, 6), (4, 3, 1, 1), {"pads": (1, 0, 0, 1)}),
    ((0, 3, 6, 6), (4, 3, 3, 3), {}),
    ((0, 3, 6, 6), (4, 3, 1, 1), {}),
)


@pytest.mark.parametrize(("x", "w", "properties"), CONVOLUTIONS)
@pytest.mark.parametrize("bias", [False, True])
def test_conv(x, w, properties, bias, check_case, new_case):
    """Paddings of every side, strides, dilations, groups, one to three dimensions, no images."""
    b = floats(w[0], seed=2) if bias else None
    for constants in ((1, 2) if bias else (1,), ()):
        check_case(
            new_case("conv", [floats(*x), floats(*w, seed=1), b], properties, constants), atol=1e-5
        )


def test_conv_of_other_types(check_case, new_case):
    """float64 is computed as it is, float16 rounds once."""
    for dtype, rtol in ((np.float64, 1e-12), (np.float16, 1e-2)):
        operands = [floats(1, 2, 5, 5, dtype=dtype), floats(3, 2, 3, 3, dtype=dtype), None]
        check_case(new_case("conv", operands, {"pads": (1, 1, 1, 1)}), rtol=rtol, atol=rtol)


POOLS = (
    ((2, 3, 6, 6), {"kernel_shape": (2, 2), "strides": (2, 2)}),
    ((2, 3, 7, 6), {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}),
    ((2, 3, 7, 6), {"kernel_shape": (3, 2), "strides": (2, 3), "pads": (0, 1, 2, 0)}),
    ((2, 3, 8, 7), {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": True}),
    ((1, 1, 4, 4), {"kernel_shape": (2, 2), "strides": (3, 3), "pads": (1, 1, 1, 1), "ceil_mode": True}),
    ((1, 2, 9, 9), {"kernel_shape": (3, 3), "dilations": (2, 3)}),
    ((1, 2, 7, 7), {"kernel_shape": (3, 3), "auto_pad": "SAME_UPPER", "strides": (2, 2)}),
    ((1, 2, 8), {"kernel_shape": (3,), "auto_pad": "SAME_LOWER", "strides": (2,)}),
    ((1, 2, 4, 5, 6), {"kernel_shape": (2, 2, 3), "strides": (1, 2, 2), "pads": (1, 0, 1, 0, 1, 1)}),
)  # fmt: skip


@pytest.mark.parametrize(("shape", "properties"), POOLS)
def test_pools(shape, properties, check_case, new_case):
    """Padding, overhang, dilation, with and without counting the padding."""
    x = floats(*shape)
    check_case(new_case("max_pool", [x], properties))
    check_case(new_case("max_pool_with_indices", [x], properties))
    for counted in (False, True):
        check_case(new_case("average_pool", [x], {**properties, "count_include_pad": counted}))


def test_max_pool_keeps_nan_and_types(check_case, new_case):
    """A window with a NaN is NaN; integers and half floats have their own lowest value."""
    x = floats(1, 1, 4, 4)
    x[0, 0, 1, 2] = np.nan
    properties = {"kernel_shape": (2, 2), "pads": (1, 1, 1, 1)}
    for array in (
        x,
        x.astype(np.float16),
        ints(1, 2, 4, 4, dtype=np.int8),
        ints(1, 2, 4, 4, low=0, dtype=np.uint8),
    ):
        check_case(new_case("max_pool", [array], properties))


@pytest.mark.parametrize("op", ["global_average_pool", "global_max_pool"])
def test_global_pools(op, check_case, new_case):
    """One to three spatial dimensions."""
    for shape in ((2, 3, 5), (2, 3, 4, 5), (1, 2, 2, 3, 4)):
        check_case(new_case(op, [floats(*shape)], {}))


@pytest.mark.parametrize("constants", [(1, 2, 3, 4), (), (1, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3), (2, 3, 4)])
def test_batch_normalization(constants, shape, check_case, new_case):
    """Folded statistics and statistics known at run time only."""
    parameters = [positive(3, seed=i) for i in range(4)]
    case = new_case(
        "batch_normalization", [floats(*shape), *parameters], {"epsilon": 1e-3}, constants
    )
    check_case(case, atol=1e-5)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 5), -1), ((3, 5), 0), ((2, 3, 4), 1), ((2, 0), 1), ((4,), 0)]
)
def test_softmax(op, shape, axis, check_case, new_case):
    """Every place of the axis, and an empty one."""
    check_case(new_case(op, [20 * floats(*shape)], {"axis": axis}))


@pytest.mark.parametrize(
    "op", ["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_l2"]
)
@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"axes": (1,)},
        {"axes": (0, -1), "keepdims": False},
        {"noop_with_empty_axes": True},
        {"axes": (1,), "keepdims": False},
    ],
)
def test_reductions(op, properties, check_case, new_case):
    """All axes, some, the last and first, none; of integers and of nothing."""
    for x in (floats(3, 4, 5), ints(3, 4, 2), floats(2, 0, 3), floats(3, 4, 5, dtype=np.float16)):
        if op == "reduce_l2" and x.dtype == np.int64:
            continue
        check_case(
            new_case(op, [x, None], properties),
            rtol=1e-2 if x.dtype == np.float16 else 1e-5,
            atol=1e-5,
        )


def test_reduction_along_an_operand(check_case, new_case):
    """Axes that are known at run time only."""
    axes = np.array([1], np.int64)
    check_case(new_case("reduce_sum", [floats(3, 4), axes], {}, (1,)))


def test_shapes(check_case, new_case):
    """Views, which a plan does not copy, and results that must not show arguments."""
    x = floats(2, 3, 4)
    for op, properties in (
        ("reshape", {"shape": (4, -1)}),
        ("flatten", {"axis": 2}),
        ("unsqueeze", {"axes": (0, 4)}),
        ("identity", {}),
        ("shape", {}),
        ("size", {}),
    ):
        extra = [None] if op in ("reshape", "unsqueeze") else []
        check_case(new_case(op, [x, *extra], properties))
    check_case(new_case("squeeze", [floats(1, 3, 1), None], {"axes": (0,)}))


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_, np.float16])
def test_movement(dtype, check_case, new_case):
    """Rearranged, cut, padded and repeated elements of any type."""
    x, y = floats(2, 3, 4).astype(dtype), floats(2, 1, 4, seed=1).astype(dtype)
    check_case(new_case("transpose", [x], {"perm": (2, 0, 1)}))
    check_case(new_case("transpose", [x], {}))
    check_case(new_case("concat", [x, y, x], {"axis": 1}, (), True))
    check_case(new_case("concat", [x, y, x], {"axis": -2}, (1,), True))
    check_case(new_case("expand", [y, None], {"shape": (2, 2, 3, 4)}))
    check_case(new_case("expand", [y, None], {"shape": (1, 1)}))
    check_case(new_case("tile", [x, None], {"repeats": (1, 2, 3)}))
    for properties in (
        {"starts": (0, -3), "ends": (2, -1), "axes": (0, 2)},
        {"starts": (-1, 10), "ends": (-10, -10), "axes": (1, 2), "steps": (-1, -2)},
        {"starts": (1,), "ends": (1,), "axes": (0,)},
    ):
        check_case(new_case("slice", [x, None, None, None, None], properties))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(mode, check_case, new_case):
    """Every mode; with constants also negative amounts and chosen axes."""
    x = floats(3, 4)
    check_case(new_case("pad", [x, None, None, None], {"pads": (1, 2, 0, 1), "mode": mode}))
    if mode == "constant":
        for properties in (
            {"pads": (-1, 2, 0, -2), "constant_value": 1.5},
            {"pads": (1, 1), "axes": (-1,)},
        ):
            check_case(new_case("pad", [x, None, None, None], properties))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("constants", [(), (1,)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_gather(axis, constants, dtype, check_case, new_case):
    """Indices from both ends, constant and not, also a scalar."""
    for indices in (np.array([[0, -1], [2, 1]], dtype), np.array(1, dtype), np.zeros(0, dtype)):
        check_case(new_case("gather", [floats(3, 4, 3), indices], {"axis": axis}, constants))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("constants", [(0,), (0, 1), ()])
def test_gather_from_an_unaligned_weight(axis, constants, check_case, new_case):
    """Weights lie in a model's file at any address."""
    raw = np.zeros(64 * 32 * 4 + 1, np.uint8)[1:]
    table = raw.view(np.float32).reshape(64, 32)
    table[:] = floats(64, 32)
    check_case(new_case("gather", [table, np.array([[0, -1], [2, 1]])], {"axis": axis}, constants))
