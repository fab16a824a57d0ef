"""Tensors made of numbers and sizes, conversions, and facts about tensors."""

from __future__ import annotations

import torch

from aten_cases.case import b, case, constant, d, f, i

_HOW = {"layout": None, "device": None, "pin_memory": None}

CASES = (
    *(
        row
        for name in ("zeros", "ones")
        for row in (
            case(name, [2, 3]),
            case(name, [2], kw={"dtype": torch.int64}, label="dtype"),
            case(name, [], label="no dimensions"),
        )
    ),
    case("empty.memory_format", [2, 3], values=False),
    case("full", [2, 3], 1.5),
    case("full", [2, 3], 7, label="integer"),
    case("full", [2], True, label="bool"),
    case("full", [2], 3, kw={"dtype": torch.float64}, label="dtype"),
    *(
        row
        for name in ("zeros_like", "ones_like")
        for row in (
            case(name, f(2, 3)),
            case(name, i(2, 3), kw={"dtype": torch.float32}, label="dtype"),
        )
    ),
    case("empty_like", f(2, 3), values=False),
    case("full_like", i(2, 3), 4),
    case("full_like", f(2, 3), 4, kw={"dtype": torch.int32}, label="dtype"),
    case("new_zeros", d(1), [2, 3]),
    case("new_ones", i(1), [2, 3], kw={"dtype": torch.float32}),
    case("new_empty", d(1), [2, 3], values=False),
    case("new_full", i(1), [2, 3], 5),
    case("arange", 5),
    case("arange", 2.5, label="float"),
    case("arange", 5, kw={"dtype": torch.float32}, label="dtype"),
    case("arange.start", 2, 7),
    case("arange.start_step", 1, 8, 3),
    case("arange.start_step", 5, 0, -2, label="down"),
    case("arange.start_step", 0.0, 1.0, 0.1, label="float"),
    case("linspace", -1, 1, 5),
    case("eye", 3),
    case("eye.m", 2, 3, kw={"dtype": torch.int64}),
    case("scalar_tensor", 2.5),
    case("scalar_tensor", 2, kw={"dtype": torch.int64}, label="dtype"),
    case("tensor.int", 3, kw={"device": "cpu"}),
    case("tensor.float", 3.5, kw={"dtype": torch.float64}),
    case("tensor.bool", True),
    case("tensor.complex", 1 + 2j),
    case("tensor", [[1, 2], [3, 4]]),
    case("tensor", [1.5, 2.0], kw={"dtype": torch.int64}, label="dtype"),
    case("rand", [2, 3], values=False),
    case("randn", [2, 3], values=False),
    case("rand_like", f(2, 3), values=False),
    case("randn_like", f(2, 3), values=False),
    *(
        case(name, f(2, 3))
        for name in (
            "alias", "detach", "lift_fresh", "positive", "resolve_conj", "resolve_neg", "lift_fresh_copy",
            "detach_copy", "alias_copy", "clone", "contiguous",
        )
    ),
    case("type_as", f(2, 3), i(1)),
    *(case("to.dtype", f(2, 3), dtype, label=f"{dtype}") for dtype in (torch.int64, torch.float16, torch.bool, torch.int8, torch.bfloat16)),
    case("to.dtype", b(4), torch.float32, label="of bools"),
    case("to.dtype", constant(1.9, -1.9, 2.5), torch.int32, label="towards zero"),
    case("to.other", f(2, 3), i(1)),
    case("to.device", f(2, 3), torch.device("cpu"), torch.float64),
    case("to.dtype_layout", f(2, 3), kw={"dtype": torch.int64}),
    case("to.prim_dtype", f(2, 3), 4),
    case("to.prim_Device", f(2, 3), torch.device("cpu"), 4),
    case("_to_copy", f(2, 3), kw={"dtype": torch.float64}),
    case("size.int", f(2, 3), -1),
    case("size", f(2, 3)),
    case("sym_size.int", f(2, 3), 0),
    case("sym_size", f(2, 3)),
    case("numel", f(2, 3)),
    case("sym_numel", f(2, 3)),
    case("dim", f(2, 3)),
    case("len.Tensor", f(2, 3)),
    case("is_floating_point", f(1)),
    case("is_floating_point", i(1), label="integers"),
    case("is_complex", f(1)),
    case("item", f()),
    case("item", i(1), label="integer"),
    case("item", b(), label="bool"),
    case("_local_scalar_dense", i()),
    case("ScalarImplicit", i()),
    case("IntImplicit", i()),
    case("FloatImplicit", d()),
    case("Int.Tensor", f()),
    case("Float.Tensor", f()),
    case("Bool.Tensor", f()),
    case("is_nonzero", i()),
    case("prim::NumToTensor.Scalar", 3),
    case("prim::NumToTensor.Scalar", 3.5, label="float"),
    case("equal", i(2, low=0, high=2), i(2, low=0, high=2), static_only=True),
    case("equal", f(2), f(3), label="shapes", static_only=True),
    case("_assert_tensor_metadata", f(2, 3), [2, 3]),
    case("sym_constrain_range", 3, kw={"min": 0}),
    case("sym_constrain_range_for_size", 3, kw={"min": 0}),
    case("_assert_scalar", 1, "is true"),
    case("_assert_async.msg", constant(True), "is true"),
)  # fmt: skip
