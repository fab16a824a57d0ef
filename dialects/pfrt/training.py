"""Training: one step of an optimizer on several tensors at once."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self, cast

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, var_operand_def, var_result_def

from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import float_property, string_property
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of

RATES = frozenset({"float32", "float64"})


class OptimizerOp(PfrtOp, ABC):
    """The learning rate, how many steps there were, and all x, all their gradients, all that is
    kept of earlier ones; results are the new x and what is kept of this one."""

    rate = operand_def(TensorConstraint)
    count = operand_def(TensorConstraint)
    tensors = var_operand_def(TensorConstraint)
    updated = var_result_def(TensorConstraint)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    KINDS: ClassVar[int]
    """How many tensors are given for each x, itself included."""
    RENEWED: ClassVar[tuple[int, ...]]
    """Which of them are results."""
    FLOPS_PER_ELEMENT: ClassVar[int]

    @classmethod
    def _with_placeholders(
        cls,
        operands: Sequence[OperandArg],
        properties: Mapping[str, Attribute],
        placeholder: Attribute,
        names: Sequence[str] | None,
    ) -> Self:
        """As many results as the tensors say."""
        given = len(cast(Sequence[SSAValue], operands[2]))
        results = [[placeholder] * (given // cls.KINDS * len(cls.RENEWED))]
        return cls.build(operands=operands, properties=properties, result_types=results)

    def check(self) -> None:
        for value, allowed in ((self.rate, RATES), (self.count, {"int64"})):
            is_one = shape_of(value) in (None, (), (1,), (DYNAMIC,))
            fits = is_one and dtype_of(value).name in allowed
            self.require("C1", fits, f"needs one {' or '.join(sorted(allowed))}, got {value.type}")
        given, kinds = len(self.tensors), self.KINDS
        suits = given > 0 and given % kinds == 0
        self.require("C2", suits, f"{given} tensors are not {kinds} for each that is optimized")
        wanted = given // kinds * len(self.RENEWED)
        self.require("C3", len(self.updated) == wanted, f"needs {wanted} results")
        for kind in self._types():
            self.require("C4", kind is not None, "what belongs to one tensor has other types")
        for value in self.tensors:
            holds = dtype_of(value).name in RATES
            self.require("C4", holds, f"tensors are of f32 or f64, got {value.type}")

    def _types(self) -> list[Attribute | None]:
        """What is known of the type of each x; None where its tensors contradict each other."""
        size = len(self.tensors) // self.KINDS
        found: list[Attribute | None] = []
        for index in range(size):
            kind: Attribute | None = self.tensors[index].type
            for other in self.tensors[index + size :: size]:
                kind = None if kind is None else merge(kind, other.type)
            found.append(kind)
        return found

    def infer_types(self) -> Sequence[Attribute]:
        # Dimensions that became known since the op was verified may contradict each other.
        self.check()
        return [kind for kind in self._types() if kind is not None] * len(self.RENEWED)

    def flops(self) -> int | None:
        """A fixed number for each element that is optimized."""
        total = 0
        for value in self.tensors[: len(self.tensors) // self.KINDS]:
            if (count := elements(value)) is None:
                return None
            total += count
        return total * self.FLOPS_PER_ELEMENT


@irdl_op_definition
class AdagradOp(OptimizerOp):
    """One step of Adagrad: x - r * g / (sqrt(h') + epsilon) for g = gradient + norm_coefficient *
    x, h' = h + g * g, r = rate / (1 + count * decay_factor); and h'.

    ```mlir
    %0, %1 = pfrt.adagrad %r, %t, %x, %g, %h : (tensor<f32>, tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    ```
    C1: the rate is one f32 or f64, the count one i64.
    C2: the tensors are all x, then all gradients, then all h.
    C3: the results are all new x, then all new h.
    C4: what belongs to one x has its type, of f32 or f64.
    """

    name = "pfrt.adagrad"

    decay_factor = float_property(0.0)
    epsilon = float_property(1e-6)
    norm_coefficient = float_property(0.0)

    KINDS: ClassVar[int] = 3
    RENEWED: ClassVar[tuple[int, ...]] = (0, 2)
    FLOPS_PER_ELEMENT: ClassVar[int] = 9


@irdl_op_definition
class AdamOp(OptimizerOp):
    """One step of Adam: (1 - norm_coefficient_post) * (x - r * v' / (sqrt(h') + epsilon)) for
    g = gradient + norm_coefficient * x, v' = alpha * v + (1 - alpha) * g, h' = beta * h +
    (1 - beta) * g * g, r = rate * sqrt(1 - beta^count) / (1 - alpha^count) after the first step,
    rate in it; and v' and h'.

    ```mlir
    %0, %1, %2 = pfrt.adam %r, %t, %x, %g, %v, %h : (tensor<f32>, tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
    ```
    C1: the rate is one f32 or f64, the count one i64.
    C2: the tensors are all x, then all gradients, then all v, then all h.
    C3: the results are all new x, then all new v, then all new h.
    C4: what belongs to one x has its type, of f32 or f64.
    """

    name = "pfrt.adam"

    alpha = float_property(0.9)
    beta = float_property(0.999)
    epsilon = float_property(1e-6)
    norm_coefficient = float_property(0.0)
    norm_coefficient_post = float_property(0.0)

    KINDS: ClassVar[int] = 4
    RENEWED: ClassVar[tuple[int, ...]] = (0, 2, 3)
    FLOPS_PER_ELEMENT: ClassVar[int] = 15


@irdl_op_definition
class MomentumOp(OptimizerOp):
    """One step along the momentum: x - rate * v' for g = gradient + norm_coefficient * x,
    v' = alpha * v + b * g, b = beta after the first step and 1 in it; and v'. If `mode` is
    "nesterov", x - rate * (g + alpha * v').

    ```mlir
    %0, %1 = pfrt.momentum %r, %t, %x, %g, %v {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    ```
    C1: the rate is one f32 or f64, the count one i64.
    C2: the tensors are all x, then all gradients, then all v.
    C3: the results are all new x, then all new v.
    C4: what belongs to one x has its type, of f32 or f64.
    C5: `mode` is "standard" or "nesterov".
    """

    name = "pfrt.momentum"

    alpha = float_property()
    beta = float_property()
    mode = string_property("standard")
    norm_coefficient = float_property()

    KINDS: ClassVar[int] = 3
    RENEWED: ClassVar[tuple[int, ...]] = (0, 2)
    FLOPS_PER_ELEMENT: ClassVar[int] = 7

    def check(self) -> None:
        super().check()
        known = self.mode.data in ("standard", "nesterov")
        self.require("C5", known, f'unknown mode "{self.mode.data}"')


OPS: tuple[type[PfrtOp], ...] = (AdagradOp, AdamOp, MomentumOp)
