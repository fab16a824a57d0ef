"""Attention, recurrent networks, images of another size."""

from __future__ import annotations

import torch

from aten_cases.case import Draw, case, f

_ENCODER = [f(12, 4), f(12), f(4, 4), f(4)]
_LAYER = [f(4), f(4), f(4), f(4), f(8, 4), f(8), f(4, 8), f(4)]


def _weights(gates: int, layers: int, directions: int, biases: bool) -> list:
    made = []
    for layer in range(layers):
        width = 3 if layer == 0 else 4 * directions
        for _ in range(directions):
            made += [f(gates * 4, width), f(gates * 4, 4)]
            made += [f(gates * 4), f(gates * 4)] if biases else []
    return made


def _packed(draw: Draw) -> torch.Tensor:
    return draw.f(7, 3)


_COUNTS = lambda draw: torch.tensor([3, 3, 1])  # noqa: E731


def _seen(draw: Draw) -> torch.Tensor:
    """A mask in which every query sees its first key."""
    mask = draw.b(3, 5)
    mask[:, 0] = True
    return mask


def _hidden(*shape: int):
    def make(draw: Draw) -> torch.Tensor:
        mask = draw.b(*shape)
        mask[..., 0] = False
        return mask

    return make


def _recurrent(name: str, gates: int, states: int) -> list:
    def initial(rows: int, batch: int | None) -> object:
        shape = (rows, 4) if batch is None else (rows, batch, 4)
        return [f(*shape), f(*shape)] if states == 2 else f(*shape)

    return [
        case(f"{name}.input", f(5, 2, 3), initial(1, 2), _weights(gates, 1, 1, True), True, 1, 0.0, False, False, False, dynamic=(0,)),
        case(f"{name}.input", f(2, 5, 3), initial(4, 2), _weights(gates, 2, 2, True), True, 2, 0.5, False, True, True, dynamic=(0,), label="two layers"),
        case(f"{name}.data", _packed, _COUNTS, initial(1, 3), _weights(gates, 1, 1, True), True, 1, 0.0, False, False, constants=(1,), dynamic=(0,)),
        case(f"{name}.data", _packed, _COUNTS, initial(2, 3), _weights(gates, 1, 2, True), True, 1, 0.0, False, True, constants=(1,), dynamic=(0,), label="both ways"),
    ]  # fmt: skip


_SIZES = (("up", [9, 10]), ("down", [3, 2]), ("one", [1, 1]))

