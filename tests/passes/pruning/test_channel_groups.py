"""Which channels go together, which stay, and why: one small graph for each relation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.errors import PassFailed
from pyflame_rt.ir_text import parse
from pyflame_rt.passes.pruning import records
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups
from pyflame_rt.passes.pruning.channels import Budget, ChannelPlan, Weight, plan_channels
from pyflame_rt.passes.pruning.records import Record
from pyflame_rt.universe import make_context

Array = np.ndarray[Any, Any]


class Graph:
    """A function in the making: the lines of its text, and constants of drawn weights."""

    def __init__(self, *shape: int):
        self.shape = shape
        self.lines: list[str] = []
        self.generator = np.random.default_rng(0)

    def weights(self, name: str, *shape: int) -> str:
        """A constant of that name and shape; returns its type."""
        array = self.generator.standard_normal(shape).astype(np.float32)
        self.lines.append(
            f'%{name} = pfrt.constant dense<{array.tolist()}> as "{name}" : {kind(*shape)}'
        )
        return kind(*shape)

    def line(self, text: str) -> None:
        """An op."""
        self.lines.append(text)

    def module(self, result: str, *shape: int) -> ModuleOp:
        """The module of a function that returns a value."""
        body = "\n".join(self.lines)
        text = (
            f"func.func @main(%x: {kind(*self.shape)}) -> {kind(*shape)} {{\n{body}\n"
            f"func.return %{result} : {kind(*shape)}\n}}"
        )
        return parse(text, make_context(), "test")

    def conv(self, x: str, y: str, before: int, after: int, group: int = 1, size: int = 4) -> None:
        """A 1x1 convolution of images of that size."""
        w = self.weights(f"{y}_w", after, before // group, 1, 1)
        given, made = kind(2, before, size, size), kind(2, after, size, size)
        self.line(
            f"%{y} = pfrt.conv %{x}, %{y}_w {{group = {group} : i64}} : ({given}, {w}) -> {made}"
        )

    def dense(self, x: str, y: str, rows: tuple[int, ...], before: int, after: int) -> None:
        """A product with a matrix."""
        w = self.weights(f"{y}_w", before, after)
        given, made = kind(*rows, before), kind(*rows, after)
        self.line(f"%{y} = pfrt.matmul %{x}, %{y}_w : {given}, {w} -> {made}")


def kind(*shape: int) -> str:
    """A type."""
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def units(module: ModuleOp) -> dict[str, tuple[int, ...]]:
    """For each group, by its name, how many units it has."""
    found: dict[str, tuple[int, ...]] = {}
    for group in ChannelGroups.of(module).groups:
        found[group.name] = (*found.get(group.name, ()), len(group.units))
    return found


def reasons(module: ModuleOp) -> dict[tuple[str, int], str]:
    """Why weights keep their features."""
    return {(fixed.name, fixed.axis): fixed.why for fixed in ChannelGroups.of(module).fixed}


def exact(module: ModuleOp, amount: float = 0.5, **options: Any) -> ChannelPlan:
    """The plan that was applied, after a check that it changes nothing but zeros."""
    shape = module.body.block.first_op.body.block.args[0].type.get_shape()
    feed = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    plan = plan_channels(module, Budget(amount), keep=0, **options)
    (expected,) = ReferenceBackend().compile(plan.masked()).run([feed])
    plan.apply()
    module.verify()
    (found,) = ReferenceBackend().compile(module).run([feed])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    return plan


def name_of(op: ConstantOp) -> str:
    """The name of a constant, "" for none."""
    return "" if op.names is None else op.names.data[0]


def constant(module: ModuleOp, name: str) -> tuple[int, ...]:
    """The shape of a constant."""
    constants = (op for op in module.walk() if isinstance(op, ConstantOp))
    (found,) = (op.result.type.get_shape() for op in constants if name_of(op) == name)
    return found


def test_residual_ties_both_sides():
    """The channels of an add are those of everything that is added."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 6)
    g.conv("a", "b", 6, 6)
    image = kind(2, 6, 4, 4)
    g.line(f"%s = pfrt.add %a, %b : ({image}, {image}) -> {image}")
    g.conv("s", "y", 6, 2)
    module = g.module("y", 2, 2, 4, 4)
    assert units(module) == {"a_w": (6,)}
    assert reasons(module) == {("y_w", 0): "it is an output of the graph"}
    exact(module)
    assert constant(module, "a_w") == (3, 3, 1, 1)
    assert constant(module, "b_w") == (3, 3, 1, 1)
    assert constant(module, "y_w") == (2, 3, 1, 1)


