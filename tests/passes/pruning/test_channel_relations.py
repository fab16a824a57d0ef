"""Every relation is exact: what is left computes what the dense model does with zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.ir_text import parse
from pyflame_rt.passes.pruning.channels import Budget, ChannelPlan, plan_channels
from pyflame_rt.passes.pruning.relations.segments import Segment, segments
from pyflame_rt.universe import make_context

X = "tensor<2x3x4x4xf32>"


def drawn(seed: int, *shape: int) -> str:
    """A constant's text: drawn values of that shape."""
    array = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
    return f"pfrt.constant dense<{array.tolist()}> : {kind}"


def image(channels: int, size: int = 4) -> str:
    """The type of images."""
    return f"tensor<2x{channels}x{size}x{size}xf32>"


def between(body: str, made: str, channels: int, size: int = 4, first: int = 8) -> str:
    """A function: a convolution to `first` channels %a, the body from %a to %b, a convolution."""
    return f"""
    func.func @main(%x: {X}) -> {image(2, size)} {{
      %w = {drawn(1, first, 3, 1, 1)}
      %v = {drawn(2, 2, channels, 1, 1)}
      %a = pfrt.conv %x, %w : ({X}, tensor<{first}x3x1x1xf32>) -> {image(first)}
      {body}
      %y = pfrt.conv %b, %v : ({made}, tensor<2x{channels}x1x1xf32>) -> {image(2, size)}
      func.return %y : {image(2, size)}
    }}"""