CASES = (
    case("scaled_dot_product_attention", f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 6)),
    case("scaled_dot_product_attention", f(2, 4, 5, 8), f(2, 4, 5, 8), f(2, 4, 5, 8), None, 0.0, True, label="causal"),
    case("scaled_dot_product_attention", f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 6), _seen, label="mask"),
    case("scaled_dot_product_attention", f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 6), f(2, 1, 3, 5), 0.0, False, kw={"scale": 0.3}, label="added"),
    case("scaled_dot_product_attention", f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 6), f(2, 1, 1, 1), label="one key"),
    case("scaled_dot_product_attention", f(2, 3, 8), f(2, 5, 8), f(2, 5, 6), f(2, 3, 5), label="three"),
    case("scaled_dot_product_attention", f(3, 8), f(5, 8), f(5, 6), label="two"),
    case("scaled_dot_product_attention", f(2, 4, 3, 8), f(2, 2, 5, 8), f(2, 2, 5, 6), kw={"enable_gqa": True}, label="groups"),
    case("_scaled_dot_product_flash_attention_for_cpu", f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 8), results=1),
    case("_transformer_encoder_layer_fwd", f(2, 3, 4), 4, 2, *_ENCODER, False, False, 1e-5, *_LAYER, dynamic=(0,)),
    case("_transformer_encoder_layer_fwd", f(2, 3, 4), 4, 2, *_ENCODER, True, True, 1e-5, *_LAYER, dynamic=(0,), label="norm first"),
    case("_transformer_encoder_layer_fwd", f(2, 3, 4), 4, 2, *_ENCODER, False, False, 1e-5, *_LAYER, _hidden(2, 3), 1, dynamic=(0, 13), label="padding"),
    case("_transformer_encoder_layer_fwd", f(2, 3, 4), 4, 2, *_ENCODER, False, False, 1e-5, *_LAYER, _hidden(3, 3), 0, dynamic=(0,), label="mask"),
    case("_native_multi_head_attention", *[lambda draw: Draw(7).f(2, 3, 4)] * 3, 4, 2, *_ENCODER, None, True, dynamic=(0, 1, 2)),
    case("_native_multi_head_attention", *[lambda draw: Draw(7).f(2, 3, 4)] * 3, 4, 2, *_ENCODER, None, True, False, dynamic=(0, 1, 2), label="each head"),
    case("_native_multi_head_attention", *[lambda draw: Draw(7).f(2, 3, 4)] * 3, 4, 2, *_ENCODER, None, False, dynamic=(0, 1, 2), label="no weights"),
    *_recurrent("lstm", 4, 2),
    *_recurrent("gru", 3, 1),
    *_recurrent("rnn_tanh", 1, 1),
    *_recurrent("rnn_relu", 1, 1),
    case("lstm_cell", f(2, 3), [f(2, 4), f(2, 4)], f(16, 3), f(16, 4), f(16), f(16), dynamic=(0, 1)),
    case("gru_cell", f(2, 3), f(2, 4), f(12, 3), f(12, 4), f(12), f(12), dynamic=(0, 1)),
    case("rnn_tanh_cell", f(2, 3), f(2, 4), f(4, 3), f(4, 4), f(4), f(4), dynamic=(0, 1)),
    case("rnn_relu_cell", f(2, 3), f(2, 4), f(4, 3), f(4, 4), dynamic=(0, 1)),
    # Images.
    *(
        row
        for name in ("upsample_nearest", "_upsample_nearest_exact")
        for n in (1, 2, 3)
        for row in (
            case(f"{name}{n}d", f(2, 3, *(5,) * n), [9] * n),
            case(f"{name}{n}d", f(2, 3, *(5,) * n), [3] * n, label="down"),
            case(f"{name}{n}d.vec", f(2, 3, *(5,) * n), None, [2.0] * n, loose=True),
            case(f"{name}{n}d.vec", f(2, 3, *(5,) * n), None, [1.7] * n, label="fraction", loose=True),
            case(f"{name}{n}d.vec", f(2, 3, *(5,) * n), [7] * n, None, label="size"),
        )
    ),
    *(
        row
        for name, n in (("upsample_linear1d", 1), ("upsample_bilinear2d", 2), ("upsample_trilinear3d", 3), ("upsample_bicubic2d", 2))
        for align in (False, True)
        for row in (
            case(name, f(2, 3, *(5,) * n), [9] * n, align, label=f"{align}"),
            case(name, f(2, 3, *(5,) * n), [3] * n, align, label=f"{align} down"),
            case(name, f(2, 3, *(5,) * n), [1] * n, align, label=f"{align} one"),
            case(f"{name}.vec", f(2, 3, *(5,) * n), None, align, [2.0] * n, label=f"{align}", loose=True, static_only=align),
            case(f"{name}.vec", f(2, 3, *(5,) * n), [7] * n, align, None, label=f"{align} size"),
        )
    ),
    case("upsample_bilinear2d.vec", f(1, 2, 5, 5), None, False, [1.7, 0.6], label="fraction", loose=True),
    *(
        row
        for name in ("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
        for row in (
            case(name, f(2, 3, 8, 9), [4, 3], False, label="down"),
            case(name, f(2, 3, 5, 5), [9, 8], False, label="up"),
            case(f"{name}.vec", f(2, 3, 8, 8), [3, 5], False, None),
        )
    ),
    *(
        case("grid_sampler", f(2, 3, 5, 5), f(2, 4, 4, 2), mode, pad, align, label=f"{mode} {pad} {align}")
        for mode in (0, 1, 2)
        for pad in (0, 1, 2)
        for align in (False, True)
    ),
    case("grid_sampler_2d", f(2, 3, 5, 5), f(2, 4, 4, 2), 0, 0, False),
    case("grid_sampler_3d", f(2, 3, 5, 5, 5), f(2, 4, 4, 4, 3), 0, 0, False),
    case("affine_grid_generator", f(2, 2, 3), [2, 1, 4, 5], False),
    case("affine_grid_generator", f(2, 2, 3), [2, 1, 4, 5], True, label="corners"),
    case("pad", f(2, 3, 4), [1, 2]),
    case("pad", f(2, 3, 4), [1, 2, 0, 1], "constant", 1.5, label="value"),
    case("pad", f(2, 3, 4), [-1, 2], label="negative"),
    case("pad", f(2, 3, 4), [1, 2], "reflect", label="reflect"),
    case("pad", f(2, 3, 4), [1, 2], "replicate", label="replicate"),
    case("pad", f(2, 3, 4), [1, 2], "circular", label="circular"),
    case("constant_pad_nd", f(2, 3), [1, 1, 2, 0], 2.5),
    *(
        case(f"{name}_pad{n}d", f(2, 3, *(4,) * n), list(range(1, 2 * n + 1)) if n == 1 else [1, 2] * n)
        for name in ("reflection", "replication")
        for n in (1, 2, 3)
    ),
)  # fmt: skip