def test_concatenation_keeps_parts_apart():
    """Each part of a concatenation is a group, and the weights after it lose both parts'."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 4)
    g.conv("x", "b", 3, 6)
    types = f"({kind(2, 4, 4, 4)}, {kind(2, 6, 4, 4)}) -> {kind(2, 10, 4, 4)}"
    g.line(f"%c = pfrt.concat %a, %b {{axis = 1 : i64}} : {types}")
    g.conv("c", "y", 10, 2)
    module = g.module("y", 2, 2, 4, 4)
    assert sorted(map(len, units(module).values())) == [1, 1]
    exact(module, scope="group")
    assert constant(module, "a_w")[0] == 2
    assert constant(module, "b_w")[0] == 3
    assert constant(module, "y_w")[1] == 5


def test_split_sizes_follow():
    """The parts of a split lose what they have, and a num_outputs becomes sizes."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 8)
    half = kind(2, 4, 4, 4)
    g.line(
        "%p, %q = pfrt.split %a {axis = 1 : i64, num_outputs = 2 : i64} : "
        f"({kind(2, 8, 4, 4)}) -> ({half}, {half})"
    )
    g.conv("p", "u", 4, 2)
    g.conv("q", "v", 4, 2)
    out = kind(2, 2, 4, 4)
    g.line(f"%y = pfrt.add %u, %v : ({out}, {out}) -> {out}")
    module = g.module("y", 2, 2, 4, 4)
    exact(module, 0.3)
    assert (
        constant(module, "u_w")[1] + constant(module, "v_w")[1] == constant(module, "a_w")[0] == 5
    )


def test_flatten_takes_blocks():
    """A channel of an image is height times width columns of the layer after a flatten."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 6)
    g.line(f"%f = pfrt.flatten %a : {kind(2, 6, 4, 4)} -> {kind(2, 96)}")
    g.dense("f", "y", (2,), 96, 5)
    module = g.module("y", 2, 5)
    assert units(module) == {"a_w": (6,)}
    exact(module)
    assert constant(module, "y_w") == (48, 5)


@pytest.mark.parametrize(
    ("group", "before", "after", "count"), [(4, 8, 8, 4), (2, 8, 8, 4), (8, 8, 16, 8)]
)
def test_grouped_convolution(group: int, before: int, after: int, count: int):
    """Whole groups go where there are many, else the same channels of each; depthwise ones too."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, before)
    g.conv("a", "b", before, after, group)
    g.conv("b", "y", after, 2)
    module = g.module("y", 2, 2, 4, 4)
    assert all(count in found for found in units(module).values())
    exact(module)


def heads_graph(heads: int, size: int) -> Graph:
    """Attention over 5 places of a sequence."""
    g, inner = Graph(2, 5, 6), heads * size
    g.dense("x", "e", (2, 5), 6, 6)
    flat, split = kind(2, 5, inner), kind(2, 5, heads, size)
    shape = f"array<i64: 2, 5, {heads}, {size}>"
    for name, perm in (("q", "0, 2, 1, 3"), ("k", "0, 2, 3, 1"), ("v", "0, 2, 1, 3")):
        g.dense("e", f"{name}0", (2, 5), 6, inner)
        g.line(f"%{name}1 = pfrt.reshape %{name}0 {{shape = {shape}}} : ({flat}) -> {split}")
        last = kind(2, heads, size, 5) if name == "k" else kind(2, heads, 5, size)
        g.line(
            f"%{name} = pfrt.transpose %{name}1 {{perm = array<i64: {perm}>}} : {split} -> {last}"
        )
    q, k, s = kind(2, heads, 5, size), kind(2, heads, size, 5), kind(2, heads, 5, 5)
    g.line(f"%s = pfrt.matmul %q, %k : {q}, {k} -> {s}")
    g.line(f"%p = pfrt.softmax %s : {s} -> {s}")
    g.line(f"%o = pfrt.matmul %p, %v : {s}, {q} -> {q}")
    g.line(f"%t = pfrt.transpose %o {{perm = array<i64: 0, 2, 1, 3>}} : {q} -> {split}")
    g.line(f"%r = pfrt.reshape %t {{shape = array<i64: 2, 5, {inner}>}} : ({split}) -> {flat}")
    g.dense("r", "y", (2, 5), inner, 3)
    return g