IMAGES = {
    "pad": between(
        "%b = pfrt.pad %a {pads = array<i64: 0, 1, 0, 0, 0, 2, 0, 0>} : "
        f"{image(8)} -> {image(11)}",
        image(11),
        11,
    ),
    "slice": between(
        "%b = pfrt.slice %a {axes = array<i64: 1>, starts = array<i64: 2>, ends = array<i64: -1>}"
        f" : {image(8)} -> {image(5)}",
        image(5),
        5,
    ),
    "gather": between(
        "%i = pfrt.constant dense<[7, 0, 3, -2, 3]> : tensor<5xi64>\n"
        "%b = pfrt.gather %a, %i {axis = 1 : i64} : "
        f"({image(8)}, tensor<5xi64>) -> {image(5)}",
        image(5),
        5,
    ),
    "tile": between(
        f"%b = pfrt.tile %a {{repeats = array<i64: 1, 2, 1, 1>}} : ({image(8)}) -> {image(16)}",
        image(16),
        16,
    ),
    "expand": between(
        f"%e = {drawn(3, 1, 1, 4, 4)}\n"
        "%f = pfrt.expand %e {shape = array<i64: 2, 8, 4, 4>} : "
        f"(tensor<1x1x4x4xf32>) -> {image(8)}\n"
        f"%b = pfrt.mul %a, %f : ({image(8)}, {image(8)}) -> {image(8)}",
        image(8),
        8,
    ),
    "depth_to_space": between(
        f"%b = pfrt.depth_to_space %a {{blocksize = 2 : i64}} : {image(8)} -> {image(2, 8)}",
        image(2, 8),
        2,
        8,
    ),
    "depth_to_space_by_column": between(
        '%b = pfrt.depth_to_space %a {blocksize = 2 : i64, mode = "CRD"} : '
        f"{image(8)} -> {image(2, 8)}",
        image(2, 8),
        2,
        8,
    ),
    "space_to_depth": between(
        f"%b = pfrt.space_to_depth %a {{blocksize = 2 : i64}} : {image(8)} -> {image(32, 2)}",
        image(32, 2),
        32,
        2,
    ),
    "conv_transpose": between(
        f"%u = {drawn(4, 8, 6, 2, 2)}\n"
        "%b = pfrt.conv_transpose %a, %u {strides = array<i64: 2, 2>} : "
        f"({image(8)}, tensor<8x6x2x2xf32>) -> {image(6, 8)}",
        image(6, 8),
        6,
        8,
    ),
    "conv_transpose_grouped": between(
        f"%u = {drawn(4, 8, 3, 2, 2)}\n"
        "%b = pfrt.conv_transpose %a, %u {group = 2 : i64, strides = array<i64: 2, 2>} : "
        f"({image(8)}, tensor<8x3x2x2xf32>) -> {image(6, 8)}",
        image(6, 8),
        6,
        8,
    ),
    "group_normalization": between(
        f"%s = {drawn(4, 8)}\n%t = {drawn(5, 8)}\n"
        "%b = pfrt.group_normalization %a, %s, %t {num_groups = 4 : i64} : "
        f"({image(8)}, tensor<8xf32>, tensor<8xf32>) -> {image(8)}",
        image(8),
        8,
    ),
    "resize": between(
        "%b = pfrt.resize %a {sizes = array<i64: 2, 8, 8, 8>} : " + f"{image(8)} -> {image(8, 8)}",
        image(8, 8),
        8,
        8,
    ),
    "prelu": between(
        f"%s = {drawn(4, 8, 1, 1)}\n"
        f"%b = pfrt.prelu %a, %s : {image(8)}, tensor<8x1x1xf32> -> {image(8)}",
        image(8),
        8,
    ),
    "clip_and_reduction": between(
        f"%m = pfrt.reduce_mean %a {{axes = array<i64: 2, 3>}} : ({image(8)}) -> tensor<2x8x1x1xf32>\n"
        "%g = pfrt.sigmoid %m : tensor<2x8x1x1xf32> -> tensor<2x8x1x1xf32>\n"
        f"%b = pfrt.mul %g, %a : (tensor<2x8x1x1xf32>, {image(8)}) -> {image(8)}",
        image(8),
        8,
    ),
    "einsum": between(
        f"%u = {drawn(4, 8, 6)}\n"
        '%b = pfrt.einsum %a, %u {equation = "nchw,cd->ndhw"} : '
        f"({image(8)}, tensor<8x6xf32>) -> {image(6)}",
        image(6),
        6,
    ),
    "squeeze": between(
        "%n = pfrt.reduce_max %a {axes = array<i64: 0, 2, 3>} : "
        f"({image(8)}) -> tensor<1x8x1x1xf32>\n"
        "%q = pfrt.squeeze %n : (tensor<1x8x1x1xf32>) -> tensor<8xf32>\n"
        "%p = pfrt.unsqueeze %q {axes = array<i64: 1, 2>} : (tensor<8xf32>) -> tensor<8x1x1xf32>\n"
        f"%b = pfrt.add %a, %p : ({image(8)}, tensor<8x1x1xf32>) -> {image(8)}",
        image(8),
        8,
    ),
    "fused": between(
        f"%s = {drawn(4, 8, 1, 1)}\n"
        f"%b = pfrt.fused (%a, %s) -> ({image(8)}) {{\n"
        f"^bb0(%p: {image(8)}, %q: tensor<8x1x1xf32>):\n"
        f"%m = pfrt.mul %p, %q : ({image(8)}, tensor<8x1x1xf32>) -> {image(8)}\n"
        f"%r = pfrt.sigmoid %m : {image(8)} -> {image(8)}\n"
        f"pfrt.yield %r : {image(8)}\n"
        f"}} : ({image(8)}, tensor<8x1x1xf32>)",
        image(8),
        8,
    ),
}


def sequence(body: str, inner: int) -> str:
    """A function on (2, 5, 6): the body makes %b, of `inner` elements a place, which a matrix reads."""
    return f"""
    func.func @main(%x: tensor<2x5x6xf32>) -> tensor<2x5x3xf32> {{
      {body}
      %last = {drawn(9, inner, 3)}
      %y = pfrt.matmul %b, %last : tensor<2x5x{inner}xf32>, tensor<{inner}x3xf32> -> tensor<2x5x3xf32>
      func.return %y : tensor<2x5x3xf32>
    }}"""


def projections(q: int, kv: int) -> str:
    """%q, %k and %v of the input."""
    lines = [
        f"%w{name} = {drawn(seed, 6, size)}\n"
        f"%{name} = pfrt.matmul %x, %w{name} : tensor<2x5x6xf32>, tensor<6x{size}xf32> -> "
        f"tensor<2x5x{size}xf32>"
        for seed, (name, size) in enumerate((("q", q), ("k", kv), ("v", kv)))
    ]
    return "\n".join(lines)


