"""Recurrent networks over sequences."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from xdsl.dialects.builtin import ArrayAttr, FloatAttr, StringAttr, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    EqAttrConstraint,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    require_floats,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.data import ConstantConstraint
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of
from pyflame_rt.kernels.recurrent import ACTIVATIONS, DIRECTIONS

_COMMON_FORMAT = (
    "$x `,` $w `,` $r (`bias` `(` $bias^ `:` type($bias) `)`)?"
    " (`lengths` `(` $sequence_lens^ `:` type($sequence_lens) `)`)?"
    " (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)?"
)
_TYPES = " custom<ValueNames>($names) attr-dict `:` type($x) `,` type($w) `,` type($r) `->` "


class RecurrentOp(PfrtOp, ABC):
    """Runs a cell along the first dimension of x, or with `layout` 1 along its second.

    A direction's weights are rows of w and r, those of its gates one after another. An empty
    `activations` means the cell's own; `activation_alpha` and `activation_beta` list the parameters
    of those that have any, in order. The results are the state at each step, 0 after the end of a
    sequence, and the last state.

    C1: all operands hold floats of one type, but for the lengths, which are i32.
    C2: the operands' shapes agree: x (steps, batch, inputs), w (directions, gates * hidden,
        inputs), r (directions, gates * hidden, hidden), bias (directions, 2 * gates * hidden),
        states (directions, batch, hidden), one length for each of the batch.
    C3: `direction` is "forward", "reverse" or "bidirectional", `layout` 0 or 1.
    C4: `activations` are known and as many as the cell has functions in all directions.
    C5: `clip` is not negative.
    """

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    r = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    sequence_lens = opt_operand_def(TensorConstraint)
    initial_h = opt_operand_def(TensorConstraint)
    y = result_def(TensorConstraint)
    y_h = result_def(TensorConstraint)
    direction = string_property("forward")
    activations = opt_prop_def(ArrayAttr[StringAttr])
    activation_alpha = opt_prop_def(ConstantConstraint)
    activation_beta = opt_prop_def(ConstantConstraint)
    clip = opt_prop_def(FloatAttr.constr(EqAttrConstraint(f32)))
    layout = int_property(0)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))

    GATES: ClassVar[int]
    """Gates of the cell, each with `hidden` rows of weights."""

    FUNCTIONS: ClassVar[int]
    """Activations of the cell."""

    @property
    def directions(self) -> int:
        """How many directions there are."""
        return 2 if self.direction.data == "bidirectional" else 1

    @property
    def states(self) -> tuple[SSAValue | None, ...]:
        """The initial states."""
        return (self.initial_h,)

    def extents(self) -> tuple[int, int, int, int]:
        """Steps, batch, inputs and hidden elements, as far as they are known."""
        x, w, r = (shape_of(value) for value in (self.x, self.w, self.r))
        steps, batch, inputs = x if x is not None and len(x) == 3 else (DYNAMIC,) * 3
        if self.layout.value.data:
            steps, batch = batch, steps
        if inputs == DYNAMIC and w is not None and len(w) == 3:
            inputs = w[2]
        hidden = r[2] if r is not None and len(r) == 3 else DYNAMIC
        if hidden == DYNAMIC:
            rows = (shape[1] for shape in (w, r) if shape is not None and len(shape) == 3)
            found = next((count for count in rows if count != DYNAMIC), DYNAMIC)
            hidden = DYNAMIC if found == DYNAMIC else found // self.GATES
        return steps, batch, inputs, hidden

    def check(self) -> None:
        numbers = (self.x, self.w, self.r, self.bias, *self._peepholes(), *self.states)
        require_floats(self, "C1", *numbers)
        require_same_element(self, "C1", *numbers)
        lengths = self.sequence_lens
        is_i32 = lengths is None or dtype_of(lengths).name == "int32"
        self.require("C1", is_i32, f"lengths cannot be {None if lengths is None else lengths.type}")
        direction, layout = self.direction.data, self.layout.value.data
        self.require("C3", direction in DIRECTIONS, f'unknown direction "{direction}"')
        self.require("C3", layout in (0, 1), f"layout is 0 or 1, not {layout}")
        names = [item.data for item in self.activations or ()]
        for name in names:
            self.require("C4", name in ACTIVATIONS, f'unknown activation "{name}"')
        wanted = self.FUNCTIONS * self.directions
        self.require("C4", len(names) in (0, wanted), f"{len(names)} activations, needs {wanted}")
        clip = 0.0 if self.clip is None else cast(FloatAttr[Any], self.clip).value.data
        self.require("C5", clip >= 0, f"clip must not be negative, got {clip}")
        self._check_shapes()

    def _check_shapes(self) -> None:
        steps, batch, inputs, hidden = self.extents()
        count = self.directions
        rows = DYNAMIC if hidden == DYNAMIC else hidden * self.GATES
        for name, value, shape in (
            ("x", self.x, self._batched(steps, batch, inputs)),
            ("w", self.w, (count, rows, inputs)),
            ("r", self.r, (count, rows, hidden)),
            ("the bias", self.bias, (count, DYNAMIC if rows == DYNAMIC else 2 * rows)),
            ("lengths", self.sequence_lens, (batch,)),
            *(("a state", state, self._batched(count, batch, hidden)) for state in self.states),
            *(
                ("p", value, (count, DYNAMIC if hidden == DYNAMIC else 3 * hidden))
                for value in self._peepholes()
            ),
        ):
            require_shape(self, "C2", name, value, shape)

    def _peepholes(self) -> tuple[SSAValue | None, ...]:
        return ()

    def _batched(self, first: int, batch: int, last: int) -> Shape:
        return (batch, first, last) if self.layout.value.data else (first, batch, last)

    def infer_types(self) -> Sequence[Attribute]:
        steps, batch, _, hidden = self.extents()
        count, element = self.directions, type_of(self.x).element_type
        if self.layout.value.data:
            y = (batch, steps, count, hidden)
        else:
            y = (steps, count, batch, hidden)
        last = tensor(element, self._batched(count, batch, hidden))
        return [tensor(element, y), *(last for _ in self.states)]

    def flops(self) -> int | None:
        """Two for each weight, step and element of the batch."""
        steps, batch, inputs, hidden = self.extents()
        sizes = (steps, batch, self.directions * self.GATES * hidden, inputs + hidden)
        known = DYNAMIC not in (steps, batch, inputs, hidden)
        return 2 * math.prod(sizes) if known else None


@irdl_op_definition
class LstmOp(RecurrentOp):
    """Long short-term memory: state, last state and last cell; gates input, output, forget, cell.

    ```mlir
    %y, %h, %c = pfrt.lstm %x, %w, %r bias(%b : tensor<1x32xf32>) : tensor<?x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<?x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
    ```
    The functions are those of the gates, the cell's input and its output. `p` weighs the cell on
    its way to the gates input, output and forget. With `input_forget` forget is 1 - input.

    C1: all operands hold floats of one type, but for the lengths, which are i32.
    C2: the operands' shapes agree.
    C3: `direction` is "forward", "reverse" or "bidirectional", `layout` 0 or 1.
    C4: `activations` are known, three a direction.
    C5: `clip` is not negative.
    """

    name = "pfrt.lstm"

    # Declared again to come first: inherited operands and results come after an op's own.
    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    r = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    sequence_lens = opt_operand_def(TensorConstraint)
    initial_h = opt_operand_def(TensorConstraint)
    initial_c = opt_operand_def(TensorConstraint)
    p = opt_operand_def(TensorConstraint)
    input_forget = flag_property(False)
    y = result_def(TensorConstraint)
    y_h = result_def(TensorConstraint)
    y_c = result_def(TensorConstraint)

    assembly_format = (
        f"{_COMMON_FORMAT} (`initial_c` `(` $initial_c^ `:` type($initial_c) `)`)?"
        f" (`peepholes` `(` $p^ `:` type($p) `)`)?{_TYPES}type($y) `,` type($y_h) `,` type($y_c)"
    )

    GATES: ClassVar[int] = 4
    FUNCTIONS: ClassVar[int] = 3

    @property
    def states(self) -> tuple[SSAValue | None, ...]:
        return (self.initial_h, self.initial_c)

    def _peepholes(self) -> tuple[SSAValue | None, ...]:
        return (self.p,)


@irdl_op_definition
class GruOp(RecurrentOp):
    """Gated recurrent unit: state and last state; gates update, reset, hidden.

    ```mlir
    %y, %h = pfrt.gru %x, %w, %r {linear_before_reset = true} : tensor<?x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<?x1x2x4xf32>, tensor<1x2x4xf32>
    ```
    The functions are those of update and reset, and of hidden. With `linear_before_reset` the state
    is reset after it is multiplied by its weights.

    C1: all operands hold floats of one type, but for the lengths, which are i32.
    C2: the operands' shapes agree.
    C3: `direction` is "forward", "reverse" or "bidirectional", `layout` 0 or 1.
    C4: `activations` are known, two a direction.
    C5: `clip` is not negative.
    """

    name = "pfrt.gru"

    linear_before_reset = flag_property(False)

    assembly_format = f"{_COMMON_FORMAT}{_TYPES}type($y) `,` type($y_h)"

    GATES: ClassVar[int] = 3
    FUNCTIONS: ClassVar[int] = 2


@irdl_op_definition
class RnnOp(RecurrentOp):
    """Elman's network: state and last state; one gate.

    ```mlir
    %y, %h = pfrt.rnn %x, %w, %r {direction = "reverse"} : tensor<?x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<?x1x2x4xf32>, tensor<1x2x4xf32>
    ```
    C1: all operands hold floats of one type, but for the lengths, which are i32.
    C2: the operands' shapes agree.
    C3: `direction` is "forward", "reverse" or "bidirectional", `layout` 0 or 1.
    C4: `activations` are known, one a direction.
    C5: `clip` is not negative.
    """

    name = "pfrt.rnn"

    assembly_format = f"{_COMMON_FORMAT}{_TYPES}type($y) `,` type($y_h)"

    GATES: ClassVar[int] = 1
    FUNCTIONS: ClassVar[int] = 1


OPS: tuple[type[PfrtOp], ...] = (LstmOp, GruOp, RnnOp)
