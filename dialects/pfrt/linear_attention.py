"""Attention with a state of fixed size instead of keys and values that grow."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import (
    float_property,
    int_property,
    require_floats,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.heads import known, packed, product, quotient
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of
from pyflame_rt.kernels.attention import UPDATE_RULES


@irdl_op_definition
class LinearAttentionOp(PfrtOp):
    """scale * q @ state at each step, where each step has written k and v into the state.

    ```mlir
    %y, %s = pfrt.linear_attention %q, %k, %v decay(%g : tensor<2x?x4xf32>) {kv_num_heads = 4 : i64, q_num_heads = 8 : i64, update_rule = "gated"} : tensor<2x?x64xf32>, tensor<2x?x32xf32>, tensor<2x?x64xf32> -> tensor<2x?x128xf32>, tensor<2x4x8x16xf32>
    ```
    q, k and v are (batch, length, heads * size); a head of k and v serves as many consecutive heads
    of q as there are for each. The state is (batch, heads of k, size of k, size of v), 0 at first
    unless `past_state` is given. `update_rule` says how it goes on: plus the outer product of k and
    v ("linear"), after all has been multiplied with exp(decay) ("gated"), of k and
    beta * (v - state^T k) ("delta"), or both ("gated_delta"). `scale` 0 means 1 / sqrt(size of k).
    The second result is the last state, of `past_state`'s type or of q's.

    C1: q, k, v, decay and beta hold floats of one type, the state holds floats.
    C2: the numbers of heads are positive, q's is a multiple of k's, and they divide what they pack.
    C3: the operands' shapes agree; decay has an element for each head or for each of k, beta for
        each head or for all.
    C4: `update_rule` is known; decay is given if it is gated, beta if it has a delta.
    """

    name = "pfrt.linear_attention"

    q = operand_def(TensorConstraint)
    k = operand_def(TensorConstraint)
    v = operand_def(TensorConstraint)
    past_state = opt_operand_def(TensorConstraint)
    decay = opt_operand_def(TensorConstraint)
    beta = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    state = result_def(TensorConstraint)
    kv_num_heads = int_property()
    q_num_heads = int_property()
    scale = float_property(0.0)
    update_rule = string_property("gated_delta")

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$q `,` $k `,` $v (`state` `(` $past_state^ `:` type($past_state) `)`)?"
        " (`decay` `(` $decay^ `:` type($decay) `)`)?"
        " (`beta` `(` $beta^ `:` type($beta) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($q) `,` type($k) `,` type($v) `->`"
        " type($result) `,` type($state)"
    )

    def check(self) -> None:
        numbers = (self.q, self.k, self.v, self.decay, self.beta)
        require_floats(self, "C1", *numbers, self.past_state)
        require_same_element(self, "C1", *numbers)
        rule = self.update_rule.data
        self.require("C4", rule in UPDATE_RULES, f'unknown update_rule "{rule}"')
        for name, value, part in (("decay", self.decay, "gated"), ("beta", self.beta, "delta")):
            wanted = part in rule
            needs = f'"{rule}" needs {name}' if wanted else f'"{rule}" has no {name}'
            self.require("C4", wanted == (value is not None), needs)
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        shares = heads > 0 and kv_heads > 0 and heads % kv_heads == 0
        self.require("C2", shares, f"{heads} heads of q for {kv_heads} of k")
        for value, count in ((self.q, heads), (self.k, kv_heads), (self.v, kv_heads)):
            shape = shape_of(value)
            fits = shape is None or len(shape) != 3 or shape[2] == DYNAMIC or shape[2] % count == 0
            self.require("C2", fits, f"{count} heads do not divide {value.type}")
        self._check_shapes()

    def _check_shapes(self) -> None:
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        batch, length, size, v_size = self.extents()
        for name, value, shape in (
            ("q", self.q, packed((batch, heads, length, size), 3)),
            ("k", self.k, packed((batch, kv_heads, length, size), 3)),
            ("v", self.v, packed((batch, kv_heads, length, v_size), 3)),
            ("past_state", self.past_state, (batch, kv_heads, size, v_size)),
            ("decay", self.decay, (batch, length, DYNAMIC)),
            ("beta", self.beta, (batch, length, DYNAMIC)),
        ):
            require_shape(self, "C3", name, value, shape)
        for name, value, widths in (
            ("decay", self.decay, (kv_heads, product(kv_heads, size))),
            ("beta", self.beta, (kv_heads, 1)),
        ):
            width = _last(value)
            fits = DYNAMIC in (width, *widths) or width in widths
            self.require("C3", fits, f"{name} must have {widths[0]} or {widths[1]} columns")

    def extents(self) -> tuple[int, int, int, int]:
        """Batch, length, and the sizes of a key and of a value, as far as they are known."""
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        shapes = [shape_of(value) for value in (self.q, self.k, self.v)]
        threes = [shape for shape in shapes if shape is not None and len(shape) == 3]
        state = None if self.past_state is None else shape_of(self.past_state)
        if state is None or len(state) != 4:
            state = (DYNAMIC,) * 4
        q, k, v = (_last(value) for value in (self.q, self.k, self.v))
        return (
            known((*(shape[0] for shape in threes), state[0])),
            known(shape[1] for shape in threes),
            known((quotient(q, heads), quotient(k, kv_heads), state[2])),
            known((quotient(v, kv_heads), state[3])),
        )

    def infer_types(self) -> Sequence[Attribute]:
        batch, length, size, v_size = self.extents()
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        element = type_of(self.q).element_type
        kept = element if self.past_state is None else type_of(self.past_state).element_type
        return [
            tensor(element, packed((batch, heads, length, v_size), 3)),
            tensor(kept, (batch, kv_heads, size, v_size)),
        ]

    def flops(self) -> int | None:
        """Two an element of the state to read it, two to write it, two more to correct v and one to
        let it decay, at each step."""
        batch, length, size, v_size = self.extents()
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        steps = product(batch, length, size, v_size)
        if steps == DYNAMIC:
            return None
        writes = 2 + 2 * (self.beta is not None) + (self.decay is not None)
        return steps * (2 * heads + writes * kv_heads)


def _last(value: SSAValue | None) -> int:
    """The last dimension of a value."""
    shape = None if value is None else shape_of(value)
    return shape[-1] if shape else DYNAMIC


OPS: tuple[type[PfrtOp], ...] = (LinearAttentionOp,)