def recurrent(cell: str, gates: int, hidden: int = 8) -> str:
    """A cell along the places, from the state that it starts with."""
    rows = gates * hidden
    types = f"tensor<5x2x6xf32>, tensor<1x{rows}x6xf32>, tensor<1x{rows}x{hidden}xf32>"
    state = f"tensor<1x2x{hidden}xf32>"
    results = ", ".join([f"tensor<5x1x2x{hidden}xf32>", *[state] * (2 if cell == "lstm" else 1)])
    names = "%s, %h, %c" if cell == "lstm" else "%s, %h"
    return sequence(
        f"%t = pfrt.transpose %x {{perm = array<i64: 1, 0, 2>}} : "
        f"tensor<2x5x6xf32> -> tensor<5x2x6xf32>\n"
        f"%w = {drawn(3, 1, rows, 6)}\n%r = {drawn(4, 1, rows, hidden)}\n"
        f"%d = {drawn(5, 1, 2 * rows)}\n%i = {drawn(6, 1, 2, hidden)}\n"
        f"{names} = pfrt.{cell} %t, %w, %r bias(%d : tensor<1x{2 * rows}xf32>) "
        f"initial_h(%i : {state}) : {types} -> {results}\n"
        f"%z = pfrt.squeeze %s {{axes = array<i64: 1>}} : "
        f"(tensor<5x1x2x{hidden}xf32>) -> tensor<5x2x{hidden}xf32>\n"
        f"%b = pfrt.transpose %z {{perm = array<i64: 1, 0, 2>}} : "
        f"tensor<5x2x{hidden}xf32> -> tensor<2x5x{hidden}xf32>",
        hidden,
    )


SEQUENCES = {
    "packed_attention": sequence(
        projections(12, 6) + "\n%b = pfrt.attention %q, %k, %v "
        "{q_num_heads = 4 : i64, kv_num_heads = 2 : i64} : "
        "tensor<2x5x12xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32> -> tensor<2x5x12xf32>",
        12,
    ),
    "attention": sequence(
        projections(12, 12)
        + "".join(
            f"\n%{n}1 = pfrt.reshape %{n} {{shape = array<i64: 2, 5, 4, 3>}} : "
            "(tensor<2x5x12xf32>) -> tensor<2x5x4x3xf32>\n"
            f"%{n}2 = pfrt.transpose %{n}1 {{perm = array<i64: 0, 2, 1, 3>}} : "
            "tensor<2x5x4x3xf32> -> tensor<2x4x5x3xf32>"
            for n in "qkv"
        )
        + "\n%o = pfrt.attention %q2, %k2, %v2 : tensor<2x4x5x3xf32>, tensor<2x4x5x3xf32>, "
        "tensor<2x4x5x3xf32> -> tensor<2x4x5x3xf32>\n"
        "%p = pfrt.transpose %o {perm = array<i64: 0, 2, 1, 3>} : "
        "tensor<2x4x5x3xf32> -> tensor<2x5x4x3xf32>\n"
        "%b = pfrt.reshape %p {shape = array<i64: 2, 5, 12>} : "
        "(tensor<2x5x4x3xf32>) -> tensor<2x5x12xf32>",
        12,
    ),
    "one_head": sequence(
        projections(8, 8) + f"\n%c = {drawn(6, 8)}\n"
        "%k0 = pfrt.add %k, %c : (tensor<2x5x8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32>\n"
        "%t = pfrt.transpose %k0 {perm = array<i64: 0, 2, 1>} : "
        "tensor<2x5x8xf32> -> tensor<2x8x5xf32>\n"
        "%s = pfrt.matmul %q, %t : tensor<2x5x8xf32>, tensor<2x8x5xf32> -> tensor<2x5x5xf32>\n"
        "%p = pfrt.softmax %s : tensor<2x5x5xf32> -> tensor<2x5x5xf32>\n"
        "%b = pfrt.matmul %p, %v : tensor<2x5x5xf32>, tensor<2x5x8xf32> -> tensor<2x5x8xf32>",
        8,
    ),
    "swiglu": sequence(
        projections(8, 8) + "\n%b = pfrt.swiglu %q, %k : "
        "(tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>",
        8,
    ),
    "lstm": recurrent("lstm", 4),
    "gru": recurrent("gru", 3),
    "rnn": recurrent("rnn", 1),
}


