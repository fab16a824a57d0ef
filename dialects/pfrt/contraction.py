"""Contractions: matrix products, batched and scaled; `einsum.py` has the general ones."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, Operation
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, broadcast, elements
from pyflame_rt.dialects.pfrt.constraints import (
    broadcasts_to,
    flag_property,
    float_property,
    require_numbers,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.einsum import EinsumOp
from pyflame_rt.dialects.pfrt.epilogue import EpilogueOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of


def agree(left: int, right: int) -> bool:
    """Whether two dimensions can be equal: `?` can equal any."""
    return left == right or DYNAMIC in (left, right)


@irdl_op_definition
class MatmulOp(EpilogueOp):
    """Matrix product of the last two dimensions; the others broadcast. Plus a bias a column.

    A vector on the left is a row, on the right a column, and its dimension does not appear in the
    result: two vectors give a scalar.

    ```mlir
    %y = pfrt.matmul %a, %b : tensor<8x4x16xf32>, tensor<16x32xf32> -> tensor<8x4x32xf32>
    ```
    C1: both operands hold numbers of one type.
    C2: neither operand is a scalar.
    C3: the contracted dimensions, the left's last and the right's last but one, are equal.
    C4: the bias is a vector with an element for each column of the right, which is no vector.
    C5: the residual, which is added to the sum, has the result's type.
    C6: the activation is an elementwise op of one operand.
    """

    name = "pfrt.matmul"

    lhs = operand_def(TensorConstraint)
    rhs = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$lhs `,` $rhs (`bias` $bias^)? (`plus` $residual^)? custom<ValueNames>($names) attr-dict "
        "`:` type($lhs) `,` type($rhs) (`bias` type($bias)^)? (`plus` type($residual)^)? "
        "`->` type($result)"
    )

    def check(self) -> None:
        lhs, rhs = self.operands[:2]
        require_numbers(self, "C1", lhs, rhs)
        require_same_element(self, "C1", *self.operands)
        self.check_activation("C6")
        require_rank(self, "C2", lhs, 1)
        require_rank(self, "C2", rhs, 1)
        left, right = shape_of(lhs), shape_of(rhs)
        if left and right:
            inner = right[-2:][0]
            self.require(
                "C3", agree(left[-1], inner), f"contracts {left[-1]} with {inner} elements"
            )
        if self.bias is not None:
            self.require("C4", right is None or len(right) > 1, "a bias needs columns")
            columns = right[-1] if right else DYNAMIC
            require_shape(self, "C4", "the bias", self.bias, (columns,))
        self.check_residual("C5")

    def result_shape(self) -> Shape | None:
        left, right = map(shape_of, self.operands[:2])
        if not left or not right:
            return None
        rows = left[-2:-1]
        columns = right[-1:] if len(right) > 1 else ()
        return (*broadcast(left[:-2], right[:-2]), *rows, *columns)

    def flops(self) -> int | None:
        """Two for each element of the result and of the contracted dimension."""
        left, right = shape_of(self.lhs), shape_of(self.rhs)
        count = elements(self.result)
        if count is None or not left or not right:
            return None
        depth = left[-1] if left[-1] != DYNAMIC else right[-2:][0]
        if depth == DYNAMIC:
            return None
        return 2 * count * depth + (0 if self.bias is None else count) + self.extra_flops()


class GemmWithoutAddend(RewritePattern):
    """gemm(a, b, c) {beta = 0} -> gemm(a, b)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, GemmOp) or op.c is None or op.beta.value.data != 0:
            return
        dropped = ("beta", "operandSegmentSizes")
        new = GemmOp.build(
            operands=[op.a, op.b, [], [] if op.residual is None else [op.residual]],
            properties={name: attr for name, attr in op.properties.items() if name not in dropped},
            result_types=op.result_types,
        )
        new.location = op.location
        rewriter.replace(op, new)


@irdl_op_definition
class GemmOp(EpilogueOp):
    """alpha * a' b' + beta * c, where a' and b' are the matrices or their transposes.

    ```mlir
    %y = pfrt.gemm %x, %w, %b {trans_b = true} : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    ```
    C1: all operands hold numbers of one type.
    C2: a and b are matrices.
    C3: the contracted dimensions are equal.
    C4: c broadcasts to the product.
    C5: the residual, which is added to the sum, has the result's type.
    C6: the activation is an elementwise op of one operand.
    """

    name = "pfrt.gemm"

    a = operand_def(TensorConstraint)
    b = operand_def(TensorConstraint)
    c = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    alpha = float_property(1.0)
    beta = float_property(1.0)
    trans_a = flag_property(False)
    trans_b = flag_property(False)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$a `,` $b (`,` $c^)? (`plus` $residual^)? custom<ValueNames>($names) attr-dict "
        "`:` `(` type($a) `,` type($b) (`,` type($c)^)? `)` (`plus` type($residual)^)? "
        "`->` type($result)"
    )

    def extents(self) -> tuple[int, int, int, int]:
        """Rows and depth of a', depth and columns of b', as far as they are known."""
        a, b = (shape_of(value) or (DYNAMIC, DYNAMIC) for value in (self.a, self.b))
        rows, depth = reversed(a) if self.trans_a else a
        other, columns = reversed(b) if self.trans_b else b
        return rows, depth, other, columns

    def check(self) -> None:
        require_numbers(self, "C1", self.a, self.b, self.c)
        require_same_element(self, "C1", self.a, self.b, self.c, self.residual)
        self.check_activation("C6")
        for value in (self.a, self.b):
            shape = shape_of(value)
            self.require(
                "C2", shape is None or len(shape) == 2, f"needs matrices, got {value.type}"
            )
        rows, depth, other, columns = self.extents()
        self.require("C3", agree(depth, other), f"contracts {depth} with {other} elements")
        self.require(
            "C4",
            broadcasts_to(self.c, (rows, columns)),
            f"an addend {None if self.c is None else self.c.type} does not broadcast to the product",
        )
        self.check_residual("C5")

    def infer_types(self) -> Sequence[Attribute]:
        rows, _, _, columns = self.extents()
        return [tensor(type_of(self.a).element_type, (rows, columns))]

    def flops(self) -> int | None:
        """Two for each element of the result and of the contracted dimension, one for c's."""
        _, depth, other, _ = self.extents()
        count = elements(self.result)
        depth = other if depth == DYNAMIC else depth
        if count is None or depth == DYNAMIC:
            return None
        return 2 * count * depth + (0 if self.c is None else count) + self.extra_flops()

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), GemmWithoutAddend())


OPS: tuple[type[PfrtOp], ...] = (EinsumOp, GemmOp, MatmulOp)
