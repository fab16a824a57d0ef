"""Recurrent networks of few steps as the products and functions of each step; splits as slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.activation import SigmoidOp, TanhOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, MulOp, SubOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.recurrent import GruOp, LstmOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp, ReshapeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.wse.mapping import MOVE

Array: TypeAlias = npt.NDArray[Any]

MOST_STEPS: Final = 64
"""Steps of a sequence that are unrolled: code of more does not fit a PE either."""
_VIEWS: Final = ("pfrt.reshape", "pfrt.squeeze", "pfrt.flatten")


def slice_parts(op: SplitOp) -> None:
    """split(x) -> slice(x), …"""
    shape = shape_of(op.operand) or ()
    if not shape:
        return
    axis = op.axis.value.data % len(shape)
    sizes = [(shape_of(result) or (DYNAMIC,) * len(shape))[axis] for result in op.results]
    if DYNAMIC in (*shape, *sizes):
        return
    at = 0
    values: list[SSAValue] = []
    for size, result in zip(sizes, op.results, strict=True):
        bounds = {"axes": (axis,), "starts": (at,), "ends": (at + size,)}
        part = SliceOp.create_op([op.operand], bounds, location=op.location)
        Rewriter.insert_op(part, InsertPoint.before(op))
        part.results[0].name_hint = result.name_hint
        values.append(part.results[0])
        at += size
    Rewriter.replace_op(op, [], values)


def unroll(op: LstmOp | GruOp) -> None:
    """The steps of a network one after another; one that is out of the ordinary stays as it is."""
    weights = _weights(op)
    if weights is None:
        return
    steps, batch, _, hidden = op.extents()
    y: list[SSAValue] = []
    last: list[list[SSAValue]] = []
    build = _Builder(op, batch, hidden, steps)
    ways = ("forward", "reverse") if op.directions == 2 else (op.direction.data,)
    for number, way in enumerate(ways):
        cell = _Cell(build, weights[number], number)
        order = range(steps) if way == "forward" else range(steps - 1, -1, -1)
        states = cell.run(order)
        last.append(states[-1])
        by_step = dict(zip(order, states, strict=True))
        if op.results[0].first_use is not None:
            y.append(build.concat([by_step[step][0] for step in range(steps)], 0))
    _replace(op, build, y, last)


def _replace(
    op: LstmOp | GruOp, build: _Builder, y: Sequence[SSAValue], last: Sequence[Sequence[SSAValue]]
) -> None:
    """Results as other ops want them: what looks at one in another way looks at the rows."""
    steps, batch, _, hidden = op.extents()
    for number, result in enumerate(op.results):
        is_all = number == 0
        rows = list(y) if is_all else [states[number - 1] for states in last]
        shape = (steps, 1, batch, hidden) if is_all else (1, batch, hidden)
        for use in tuple(result.uses):
            user = use.operation
            wanted = shape_of(user.results[0]) if user.name in _VIEWS else None
            if len(rows) == 1 and wanted and DYNAMIC not in wanted:
                view = build.reshape(rows[0], wanted, before=user)
                Rewriter.replace_op(user, [], [view])
        if result.first_use is None:
            continue
        seen = [build.reshape(value, shape) for value in rows]
        whole = build.concat(seen, 1 if is_all else 0)
        whole.name_hint = result.name_hint
        result.replace_all_uses_with(whole)
    op.detach()
    op.erase()


def _weights(op: LstmOp | GruOp) -> list[tuple[Array, Array, Array, Array]] | None:
    """By direction: of each gate the weights of inputs and state and the two biases; None if it cannot be unrolled."""
    steps, *others = op.extents()
    shape_known = DYNAMIC not in (steps, *others) and 0 < steps <= MOST_STEPS
    usual = ("Sigmoid", "Tanh", "Tanh") if isinstance(op, LstmOp) else ("Sigmoid", "Tanh")
    names = tuple(item.data.lower() for item in op.activations or ())
    plain = names in ((), tuple(name.lower() for name in usual) * op.directions)
    clipped = op.clip is not None and op.clip.value.data > 0
    odd = op.layout.value.data or op.sequence_lens is not None or clipped
    if isinstance(op, LstmOp):
        odd = odd or op.p is not None or op.input_forget.value.data
    w, r = constant_of(op.w), constant_of(op.r)
    bias = None if op.bias is None else constant_of(op.bias)
    if not shape_known or not plain or odd or w is None or r is None:
        return None
    if op.bias is not None and bias is None:
        return None
    count, hidden = type(op).GATES, r.shape[2]
    bias = np.zeros((len(w), 2 * count * hidden), w.dtype) if bias is None else bias
    both = bias.reshape(len(w), 2, count, hidden)
    return [
        (w[d].reshape(count, hidden, -1), r[d].reshape(count, hidden, hidden), both[d, 0], both[d, 1])
        for d in range(len(w))
    ]  # fmt: skip


@dataclass
class _Builder:
    """Ops in front of the recurrent one, at its place in the file."""

    op: LstmOp | GruOp
    batch: int
    hidden: int
    steps: int

    def add(self, new: PfrtOp, before: Operation | None = None) -> SSAValue:
        """Put an op before the recurrent one; its result."""
        Rewriter.insert_op(new, InsertPoint.before(before or self.op))
        return new.results[0]

    def constant(self, array: Array) -> SSAValue:
        """A constant."""
        return self.add(ConstantOp.get(np.ascontiguousarray(array)))

    def make(self, kind: type[PfrtOp], *operands: Any, **properties: Any) -> SSAValue:
        """An op of some kind."""
        return self.add(kind.create_op(list(operands), properties, location=self.op.location))

    def product(
        self, x: SSAValue, weight: Array, bias: Array | None, residual: SSAValue | None = None
    ) -> SSAValue:
        """x weight^T + bias + residual."""
        b = None if bias is None else self.constant(bias)
        names = [name for name, _ in GemmOp.get_irdl_definition().operands]
        by_name = {"a": x, "b": self.constant(weight), "c": b, "residual": residual}
        return self.make(GemmOp, *(by_name[name] for name in names), trans_b=True)

    def reshape(
        self, value: SSAValue, shape: Sequence[int], before: Operation | None = None
    ) -> SSAValue:
        """The same elements in another shape."""
        if shape_of(value) == tuple(shape):
            return value
        new = ReshapeOp.create_op([value], {"shape": tuple(shape)}, location=self.op.location)
        return self.add(new, before)

    def concat(self, values: Sequence[SSAValue], axis: int) -> SSAValue:
        """Values one after another."""
        if len(values) == 1:
            return values[0]
        return self.make(ConcatOp, list(values), axis=axis)

    def rows(self, value: SSAValue, step: int) -> SSAValue:
        """The rows of a step."""
        if self.steps == 1:
            return value
        first = step * self.batch
        return self.make(SliceOp, value, axes=(0,), starts=(first,), ends=(first + self.batch,))

    def moved(self, value: SSAValue) -> SSAValue:
        """The value where products take it from, so that they leave theirs where the gates are."""
        new = IdentityOp.create_op([value], location=self.op.location)
        new.attributes[MOVE] = UnitAttr()
        return self.add(new)


@dataclass
class _Cell:
    """One direction."""

    build: _Builder
    weights: tuple[Array, Array, Array, Array]
    number: int

    def run(self, order: Sequence[int]) -> list[list[SSAValue]]:
        """The states after each step, in the order of the steps."""
        build, op = self.build, self.build.op
        x = build.reshape(op.x, (build.steps * build.batch, op.extents()[2]))
        w, _, of_x, of_h = self.weights
        linear = isinstance(op, GruOp) and bool(op.linear_before_reset.value.data)
        inputs: list[SSAValue] = []
        for gate, weight in enumerate(w):
            alone = linear and gate == 2
            inputs.append(
                build.product(x, weight, of_x[gate] if alone else of_x[gate] + of_h[gate])
            )
        states = [self._initial(state) for state in op.states]
        found: list[list[SSAValue]] = []
        for step in order:
            gates = [build.rows(value, step) for value in inputs]
            if isinstance(op, LstmOp):
                states = self._lstm(gates, states)
            else:
                states = self._gru(gates, states, linear)
            found.append([value for value in states if value is not None])
        return found

    def _initial(self, state: SSAValue | None) -> SSAValue | None:
        """The state of this direction before the first step; None for zeros."""
        if state is None:
            return None
        build = self.build
        known = constant_of(state)
        if known is not None:
            return build.constant(known[self.number]) if known.any() else None
        if build.op.directions == 2:
            bounds = {"axes": (0,), "starts": (self.number,), "ends": (self.number + 1,)}
            state = build.make(SliceOp, state, **bounds)
        return build.reshape(state, (build.batch, build.hidden))

    def _with_state(self, gates: Sequence[SSAValue], h: SSAValue | None) -> list[SSAValue]:
        """Gates with the state's products."""
        if h is None:
            return list(gates)
        build, moved = self.build, self.build.moved(h)
        weights = self.weights[1]
        return [
            build.product(moved, weights[gate], None, value) for gate, value in enumerate(gates)
        ]

    def _lstm(
        self, gates: Sequence[SSAValue], states: Sequence[SSAValue | None]
    ) -> list[SSAValue | None]:
        make, (h, c) = self.build.make, states
        i, o, f, g = self._with_state(gates, h)
        change = make(MulOp, make(SigmoidOp, i), make(TanhOp, g))
        if c is not None:
            change = make(AddOp, make(MulOp, make(SigmoidOp, f), c), change)
        return [make(MulOp, make(SigmoidOp, o), make(TanhOp, change)), change]

    def _gru(
        self, gates: Sequence[SSAValue], states: Sequence[SSAValue | None], linear: bool
    ) -> list[SSAValue | None]:
        build, make, (h,) = self.build, self.build.make, states
        z, r = (make(SigmoidOp, gate) for gate in self._with_state(gates[:2], h))
        change, bias = gates[2], self.weights[3][2]
        weight = self.weights[1][2]
        if linear:
            if h is None:
                given = np.broadcast_to(bias, (build.hidden,))
                reset = make(MulOp, r, build.constant(given))
            else:
                reset = make(MulOp, r, build.product(build.moved(h), weight, bias))
            change = make(AddOp, change, reset)
        elif h is not None:
            change = build.product(build.moved(make(MulOp, r, h)), weight, None, change)
        change = make(TanhOp, change)
        if h is None:
            return [make(SubOp, change, make(MulOp, z, change))]
        return [make(AddOp, change, make(MulOp, z, make(SubOp, h, change)))]