def test_attention_loses_heads():
    """A head is a unit: its columns of q, k and v and its rows of the projection."""
    module = heads_graph(4, 3).module("y", 2, 5, 3)
    assert sorted(len(g.units) for g in ChannelGroups.of(module).groups) == [4, 6]
    exact(module, 0.5, exclude=("e_w",))
    assert constant(module, "q0_w") == constant(module, "v0_w") == (6, 6)
    assert constant(module, "y_w") == (6, 3)


def test_why_channels_stay():
    """Each reason is that of the op that needs the channels."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 6)
    image = kind(2, 6, 4, 4)
    g.line(f"%s = pfrt.softmax %a {{axis = 1 : i64}} : {image} -> {image}")
    g.conv("s", "b", 6, 6)
    g.line(f"%c = pfrt.lrn %b {{size = 3 : i64}} : {image} -> {image}")
    g.conv("c", "d", 6, 6)
    g.line(f"%m = pfrt.cum_sum %d {{axis = 1 : i64}} : ({image}) -> {image}")
    g.conv("m", "y", 6, 2)
    assert reasons(g.module("y", 2, 2, 4, 4)) == {
        ("a_w", 0): "pfrt.softmax normalizes over it",
        ("b_w", 0): "pfrt.lrn normalizes over it",
        ("d_w", 0): "how channels pass pfrt.cum_sum is not known",
        ("y_w", 0): "it is an output of the graph",
    }


def test_masks_and_zeros():
    """Masks name what stays, and every channel that goes is zero where it is made and read."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 6)
    g.line(f"%r = pfrt.relu %a : {kind(2, 6, 4, 4)} -> {kind(2, 6, 4, 4)}")
    g.conv("r", "y", 6, 2)
    module = g.module("y", 2, 2, 4, 4)
    plan = plan_channels(module, Budget(0.5))
    assert set(plan.masks) == {"a_w", "y_w"}
    gone = ~plan.masks["a_w"].any(axis=(1, 2, 3))
    assert gone.sum() == 3
    assert (plan.masks["y_w"].any(axis=(0, 2, 3)) == ~gone).all()
    for op in plan.masked().walk():
        if isinstance(op, ConstantOp):
            mask = plan.masks[name_of(op)]
            np.testing.assert_array_equal(op.array != 0, mask)


def three_layers() -> ModuleOp:
    """Layers of 8 and of 16 features."""
    g = Graph(2, 3, 4, 4)
    g.conv("x", "a", 3, 8)
    g.conv("a", "b", 8, 16)
    g.conv("b", "y", 16, 2)
    return g.module("y", 2, 2, 4, 4)


@pytest.mark.parametrize("of", ["channels", "flops", "parameters"])
def test_budgets(of: str):
    """A budget holds, and with one unit less it would not."""
    plan = plan_channels(three_layers(), Budget(0.4, of), keep=0)
    before, after = getattr(plan.report.before, of), getattr(plan.report.after, of)
    total = before - 2 if of == "channels" else before
    assert 0.4 * total <= before - after <= 0.5 * total


def test_options():
    """Multiples, exclusions, the share that stays, and a saliency of one's own."""
    module = three_layers()
    plan_channels(module, Budget(0.4), multiple=4, scope="group").apply()
    assert constant(module, "a_w")[0] % 4 == constant(module, "b_w")[0] % 4 == 0
    module = three_layers()
    plan_channels(module, Budget(0.4), exclude=("a*",)).apply()
    assert constant(module, "a_w")[0] == 8 > constant(module, "b_w")[0] - 8
    module = three_layers()
    plan_channels(module, Budget(0.9), keep=0.5).apply()
    assert (constant(module, "a_w")[0], constant(module, "b_w")[0]) == (4, 8)
    module = three_layers()

    def last_matter(weight: Weight) -> Array:
        places = np.arange(weight.array.shape[0]).reshape(-1, 1, 1, 1)
        return (
            np.broadcast_to(places, weight.array.shape)
            if weight.name == "a_w"
            else 0 * weight.array
        )

    plan = plan_channels(module, Budget(0.25), saliency=last_matter, scope="group")
    np.testing.assert_array_equal(plan.masks["a_w"][:, 0, 0, 0], np.arange(8) >= 2)


