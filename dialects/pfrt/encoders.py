"""Values looked up among known ones: labels for labels, places of categories."""

from __future__ import annotations

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.activation import UNARY_FORMAT
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import flag_property
from pyflame_rt.dialects.pfrt.rows import array_of, array_property
from pyflame_rt.dialects.pfrt.types import (
    dtype_of,
    element_type,
    shape_of,
    type_of,
)

_CATEGORIES = frozenset({"int32", "int64", "float32", "float64", "object"})


@irdl_op_definition
class LabelEncoderOp(PfrtOp):
    """The value beside the key that an element is, else the default.

    ```mlir
    %0 = pfrt.label_encoder %x {keys = dense<[1, 3]> : tensor<2xi64>, values = #pfrt.strings<[2], ["one", "three"]>, default = #pfrt.strings<[1], ["?"]>} : tensor<?xi64> -> tensor<?x!pfrt.string>
    ```
    NaN is every NaN. Of several equal keys the last counts.

    C1: `keys` and `values` are vectors of one length, `default` is one value.
    C2: the keys hold the type of x, the default that of the values.
    """

    name = "pfrt.label_encoder"

    operand = operand_def(TensorConstraint)
    keys = array_property()
    values = array_property()
    default = array_property()
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        keys, values, default = (array_of(self, n) for n in ("keys", "values", "default"))
        if keys is None or values is None or default is None:
            return
        fits = keys.ndim == values.ndim == 1 and keys.size == values.size and default.size == 1
        sizes = f"{keys.size} keys, {values.size} values, {default.size} defaults"
        self.require("C1", fits, f"needs a value for each key and one default, got {sizes}")
        fits = keys.dtype == dtype_of(self.operand)
        self.require("C2", fits, f"keys of {keys.dtype} for {self.operand.type}")
        fits = values.dtype == default.dtype
        self.require("C2", fits, f"a default of {default.dtype} for values of {values.dtype}")

    def result_dtype(self) -> Attribute:
        # The text of a weight does not say of what type it is; the declared result does.
        if (values := array_of(self, "values")) is None:
            return type_of(self.result).element_type
        return element_type(values.dtype)

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


@irdl_op_definition
class OneHotEncoderOp(PfrtOp):
    """1 at the place of the category that an element is, 0 at those of the others.

    ```mlir
    %0 = pfrt.one_hot_encoder %x {cats = dense<[1, 3, 7]> : tensor<3xi64>} : tensor<?x2xi64> -> tensor<?x2x3xf32>
    ```
    Numbers are cut to integers. Where an element is no category, all are 0 with `zeros`; without,
    that is an error.

    C1: `cats` is a vector: of strings for those, of i64 for numbers.
    """

    name = "pfrt.one_hot_encoder"

    operand = operand_def(TensorConstraint)
    cats = array_property()
    zeros = flag_property(True)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        cats, name = array_of(self, "cats"), dtype_of(self.operand).name
        self.require("C1", name in _CATEGORIES, f"{self.operand.type} holds no categories")
        if cats is None:
            return
        fits = cats.ndim == 1 and cats.dtype.name == ("object" if name == "object" else "int64")
        self.require("C1", fits, f"categories of {cats.dtype} for {self.operand.type}")

    def result_dtype(self) -> Attribute:
        return f32

    def result_shape(self) -> Shape | None:
        shape, cats = shape_of(self.operand), array_of(self, "cats")
        if shape is None or cats is None:
            return None
        return (*shape, cats.size)


OPS: tuple[type[PfrtOp], ...] = (LabelEncoderOp, OneHotEncoderOp)
"""The ops of this module, which belong to the family `features`."""
