"""Linear models and support vector machines. Coefficients are lists of numbers, row after row."""

from __future__ import annotations

import math
from abc import ABC

from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.base import TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    float_property,
    int_property,
    ints,
    ints_property,
    string_property,
)
from pyflame_rt.dialects.pfrt.rows import (
    UNARY_FORMAT,
    ClassifierOp,
    RegressorOp,
    RowsOp,
    array_of,
    array_property,
    optional_array_property,
    rows_and_features,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.kernels.linear_models import KERNELS


class ModelOp(RowsOp, ABC):
    """An op with coefficients for what a sample has."""

    operand = operand_def(TensorConstraint)
    coefficients = array_property()
    post_transform = string_property("NONE")

    def numbers(self, name: str) -> int | None:
        """How many numbers a property has; None when it is absent or not at hand."""
        array = array_of(self, name)
        return None if array is None else array.size

    def fits(self, name: str, width: int) -> bool:
        """Whether a property can be that many rows of a number for each feature."""
        count, (_, features) = self.numbers(name), rows_and_features(self.operand)
        if count is None:
            return True
        return count == width * features if features != DYNAMIC else count % max(width, 1) == 0

    def flops(self) -> int | None:
        """A multiply-add for each coefficient and support vector of a sample."""
        vectors = self.numbers("support_vectors") if hasattr(self, "support_vectors") else 0
        count, own = elements(self.operand), self.numbers("coefficients")
        samples, features = rows_and_features(self.operand)
        if count is None or own is None or DYNAMIC in (samples, features):
            return None
        return 2 * samples * (own + (vectors or 0))


@irdl_op_definition
class LinearRegressorOp(ModelOp, RegressorOp):
    """Features times coefficients plus an intercept, for each target.

    ```mlir
    %0 = pfrt.linear_regressor %x {coefficients = dense<[0.5, -1.0]> : tensor<2xf32>, targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    ```
    C1: x is samples by features, or one sample, in floats.
    C2: `coefficients` has a number for each of the `targets` and each feature.
    C3: there are no `intercepts`, or one for each target.
    C4: `post_transform` exists.
    """

    name = "pfrt.linear_regressor"

    operand = operand_def(TensorConstraint)
    intercepts = optional_array_property()
    targets = int_property(1)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        super().check()
        count = self.targets.value.data
        self.require_vector("C2", "coefficients", "f", None)
        fits = count > 0 and self.fits("coefficients", count)
        self.require("C2", fits, f"coefficients do not fit {count} targets of {self.operand.type}")
        self.require_vector("C3", "intercepts", "f", count)
        self.require_transform("C4")

    def columns(self) -> int:
        return self.targets.value.data


@irdl_op_definition
class LinearClassifierOp(ModelOp, ClassifierOp):
    """The position of the class with the highest linear score, and the scores of the classes.

    ```mlir
    %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[0.5, -1.0]> : tensor<2xf32>, classes = 2 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
    ```
    Two classes may have the coefficients of one score: the second class' where it is positive.

    C1: x is samples by features, or one sample, in floats.
    C2: `coefficients` has a number for each class and each feature, or each feature if there are
        two classes.
    C3: there are no `intercepts`, or one for each score.
    C4: `post_transform` exists.
    C5: there are classes.
    """

    name = "pfrt.linear_classifier"

    operand = operand_def(TensorConstraint)
    intercepts = optional_array_property()
    classes = int_property()
    chosen = result_def(TensorConstraint)
    scores = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        super().check()
        count = self.classes.value.data
        self.require("C5", count > 0, f"there are {count} classes")
        self.require_vector("C2", "coefficients", "f", None)
        one = count == 2 and self.fits("coefficients", 1)
        fits = one or self.fits("coefficients", count)
        self.require("C2", fits, f"coefficients do not fit {count} classes of {self.operand.type}")
        given = self.numbers("intercepts")
        self.require_vector("C3", "intercepts", "f", 1 if one and given == 1 else count)
        self.require_transform("C4")

    def columns(self) -> int:
        return self.classes.value.data


class VectorMachineOp(ModelOp, ABC):
    """An op that compares samples with support vectors."""

    operand = operand_def(TensorConstraint)
    support_vectors = optional_array_property()
    kernel_type = string_property("LINEAR")
    gamma = float_property(0.0)
    coef0 = float_property(0.0)
    degree = float_property(0.0)

    def check(self) -> None:
        super().check()
        kernel = self.kernel_type.data
        self.require("C5", kernel in KERNELS, f'there is no kernel "{kernel}"')
        self.require_transform("C4")
        self.require_vector("C2", "coefficients", "f", None)
        self.require_vector("C3", "support_vectors", "f", None)


@irdl_op_definition
class SvmRegressorOp(VectorMachineOp, RegressorOp):
    """The likenesses to support vectors times coefficients, plus rho.

    ```mlir
    %0 = pfrt.svm_regressor %x {coefficients = dense<[0.5, -1.0]> : tensor<2xf32>, support_vectors = dense<[1.0, 0.0, 2.0, 3.0]> : tensor<4xf32>, kernel_type = "RBF", gamma = 5.000000e-01 : f32} : (tensor<?x2xf32>) -> tensor<?x1xf32>
    ```
    Without support vectors coefficients are for features. With `one_class` the result is 1 where
    it is positive, else -1.

    C1: x is samples by features, or one sample, in floats.
    C2: there is a coefficient for each support vector, or for each feature without those.
    C3: `support_vectors` has a number for each coefficient and feature.
    C4: `post_transform` exists.
    C5: `kernel_type` is "LINEAR", "POLY", "RBF" or "SIGMOID".
    """

    name = "pfrt.svm_regressor"

    operand = operand_def(TensorConstraint)
    rho = float_property(0.0)
    one_class = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        super().check()
        kind, count = self.operand.type, self.numbers("coefficients")
        self.require("C2", count != 0, "there are no coefficients")
        if self.support_vectors is None:
            fits = self.fits("coefficients", 1)
            self.require("C2", fits, f"{count} coefficients do not fit {kind}")
        elif count is not None:
            fits = self.fits("support_vectors", count)
            self.require("C3", fits, f"support vectors do not fit {count} coefficients for {kind}")

    def columns(self) -> int:
        return 1


@irdl_op_definition
class SvmClassifierOp(VectorMachineOp, ClassifierOp):
    """The position of the class that wins most pairs of classes, and scores.

    ```mlir
    %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[0.5, -1.0]> : tensor<2xf32>, rho = dense<0.25> : tensor<1xf32>, support_vectors = dense<[1.0, 0.0, 2.0, 3.0]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>, kernel_type = "RBF", gamma = 5.000000e-01 : f32} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
    ```
    The scores are those of the pairs, for two classes those of both. With `prob_a` and `prob_b`
    they are the probabilities of classes. Without support vectors each class has a linear score.

    C1: x is samples by features, or one sample, in floats.
    C2: there is a coefficient for each support vector and each class but one, or for each class and
        feature without those.
    C3: `support_vectors` has as many rows of a number for each feature as `vectors_per_class` says,
        of two classes at least.
    C4: `post_transform` exists.
    C5: `kernel_type` is "LINEAR", "POLY", "RBF" or "SIGMOID".
    C6: `rho` and, if any, `prob_a` and `prob_b` have a number for each pair of classes; `rho` one
        without support vectors.
    C7: there are classes.
    """

    name = "pfrt.svm_classifier"

    operand = operand_def(TensorConstraint)
    classes = int_property()
    rho = array_property()
    vectors_per_class = ints_property()
    prob_a = optional_array_property()
    prob_b = optional_array_property()
    chosen = result_def(TensorConstraint)
    scores = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        super().check()
        kind, classes = self.operand.type, self.classes.value.data
        self.require("C7", classes > 0, f"there are {classes} classes")
        both = (self.prob_a is None) == (self.prob_b is None)
        self.require("C6", both, "prob_a and prob_b go together")
        count, counts = self.numbers("coefficients"), ints(self.vectors_per_class)
        if self.support_vectors is None:
            fits = self.fits("coefficients", classes)
            self.require("C2", fits, f"{count} coefficients do not fit {classes} classes of {kind}")
            self.require_vector("C6", "rho", "f", 1)
            return
        enough = classes > 1 and len(counts) == classes and min(counts) >= 0 and sum(counts) > 0
        fits = enough and self.fits("support_vectors", sum(counts))
        self.require("C3", fits, f"support vectors of {list(counts)} do not fit {kind}")
        fits = count in (None, (classes - 1) * sum(counts))
        self.require("C2", fits, f"{count} coefficients do not fit {sum(counts)} support vectors")
        for name in ("rho", "prob_a", "prob_b"):
            self.require_vector("C6", name, "f", math.comb(classes, 2))

    def columns(self) -> int:
        classes = self.classes.value.data
        pairs = self.support_vectors is not None and self.prob_a is None
        return math.comb(classes, 2) if pairs and classes > 2 else classes


OPS: tuple[type[ModelOp], ...] = (
    LinearClassifierOp,
    LinearRegressorOp,
    SvmClassifierOp,
    SvmRegressorOp,
)
"""The ops of this family."""
