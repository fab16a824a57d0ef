"""Products, convolutions, pooling and normalization."""

from __future__ import annotations

from aten_cases.case import case, d, f, i, p

_POOLS = (
    ((2, 3, 9, 9), {"kernel_size": [3, 3], "stride": [2, 2]}),
    ((2, 3, 9, 9), {"kernel_size": [3, 2], "padding": [1, 1], "stride": [2, 1]}),
    ((2, 3, 7, 8), {"kernel_size": [3], "stride": [2], "padding": [1], "ceil_mode": True}),
    ((3, 6, 6), {"kernel_size": [2]}),
)

CASES = (
    case("linear", f(2, 3), f(4, 3), f(4)),
    case("linear", f(2, 5, 3), f(4, 3), f(4), label="batches"),
    case("linear", f(3), f(4, 3), label="vector"),
    case("matmul", f(2, 3), f(3, 4)),
    case("matmul", f(5, 2, 3), f(3, 4), label="batch"),
    case("matmul", f(3), f(3), label="vectors"),
    case("matmul", f(5, 1, 2, 3), f(4, 3, 2), label="broadcast"),
    case("matmul", i(2, 3), i(3, 4), label="integers"),
    case("mm", f(2, 3), f(3, 4)),
    case("bmm", f(5, 2, 3), f(5, 3, 4)),
    case("mv", f(2, 3), f(3)),
    case("dot", f(3), f(3)),
    case("outer", f(3), f(4)),
    case("addmm", f(4), f(2, 3), f(3, 4)),
    case("addmm", f(2, 4), f(2, 3), f(3, 4), kw={"beta": 0.5, "alpha": 2}, label="factors"),
    case("addmm", f(2, 4), f(2, 3), f(3, 4), kw={"beta": 0}, label="beta 0"),
    case("addmm", i(2, 4), i(2, 3), i(3, 4), kw={"alpha": 2}, label="integers"),
    case("baddbmm", f(5, 2, 4), f(5, 2, 3), f(5, 3, 4), kw={"beta": 0.5, "alpha": 2}),
    case("addmv", f(2), f(2, 3), f(3)),
    case("einsum", "bij,bjk->bik", [f(5, 2, 3), f(5, 3, 4)]),
    case("einsum", "i , j", [f(2), f(3)], label="implicit"),
    case("tensordot", f(2, 3, 4), f(4, 3, 5), [1, 2], [1, 0]),
    case("bilinear", f(5, 2), f(5, 3), f(4, 2, 3), f(4)),
    case("cdist", f(4, 3), f(5, 3)),
    case("cdist", f(2, 4, 3), f(2, 5, 3), 1.0, label="1"),
    case("cosine_similarity", f(4, 3), f(4, 3)),
    case("cosine_similarity", f(4, 3), f(1, 3), -1, label="broadcast"),
    # Convolutions.
    case("conv1d", f(2, 3, 9), f(4, 3, 3), f(4), [2], [1], [1], 1),
    case("conv1d.padding", f(2, 3, 9), f(4, 3, 4), None, [1], "same", dynamic=(0,)),
    case("conv1d.padding", f(2, 3, 9), f(4, 3, 4), None, [2], "valid", label="valid"),
    case("conv2d", f(2, 3, 8, 8), f(4, 3, 3, 3), f(4), [2], [1, 1]),
    case("conv2d", f(2, 4, 8, 8), f(6, 2, 3, 3), None, [1, 1], [2, 0], [2, 1], 2, label="groups"),
    case("conv2d", f(3, 8, 8), f(4, 3, 3, 3), label="no batch"),
    case("conv2d.padding", f(2, 3, 8, 8), f(4, 3, 3, 3), None, [1, 1], "same", [2, 2], dynamic=(0,)),
    case("conv3d", f(1, 2, 5, 5, 5), f(3, 2, 2, 3, 2)),
    case("conv3d.padding", f(1, 2, 5, 5, 5), f(3, 2, 2, 3, 2), None, [1, 1, 1], "same", dynamic=(0,)),
    case("conv_transpose1d", f(2, 3, 5), f(3, 4, 3), f(4), [2], [1], [1]),
    case("conv_transpose2d.input", f(2, 4, 5, 5), f(4, 3, 3, 3), f(6), [2, 2], [1, 1], [1, 0], 2),
    case("conv_transpose2d.input", f(2, 4, 5, 5), f(4, 3, 3, 3), None, [1, 1], [0], [0], 1, [2, 2], label="dilation"),
    case("conv_transpose3d.input", f(1, 2, 3, 3, 3), f(2, 3, 2, 2, 2), None, [2, 2, 2]),
    case("convolution", f(2, 3, 8, 8), f(4, 3, 3, 3), f(4), [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
    case("convolution", f(2, 3, 4, 4), f(3, 4, 2, 2), None, [2, 2], [0, 0], [1, 1], True, [1, 1], 1, label="transposed"),
    case("_convolution", f(2, 3, 8), f(4, 3, 3), None, [1], [1], [1], False, [0], 1, False, False, True, True),
    case("_convolution.deprecated", f(2, 3, 8), f(4, 3, 3), None, [1], [1], [1], False, [0], 1, False, False, True),
    case("im2col", f(2, 3, 6, 5), [3, 2], [1, 2], [1, 0], [2, 1]),
    case("im2col", f(3, 6, 5), [2, 2], [1, 1], [0, 0], [1, 1], label="no batch"),
    case("col2im", f(2, 12, 12), [4, 5], [2, 2], [1, 1], [0, 0], [1, 1]),
    # Pooling.
    *(
        case(f"max_pool2d{suffix}", f(*shape), kw=options, label=f"{index}")
        for suffix in ("", "_with_indices")
        for index, (shape, options) in enumerate(_POOLS)
    ),
    case("max_pool2d", f(1, 2, 9, 9), [3, 3], [1, 1], [0, 0], [2, 2], label="dilation"),
    *(
        case("avg_pool2d", f(*shape), kw=options, label=f"{index}")
        for index, (shape, options) in enumerate(_POOLS)
    ),
    case("avg_pool2d", f(1, 2, 7, 7), [3], [2], [1], True, False, label="without pads"),
    case("avg_pool2d", f(1, 2, 7, 7), [3], [2], [1], False, True, 5, label="divisor"),
    *(
        row
        for n in (1, 3)
        for row in (
            case(f"max_pool{n}d", f(2, 3, *(6,) * n), [2], [2], [1]),
            case(f"max_pool{n}d_with_indices", f(2, 3, *(6,) * n), [2], [2]),
            case(f"avg_pool{n}d", f(2, 3, *(6,) * n), [2], [2], [1], True),
        )
    ),
    *(
        row
        for n, names in (
            (1, ("adaptive_avg_pool1d",)),
            (2, ("adaptive_avg_pool2d", "_adaptive_avg_pool2d")),
            (3, ("adaptive_avg_pool3d", "_adaptive_avg_pool3d")),
        )
        for name in names
        for row in (
            case(name, f(2, 3, *(8,) * n), [1] * n, label="global"),
            case(name, f(2, 3, *(8,) * n), [4] * n, label="divides", static_only=True),
            case(name, f(2, 3, *(7,) * n), [3] * n, label="uneven", static_only=True),
        )
    ),
    case("adaptive_avg_pool2d", f(3, 7, 8), [1, 5], label="no batch", static_only=True),
    *(
        case(f"adaptive_max_pool{n}d", f(2, 3, *(6,) * n), [3] * n, static_only=True)
        for n in (1, 2, 3)
    ),
    # Normalization.
    case("batch_norm", f(2, 3, 4, 4), f(3), f(3), f(3), p(3), False, 0.1, 1e-5, True),
    case("batch_norm", f(2, 3), None, None, f(3), p(3), False, 0.1, 1e-3, True, label="plain"),
    case("native_batch_norm", f(2, 3, 4), f(3), f(3), f(3), p(3), False, 0.1, 1e-5),
    case("_native_batch_norm_legit_no_training", f(2, 3, 4), f(3), f(3), f(3), p(3), 0.1, 1e-5),
    case("instance_norm", f(2, 3, 4, 4), f(3), f(3), None, None, True, 0.1, 1e-5, True),
    case("instance_norm", f(2, 3, 4), None, None, None, None, True, 0.1, 1e-5, True, label="plain"),
    case("instance_norm", f(2, 3, 4), None, None, f(3), p(3), False, 0.1, 1e-5, True, label="running"),
    case("layer_norm", f(2, 3, 4), [4], f(4), f(4)),
    case("layer_norm", f(2, 3, 4), [3, 4], f(3, 4), None, 1e-3, label="two"),
    case("layer_norm", d(2, 4), [4], label="plain"),
    case("native_layer_norm", f(2, 3, 4), [4], f(4), f(4), 1e-5),
    case("group_norm", f(2, 6, 4), 3, f(6), f(6)),
    case("group_norm", f(2, 6, 4, 4), 2, None, None, 1e-3, label="plain"),
    case("group_norm", f(2, 6), 3, f(6), f(6), label="flat"),
    case("rms_norm", f(2, 3, 4), [4], f(4)),
    case("rms_norm", f(2, 3, 4), [4], None, 1e-3, label="plain"),
    case("_cdist_forward", f(4, 3), f(5, 3), 2.0, None),
    case("inner", f(2, 3), f(4, 3)),
    case("linalg_cross", f(4, 3), f(4, 3)),
    case("_native_batch_norm_legit.no_stats", f(2, 3, 4), f(3), f(3), True, 0.1, 1e-5),
    case("native_group_norm", f(2, 6, 4), f(6), f(6), 2, 6, 4, 3, 1e-5),
    case("_fused_rms_norm", f(2, 3, 4), [4], f(4), 1e-5),
)  # fmt: skip