def test_infinite_importance():
    """Channels of weights that are judged infinite, or no number, go last."""

    def first_matter(weight: Weight) -> Array:
        found = np.abs(weight.array)
        if weight.name == "a_w":
            found[:2], found[2:4] = np.inf, np.nan
        return found

    plan = plan_channels(three_layers(), Budget(0.5), saliency=first_matter, scope="group")
    np.testing.assert_array_equal(plan.masks["a_w"][:, 0, 0, 0], np.arange(8) < 4)


def test_masks_of_zeros_shrink():
    """What was noted of weights pruned to zeros before is noted for those that are left."""
    module = three_layers()
    (weights,) = (op for op in module.walk() if isinstance(op, ConstantOp) and name_of(op) == "b_w")
    nonzero = np.random.default_rng(2).random((16, 8, 1, 1)) < 0.5
    records.write(weights, Record("unstructured", "magnitude", nonzero))
    plan = plan_channels(module, Budget(0.4))
    stays = plan.masks["b_w"]
    plan.apply()
    found = records.read(weights)
    assert found is not None
    np.testing.assert_array_equal(found.mask.reshape(-1), nonzero[stays])


def test_shared_vector_does_not_tie():
    """One constant that is the bias of two layers is two constants afterwards."""
    g = Graph(2, 3, 4, 4)
    bias, image = g.weights("zero", 6), kind(2, 6, 4, 4)
    for x, y, before in (("x", "a", 3), ("a", "b", 6)):
        w = g.weights(f"{y}_w", 6, before, 1, 1)
        g.line(
            f"%{y} = pfrt.conv %{x}, %{y}_w, %zero : ({kind(2, before, 4, 4)}, {w}, {bias}) -> {image}"
        )
    g.conv("b", "y", 6, 2)
    module = g.module("y", 2, 2, 4, 4)
    plan = exact(module)
    assert [group.units for group in plan.report.groups] == [6, 6]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: plan_channels(m, Budget(1.0)), "a share of 1.0 cannot go"),
        (lambda m: plan_channels(m, Budget(0.3, "bytes")), '"bytes" cannot be a budget'),
        (lambda m: plan_channels(m, Budget(0.3), scope="all"), 'the scope is "global" or "group"'),
        (lambda m: plan_channels(m, Budget(0.3), multiple=0), "multiple a number above 0"),
        (
            lambda m: plan_channels(m, Budget(0.3), saliency=lambda w: np.ones(3)),
            "a saliency of shape",
        ),
    ],
)
def test_errors(call: Any, message: str):
    """What makes no sense is one line."""
    with pytest.raises(PassFailed, match=message):
        call(three_layers())


def test_weights_that_are_not_at_hand():
    """Channels of weights whose values are missing cannot be judged."""
    text = """
    func.func @main(%x: tensor<1x3x4x4xf32>) -> tensor<1x2x4x4xf32> {
      %w = pfrt.constant #pfrt.weight<"0123"> as "w" : tensor<6x3x1x1xf32>
      %v = pfrt.constant #pfrt.weight<"4567"> as "v" : tensor<2x6x1x1xf32>
      %a = pfrt.conv %x, %w : (tensor<1x3x4x4xf32>, tensor<6x3x1x1xf32>) -> tensor<1x6x4x4xf32>
      %y = pfrt.conv %a, %v : (tensor<1x6x4x4xf32>, tensor<2x6x1x1xf32>) -> tensor<1x2x4x4xf32>
      func.return %y : tensor<1x2x4x4xf32>
    }"""
    module = parse(text, make_context(), "test")
    with pytest.raises(PassFailed, match="not at hand"):
        plan_channels(module, Budget(0.3))
