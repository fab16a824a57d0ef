"""Layers of networks: products, convolutions, pools, normalizations, reductions."""

from __future__ import annotations

import numpy as np

from random_graphs.builder import Builder, Rejected, Value

REDUCTIONS = [
    "reduce_mean",
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_l1",
    "reduce_l2",
    "reduce_sum_square",
    "reduce_prod",
    "reduce_log_sum_exp",
    "reduce_log_sum",
]


def _size(value: Value, axis: int) -> int:
    size = value.dim(axis)
    if not size:
        raise Rejected
    return size


def matmul(b: Builder) -> None:
    x = b.value(least=2)
    depth = _size(x, -1)
    match b.number(0, 3):
        case 0 | 1:
            b.emit("matmul", x, b.weights((depth, b.pick((4, 3, 1, 8))), x))
        case 2:
            b.emit("matmul", x, b.weights((depth,), x))
        case _:
            fits = [v for v in b.visible if v.dtype == x.dtype and v.rank == x.rank]
            other = b.pick(fits[::-1])
            y = b.one("transpose", other, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))
            b.emit("matmul", x, y)


def gemm(b: Builder) -> None:
    x = b.value(rank=2)
    transposed = b.chance(3)
    depth, columns = _size(x, -1), b.pick((4, 3, 1))
    w = b.weights((columns, depth) if transposed else (depth, columns), x)
    c = b.weights(b.pick(((columns,), (1, columns), (1,), ())), x) if not b.chance(3) else None
    factors = {"alpha": b.pick((1.0, 1.0, 0.5)), "beta": b.pick((1.0, 1.0, 0.0, 2.0))}
    b.emit("gemm", x, w, c, trans_b=transposed, **factors)


def einsum(b: Builder) -> None:
    x = b.value(rank=2)
    depth = _size(x, -1)
    b.emit("einsum", [x, b.weights((depth, 3), x)], equation=b.pick(("ij,jk->ik", "ij,jk->ki")))


def convolution(b: Builder, x: Value | None = None) -> Value:
    """A conv with weights that are constant."""
    x = b.value(rank=b.pick((4, 4, 4, 3)), fresh=6) if x is None else x
    spatial, channels = x.rank - 2, _size(x, 1)
    group = b.pick((1, 1, 1, channels))
    features = group * b.pick((1, 2, 3)) if group > 1 else b.pick((4, 3, 1))
    kernel = b.pick((1, 3, 2))
    w = b.weights((features, channels // group, *(kernel,) * spatial), x)
    bias = b.weights((features,), x) if b.chance(2) else None
    options = {
        "group": group,
        "strides": (b.pick((1, 1, 2)),) * spatial,
        "pads": (b.pick((kernel // 2, 0)),) * (2 * spatial),
    }
    if b.chance(8):
        del options["pads"]
        options["auto_pad"] = b.pick(("SAME_UPPER", "VALID", "SAME_LOWER"))
    if b.chance(6):
        options["dilations"] = (2,) * spatial
    return b.one("conv", x, w, bias, **options)


def conv(b: Builder) -> None:
    convolution(b)


def conv_transpose(b: Builder) -> None:
    x = b.value(rank=b.pick((4, 3)))
    spatial = x.rank - 2
    w = b.weights((_size(x, 1), 2, *(2,) * spatial), x)
    b.emit("conv_transpose", x, w, None, strides=(b.pick((1, 2)),) * spatial)


def pool(b: Builder) -> None:
    x = b.value(rank=b.pick((4, 4, 3)), fresh=6)
    spatial, kernel = x.rank - 2, b.pick((2, 3, 1))
    name = b.pick(("max_pool", "average_pool", "max_pool_with_indices", "lp_pool"))
    options: dict = {
        "kernel_shape": (kernel,) * spatial,
        "strides": (b.pick((1, 2)),) * spatial,
        "pads": (b.pick((0, kernel // 2)),) * (2 * spatial),
        "ceil_mode": b.chance(4),
    }
    if name == "average_pool":
        options["count_include_pad"] = b.chance(2)
    b.emit(name, x, **options)


def global_pool(b: Builder) -> None:
    names = ("global_average_pool", "global_max_pool", "global_lp_pool")
    b.emit(b.pick(names), b.value(least=3))


def statistics(b: Builder, x: Value) -> list[Value]:
    """Scale, bias, mean and variance of x's channels."""
    channels, generator = _size(x, 1), b.generator()
    rows = [generator.standard_normal(channels) for _ in range(3)]
    rows.append(generator.random(channels) + 0.1)
    return [b.constant(row.astype(x.dtype)) for row in rows]


def batch_normalization(b: Builder) -> None:
    x = b.value(least=2)
    b.emit("batch_normalization", x, *statistics(b, x), epsilon=b.pick((1e-5, 1e-3)))


def instance_normalization(b: Builder) -> None:
    x = b.value(least=3)
    b.emit("instance_normalization", x, *statistics(b, x)[:2])


def group_normalization(b: Builder) -> None:
    x = b.value(least=3)
    b.emit("group_normalization", x, *statistics(b, x)[:2], num_groups=b.pick((1, 2)))


def layer_normalization(b: Builder) -> None:
    x = b.value(least=1)
    scale = b.weights((_size(x, -1),), x)
    if b.chance(3):
        b.emit("rms_normalization", x, scale, axis=-1)
    else:
        b.emit(
            "layer_normalization", x, scale, b.weights((_size(x, -1),), x) if b.chance(2) else None
        )


def softmax(b: Builder) -> None:
    x = b.value(least=1)
    b.emit(b.pick(("softmax", "softmax", "log_softmax", "hardmax")), x, axis=b.axis(x))


def other_normalization(b: Builder) -> None:
    x = b.value(least=3)
    match b.number(0, 2):
        case 0:
            b.emit("lp_normalization", x, axis=b.axis(x), p=b.pick((2, 1)))
        case 1:
            b.emit("lrn", x, size=3)
        case _:
            b.emit("mean_variance_normalization", x, axes=(0, *range(2, x.rank)))


def reduce(b: Builder) -> None:
    x = b.value(least=1)
    axes = tuple(sorted({b.axis(x, negative=False) for _ in range(b.pick((1, 1, 2)))}))
    given: dict = {"keepdims": not b.chance(3)}
    if b.chance(4):
        name, operand = b.pick(REDUCTIONS), b.constant(np.asarray(axes, np.int64))
        b.emit(name, x, operand, **given)
        return
    if not b.chance(6):
        given["axes"] = tuple(a - x.rank for a in axes) if b.chance(3) else axes
    b.emit(b.pick(REDUCTIONS), x, **given)


def arg(b: Builder) -> None:
    x = b.value(least=1)
    name = b.pick(("arg_max", "arg_min"))
    b.emit(name, x, axis=b.axis(x), keepdims=b.chance(2), select_last_index=b.chance(3))


def recurrent(b: Builder) -> None:
    x = b.value(rank=3)
    size, hidden = _size(x, -1), 2
    name, gates = b.pick((("lstm", 4), ("gru", 3), ("rnn", 1)))
    w, r = b.weights((1, gates * hidden, size), x), b.weights((1, gates * hidden, hidden), x)
    b.emit(name, x, w, r)


MAKERS = {
    matmul: 4, gemm: 2, einsum: 1, conv: 4, conv_transpose: 1, pool: 2, global_pool: 1,
    batch_normalization: 2, instance_normalization: 1, group_normalization: 1,
    layer_normalization: 1, softmax: 2, other_normalization: 1, reduce: 4, arg: 2, recurrent: 1,
}  # fmt: skip
"""How often each is drawn."""
