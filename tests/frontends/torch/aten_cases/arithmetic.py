"""Elementwise arithmetic, comparisons, logic and functions of one tensor."""

from __future__ import annotations

import math

import torch

from aten_cases.case import Draw, b, case, constant, d, f, i, n, p

_SHIFT = i(5, low=0, high=5)
_BYTE = i(2, 3, low=0, high=200, dtype=torch.uint8)
_INT8 = i(2, 3, dtype=torch.int8)
_SPECIAL = constant(math.inf, -math.inf, math.nan, 0.0, -0.0, 1.5)


def _half(draw: Draw) -> torch.Tensor:
    return draw.f(2, 3, dtype=torch.float16)


def _bfloat(draw: Draw) -> torch.Tensor:
    return draw.f(2, 3, dtype=torch.bfloat16)


_SAME = (
    "abs", "neg", "exp", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "erf", "erfc",
    "sigmoid", "ceil", "floor", "round", "trunc", "frac", "sign", "square", "expm1", "exp2",
)  # fmt: skip
_POSITIVE = ("log", "sqrt", "rsqrt", "reciprocal", "log2", "log10", "log1p")
_INTEGERS = ("exp", "sin", "sqrt", "log", "sigmoid", "tanh", "rsqrt", "reciprocal", "erf", "log1p")

