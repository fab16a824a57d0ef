"""Activation functions, softmax and dropout."""

from __future__ import annotations

import torch

from aten_cases.case import case, d, f, i

CASES = (
    *(
        case(name, f(3, 4))
        for name in (
            "relu",
            "relu6",
            "selu",
            "mish",
            "hardswish",
            "hardsigmoid",
            "silu",
            "log_sigmoid",
        )
    ),
    case("relu", i(3, 4), label="integers"),
    case("relu6", i(3, 4), label="integers"),
    case("hardtanh", f(3, 4)),
    case("hardtanh", f(3, 4), -0.25, 0.5, label="bounds"),
    case("leaky_relu", f(3, 4)),
    case("leaky_relu", f(3, 4), 0.3, label="slope"),
    case("rrelu", f(3, 4)),
    case("prelu", f(2, 3, 4), f(3)),
    case("prelu", f(2, 3), f(1), label="one weight"),
    case("elu", f(3, 4)),
    case("elu", f(3, 4), 0.5, 2.0, 1.5, label="scales"),
    case("celu", f(3, 4), 0.7),
    case("gelu", f(3, 4)),
    case("gelu", f(3, 4), kw={"approximate": "tanh"}, label="tanh"),
    case("softplus", f(3, 4)),
    case("softplus", lambda draw: draw.f(3, 4) * 30, 2, 5, label="threshold"),
    case("softplus", d(3, 4), label="f64", tolerance=1e-10),
    case("softshrink", f(3, 4), 0.3),
    case("hardshrink", f(3, 4), 0.3),
    case("threshold", f(3, 4), 0.2, 20),
    case("glu", f(3, 4)),
    case("glu", f(4, 3), 0, label="dim"),
    *(
        row
        for name in ("softmax.int", "log_softmax.int")
        for row in (
            case(name, f(2, 3, 4), 1),
            case(name, f(2, 3, 4), -1, torch.float64, label="dtype", tolerance=1e-9),
            case(name, i(2, 3), 0, torch.float32, label="integers"),
            case(name, f(), 0, label="no dimensions"),
        )
    ),
    case("_softmax", f(2, 3), 1, False),
    case("_log_softmax", f(2, 3), 1, False),
    *(
        case(name, f(3, 4), 0.5, False)
        for name in ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
    ),
    case("native_dropout", f(3, 4), 0.5, False),
)