def pruned(text: str, amount: float = 0.5) -> tuple[ModuleOp, ChannelPlan]:
    """The module without channels, compared with the dense one with zeros."""
    module = parse(text, make_context(), "test")
    module.verify()
    (function,) = module.ops
    shape: Any = function.body.block.args[0].type
    feed = np.random.default_rng(1).standard_normal(shape.get_shape()).astype(np.float32)
    plan = plan_channels(module, Budget(amount), scope="group", keep=0)
    (expected,) = ReferenceBackend().compile(plan.masked()).run([feed])
    (dense,) = ReferenceBackend().compile(module).run([feed])
    plan.apply()
    module.verify()
    (found,) = ReferenceBackend().compile(module).run([feed])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # Otherwise nothing has gone that mattered, and the comparison says nothing.
    assert np.abs(dense - expected).max() > 1e-3
    return module, plan


@pytest.mark.parametrize("name", [*IMAGES, *SEQUENCES])
def test_exact(name: str):
    """Channels go through the op, and its properties follow."""
    _, plan = pruned({**IMAGES, **SEQUENCES}[name])
    assert plan.report.prunable
    assert all(group.removed for group in plan.report.groups if group.units > 1)


def test_first_of_a_mixture():
    """A split of channels into parts that trade places goes by the part that can."""
    text = between(
        f"%r = pfrt.reshape %a {{shape = array<i64: 2, 2, 4, 4, 4>}} : "
        f"({image(8)}) -> tensor<2x2x4x4x4xf32>\n"
        "%s = pfrt.softmax %r {axis = 1 : i64} : tensor<2x2x4x4x4xf32> -> tensor<2x2x4x4x4xf32>\n"
        f"%b = pfrt.reshape %s {{shape = array<i64: 2, 8, 4, 4>}} : "
        f"(tensor<2x2x4x4x4xf32>) -> {image(8)}",
        image(8),
        8,
    )
    _, plan = pruned(text)
    assert [group.units for group in plan.report.groups] == [4]


def test_sums_of_products_that_are_not_zero():
    """Positions whose products are not zero, whatever the weights, stay: a sigmoid makes 0.5 of 0."""
    body = "\n%t = pfrt.transpose %{k} {{perm = array<i64: 0, 2, 1>}} : "
    body += "tensor<2x5x8xf32> -> tensor<2x8x5xf32>\n"
    body += (
        "%s = pfrt.matmul %{q}, %t : tensor<2x5x8xf32>, tensor<2x8x5xf32> -> tensor<2x5x5xf32>\n"
    )
    body += "%b = pfrt.matmul %s, %v : tensor<2x5x5xf32>, tensor<2x5x8xf32> -> tensor<2x5x8xf32>"
    gates = "".join(
        f"\n%{name}0 = pfrt.sigmoid %{name} : tensor<2x5x8xf32> -> tensor<2x5x8xf32>"
        for name in "qk"
    )
    both = sequence(projections(8, 8) + gates + body.format(q="q0", k="k0"), 8)
    _, plan = pruned(both)
    assert len(plan.report.groups) == 1
    assert {fixed.why for fixed in plan.report.fixed} >= {
        "pfrt.matmul sums over it products of computed values"
    }
    one = sequence(projections(8, 8) + gates + body.format(q="q0", k="k"), 8)
    _, plan = pruned(one)
    assert len(plan.report.groups) == 2


@pytest.mark.parametrize(
    ("given", "made", "copied", "expected"),
    [
        ((2, 12, 4), (2, 3, 4, 4), 0, {((0,), (0,)), ((1,), (1, 2)), ((2,), (3,))}),
        ((-1, 5, 12), (-1, 5, 3, 4), 0, {((1,), (1,)), ((2,), (2, 3))}),
        ((-1, -1, 12), (-1, -1, 3, 4), 0, {((2,), (2, 3))}),
        ((-1, 6, -1, -1), (-1, 6, -1), 1, {((0,), (0,)), ((1,), (1,))}),
        ((4, 6), (6, 4), 0, {((0, 1), (0, 1))}),
        ((-1, 12), (-1,), 0, set()),
    ],
)
def test_segments(
    given: tuple[int, ...], made: tuple[int, ...], copied: int, expected: set[Segment]
):
    """A reshape is cut where sizes agree from either end; sizes that are not known stop it."""
    unknown = -(2**63)
    shapes = [tuple(unknown if dim < 0 else dim for dim in shape) for shape in (given, made)]
    assert set(segments(*shapes, copied)) == expected