CASES = (
    *(case(name, f(3, 4), label="f32") for name in _SAME),
    *(case(name, d(3, 4), label="f64", tolerance=1e-9) for name in _SAME),
    *(case(name, p(3, 4)) for name in _POSITIVE),
    *(case(name, n(3, 4), label="integers") for name in _INTEGERS),
    *(case(name, i(3, 4), label="integers") for name in ("ceil", "floor", "round", "trunc", "abs")),
    *(case(name, _SPECIAL, label="special") for name in ("log1p", "expm1", "trunc", "exp")),
    case("expm1", constant(1e-6, -1e-7, 0.0, 1e-3), label="small", tolerance=1e-9),
    case("log1p", constant(1e-6, -1e-7, 0.0, 1e-3), label="small", tolerance=1e-9),
    case("neg", _BYTE, label="unsigned"),
    case("sign", b(4), label="bools"),
    *(case(name, constant(-0.9, 0.0, 0.3, 0.9)) for name in ("asin", "acos", "atanh")),
    case("acosh", constant(1.0, 1.5, 3.0)),
    case("logit", constant(0.1, 0.5, 0.9)),
    case("logit", constant(-0.5, 0.5, 2.0), 0.01, label="eps"),
    case("round.decimals", constant(1.234567, -2.555), kw={"decimals": 2}),
    case("round.decimals", constant(1234.567, -255.5), kw={"decimals": -2}, label="tens"),
    case("atan2", f(3, 4), f(4)),
    case("atan2", constant(0.0, 1.0, -1.0, 0.0, 2.0), constant(0.0, 0.0, 0.0, -1.0, -3.0), label="axes"),
    case("nan_to_num", _SPECIAL),
    case("nan_to_num", _SPECIAL, 1.0, 2.0, 3.0, label="given"),
    # Sums and products: broadcasting and promotion.
    *(
        row
        for name in ("add", "sub", "rsub")
        for row in (
            case(f"{name}.Tensor", f(2, 3), f(3)),
            case(f"{name}.Tensor", f(2, 3), f(2, 1), kw={"alpha": 2}, label="alpha"),
            case(f"{name}.Tensor", i(2, 3), f(3), label="promotes"),
            case(f"{name}.Tensor", _INT8, _BYTE, label="bytes"),
            case(f"{name}.Tensor", _half, f(2, 3), label="half"),
            case(f"{name}.Tensor", d(), f(2, 3), label="no dimensions"),
            case(f"{name}.Scalar", f(2, 3), 2),
            case(f"{name}.Scalar", i(2, 3), 1.5, 2, label="float"),
            case(f"{name}.Scalar", _half, 1.5, label="half", tolerance=1e-3),
            case(f"{name}.Scalar", i(2, 3), 3, 2, label="alpha"),
        )
    ),
    case("add.Tensor", b(4), b(4), label="bools"),
    case("add.Tensor", _bfloat, _half, label="halves"),
    case("mul.Tensor", f(2, 3), f(3)),
    case("mul.Tensor", b(4), b(4), label="bools"),
    case("mul.Tensor", i(2, 3), b(3), label="promotes"),
    case("mul.Scalar", _bfloat, 2.0, label="bf16", tolerance=1e-2),
    case("mul.Scalar", f(2, 3), 2),
    case("div.Tensor", f(2, 3), p(3)),
    case("div.Tensor", i(2, 3), n(3), label="integers"),
    case("div.Scalar", i(2, 3), 4),
    case("true_divide.Tensor", i(2, 3), n(3)),
    *(
        row
        for mode in ("trunc", "floor", None)
        for row in (
            case("div.Tensor_mode", f(9), p(9), kw={"rounding_mode": mode}, label=f"{mode}"),
            case("div.Tensor_mode", i(9), n(9), kw={"rounding_mode": mode}, label=f"{mode} integers"),
            case("div.Scalar_mode", i(9), -4, kw={"rounding_mode": mode}, label=f"{mode}"),
        )
    ),
    case("floor_divide", f(9), f(9), label="f32"),
    case("floor_divide", constant(1.0, -1.0, 0.9, 7.0), constant(0.1, 0.1, 0.3, 0.0), label="edges"),
    case("floor_divide", i(9), n(9)),
    case("floor_divide.Scalar", i(9), -4),
    case("remainder.Tensor", f(9), f(9)),
    case("remainder.Tensor", i(9), n(9), label="integers"),
    case("remainder.Scalar", i(9), -4),
    case("remainder.Scalar", f(9), 0.7, label="f32"),
    case("remainder.Scalar_Tensor", 7, n(9)),
    case("fmod.Tensor", f(9), f(9)),
    case("fmod.Tensor", i(9), n(9), label="integers"),
    case("fmod.Scalar", i(9), 4),
    case("pow.Tensor_Tensor", p(3, 4), f(4)),
    case("pow.Tensor_Tensor", i(3, 4), i(4, low=0, high=5), label="integers"),
    *(case("pow.Tensor_Scalar", p(3, 4), e, label=f"{e}") for e in (0, 1, 2, 3, 0.5, -1, 1.7, -0.5, 4)),
    case("pow.Tensor_Scalar", i(3, 4), 3, label="integers"),
    case("pow.Tensor_Scalar", _INT8, 2, label="i8"),
    case("pow.Tensor_Scalar", i(3, 4), 0.5, label="root of integers"),
    case("pow.Scalar", 2, f(4)),
    *(
        row
        for name in ("maximum", "minimum", "max.other", "min.other")
        for row in (case(name, f(2, 3), f(3)), case(name, i(2, 3), f(3), label="promotes"))
    ),
    case("maximum", b(4), b(4), label="bools"),
    *(
        row
        for name in ("clamp", "clip")
        for row in (
            case(name, f(9), -0.5, 0.5),
            case(name, f(9), None, 0.5, label="max"),
            case(name, i(9), -3, 3, label="integers"),
            case(name, i(9), -2.5, label="promotes"),
            case(name, d(9), 0.1, label="f64"),
        )
    ),
    case("clamp.Tensor", f(2, 3), f(3), f(2, 1)),
    case("clamp_min", f(9), 0.1),
    case("clamp_max", f(9), 0.1),
    case("clamp_min.Tensor", f(2, 3), f(3)),
    case("clamp_max.Tensor", f(2, 3), f(3)),
    case("lerp.Scalar", f(5), f(5), 0.3),
    case("lerp.Tensor", f(5), f(5), p(5)),
    case("addcmul", f(2, 3), f(3), f(2, 1), kw={"value": 0.5}),
    case("addcmul", i(3), i(3), i(3), label="integers"),
    case("addcdiv", f(2, 3), f(3), p(2, 1), kw={"value": 2}),
    # Comparisons.
    *(
        row
        for name in ("eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal")
        for row in (
            case(f"{name}.Tensor", i(3, 4, low=0, high=3), i(4, low=0, high=3)),
            case(f"{name}.Tensor", i(3, 4), f(4), label="promotes"),
            case(f"{name}.Tensor", b(9), b(9), label="bools"),
            case(f"{name}.Scalar", i(9, low=0, high=3), 1),
            case(f"{name}.Scalar", i(9), 0.5, label="float"),
        )
    ),
    *(case(f"logical_{op}", i(9, low=0, high=2), f(9)) for op in ("and", "or", "xor")),
    case("logical_not", i(9, low=0, high=2)),
    *(
        row
        for op in ("and", "or", "xor")
        for name in (f"bitwise_{op}", f"__{op}__")
        for row in (
            case(f"{name}.Tensor", i(2, 3), i(3)),
            case(f"{name}.Tensor", b(9), b(9), label="bools"),
            case(f"{name}.Scalar", i(9), 6),
        )
    ),
    case("bitwise_not", i(9)),
    case("bitwise_not", b(9), label="bools"),
    *(
        row
        for name, of_scalar in (
            ("bitwise_left_shift", "Tensor_Scalar"),
            ("bitwise_right_shift", "Tensor_Scalar"),
            ("__lshift__", "Scalar"),
            ("__rshift__", "Scalar"),
        )
        for row in (
            case(f"{name}.Tensor", i(5), _SHIFT),
            case(f"{name}.{of_scalar}", i(5), 2),
            case(f"{name}.{of_scalar}", _BYTE, 2, label="unsigned"),
        )
    ),
    *(case(name, _SPECIAL) for name in ("isnan", "isinf", "isfinite")),
    *(case(name, i(4), label="integers") for name in ("isnan", "isinf", "isfinite")),
    case("isclose", constant(1.0, math.inf, math.nan, 2.0), constant(1.00000001, math.inf, math.nan, 2.1)),
    case("isclose", constant(1.0, math.nan), constant(1.1, math.nan), 0.2, 0.0, True, label="nan"),
    case("true_divide.Scalar", i(5), 2),
    case("divide.Tensor", f(5), p(5)),
    case("multiply.Tensor", f(5), f(5)),
    case("logaddexp", constant(0.0, 100.0, -math.inf, 1.0), constant(0.5, -3.0, -math.inf, 1.0)),
    case("xlogy.Tensor", constant(0.0, 1.0, 2.0, 0.0), constant(0.0, 2.0, 0.5, math.nan)),
    case("hypot", f(5), f(5)),
    *(case(f"bitwise_{op}.Scalar_Tensor", 6, i(9)) for op in ("and", "or", "xor")),
)  # fmt: skip
