"""Reductions and running sums."""

from __future__ import annotations

import math

import torch

from aten_cases.case import b, case, constant, d, f, i, p

CASES = (
    *(
        row
        for name in ("sum", "prod")
        for row in (
            case(name, f(2, 3)),
            case(name, i(2, 3, low=1, high=4), label="integers"),
            case(name, b(2, 3), label="bools"),
            case(name, f(2, 3), kw={"dtype": torch.float64}, label="dtype", tolerance=1e-9),
            case(name, f(), label="no dimensions"),
        )
    ),
    case("sum.dim_IntList", f(2, 3, 4), [0, -1]),
    case("sum.dim_IntList", f(2, 3, 4), [1], True, label="keepdim"),
    case("sum.dim_IntList", i(2, 3), None, label="all"),
    case("sum.dim_IntList", i(2, 3), [], True, label="none given"),
    case("sum.dim_IntList", f(), [0], label="no dimensions"),
    case("prod.dim_int", f(2, 3), 1),
    case("prod.dim_int", i(2, 3, low=1, high=4), -1, True, label="keepdim"),
    case("mean", f(2, 3)),
    case("mean", i(2, 3), kw={"dtype": torch.float32}, label="integers"),
    case("mean.dim", f(2, 3, 4), [1]),
    case("mean.dim", f(2, 3, 4), [-1, 0], True, label="keepdim"),
    *(
        row
        for name in ("amax", "amin")
        for row in (
            case(name, f(2, 3, 4), [0, 2]),
            case(name, i(2, 3), [], label="all"),
            case(name, f(2, 3), [1], True, label="keepdim"),
        )
    ),
    *(
        row
        for name in ("max", "min")
        for row in (
            case(name, f(2, 3)),
            case(name, i(2, 3), label="integers"),
            case(f"{name}.dim", f(2, 5), 1),
            case(f"{name}.dim", f(2, 5), 0, True, label="keepdim"),
            case(f"{name}.dim", f(), 0, label="no dimensions"),
        )
    ),
    case("aminmax", f(2, 3)),
    case("aminmax", f(2, 3), kw={"dim": 1, "keepdim": True}, label="dim"),
    *(
        row
        for name in ("argmax", "argmin")
        for row in (
            case(name, f(2, 5)),
            case(name, f(2, 5), 1, label="dim"),
            case(name, f(2, 5), None, True, label="keepdim"),
            case(name, f(2, 5), -2, True, label="dim keepdim"),
            case(name, constant(1, 3, 3, 1), label="ties"),
        )
    ),
    *(
        row
        for name in ("all", "any")
        for row in (
            case(name, b(3, 2)),
            case(name, i(3, low=0, high=2), label="integers"),
            case(name, f(3), label="f32"),
            case(name, i(3, low=0, high=2, dtype=torch.uint8), label="u8"),
            case(f"{name}.dim", b(3, 2), 1),
            case(f"{name}.dim", b(3, 2), 0, True, label="keepdim"),
            case(f"{name}.dims", b(3, 2, 2), [0, 2]),
        )
    ),
    *(
        row
        for name in ("var", "std")
        for row in (
            case(name, f(2, 5)),
            case(name, f(2, 5), False, label="biased"),
            case(f"{name}.dim", f(2, 5), [1]),
            case(f"{name}.dim", f(2, 5), [0], False, True, label="biased"),
            case(f"{name}.correction", f(2, 5, 3), [0, 1], kw={"correction": 0}),
            case(
                f"{name}.correction", f(2, 5), [1], kw={"correction": 2, "keepdim": True}, label="2"
            ),
            case(f"{name}.correction", f(2, 5), label="default"),
        )
    ),
    case("var_mean.correction", f(2, 5), [1], kw={"correction": 0}),
    case(
        "var_mean.correction", f(2, 5), [1], kw={"correction": 1, "keepdim": True}, label="keepdim"
    ),
    *(
        case("linalg_vector_norm", f(2, 5), order, [1], label=f"{order}")
        for order in (2, 1, 0, 3, math.inf, -math.inf, 0.5)
    ),
    case("linalg_vector_norm", d(2, 5), 2, None, True, label="all"),
    case("linalg_vector_norm", f(2, 5), 2, kw={"dtype": torch.float64}, label="dtype"),
    case("norm.Scalar", f(2, 5)),
    case("norm.Scalar", f(2, 5), 1, label="1"),
    case("norm.ScalarOpt_dim", f(2, 5), 2, [1], True),
    case("norm.ScalarOpt_dim", f(2, 5), None, [0], label="default"),
    case("logsumexp", f(2, 5), [1]),
    case("logsumexp", i(2, 5), [0, 1], True, label="integers"),
    case("cumsum", f(2, 5), 1),
    case("cumsum", i(2, 5, dtype=torch.int32), 0, label="integers"),
    case("cumsum", b(5), 0, label="bools"),
    case("cumprod", p(2, 5), -1),
    case("count_nonzero", i(3, 4, low=0, high=2)),
    case("count_nonzero", i(3, 4, low=0, high=2), 1, label="dim"),
    case("count_nonzero.dim_IntList", f(3, 4), [0, 1]),
    case("var_mean.dim", f(2, 5), [1]),
    case("std_mean.correction", f(2, 5), [1], kw={"correction": 0}),
    case("trace", f(3, 4), static_only=True),
)
