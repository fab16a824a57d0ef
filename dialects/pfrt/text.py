"""Ops on texts: cleaned, joined, taken apart, matched, and counted as n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, StringAttr, f32, i1, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import STRINGS, BinaryOp
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    ints,
    required_ints_property,
    string_property,
)
from pyflame_rt.dialects.pfrt.containers import StringType
from pyflame_rt.dialects.pfrt.rows import array_of, array_property, optional_array_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, is_string, shape_of, tensor
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.kernels.text import compiled, gram_number

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


def require_strings(op: PfrtOp, constraint: str, value: SSAValue) -> None:
    """Require that a value holds texts."""
    op.require(constraint, is_string(value.type), f"needs strings, got {value.type}")


@irdl_op_definition
class StringNormalizerOp(PfrtOp):
    """The texts that are no stopwords, in upper or lower case or as they are; "" if none is left.

    ```mlir
    %0 = pfrt.string_normalizer %x {case_change_action = "LOWER", stopwords = ["the", "a"]} : tensor<3x!pfrt.string> -> tensor<?x!pfrt.string>
    ```
    Case is Unicode's, in no language in particular.

    C1: the operand is a vector of strings, or a matrix of one row.
    C2: `case_change_action` is "LOWER", "UPPER" or "NONE".
    """

    name = "pfrt.string_normalizer"

    operand = operand_def(TensorConstraint)
    case_change_action = string_property("NONE")
    is_case_sensitive = flag_property(False)
    stopwords = prop_def(ArrayAttr[StringAttr], default_value=ArrayAttr[StringAttr]([]))
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        require_strings(self, "C1", self.operand)
        shape, action = shape_of(self.operand), self.case_change_action.data
        if shape is not None:
            is_row = len(shape) == 1 or (len(shape) == 2 and shape[0] in (1, DYNAMIC))
            self.require("C1", is_row, f"needs a vector or one row, got {self.operand.type}")
        known = action in ("LOWER", "UPPER", "NONE")
        self.require("C2", known, f'there is no change of case "{action}"')

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return None if shape is None else (DYNAMIC,) if len(shape) == 1 else (1, DYNAMIC)


@irdl_op_definition
class StringSplitOp(PfrtOp):
    """The parts of each text between delimiters, "" where others have more, and their number.

    ```mlir
    %parts, %count = pfrt.string_split %x {delimiter = ",", maxsplit = 1 : i64} : tensor<3x!pfrt.string> -> tensor<3x?x!pfrt.string>, tensor<3xi64>
    ```
    Delimiters side by side have "" between them. Without a delimiter the parts are what stands
    between white space. After `maxsplit` parts the rest is one; a negative number is no limit.

    C1: the operand holds strings.
    """

    name = "pfrt.string_split"

    operand = operand_def(TensorConstraint)
    delimiter = string_property("")
    maxsplit = opt_prop_def(IntegerAttr.constr(i64))
    parts = result_def(TensorConstraint)
    counts = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict"
        " `:` type($operand) `->` type($parts) `,` type($counts)"
    )

    def check(self) -> None:
        require_strings(self, "C1", self.operand)

    def infer_types(self) -> Sequence[Attribute]:
        shape = shape_of(self.operand)
        parts = None if shape is None else (*shape, DYNAMIC)
        return [tensor(StringType(), parts), tensor(i64, shape)]


@irdl_op_definition
class StringConcatOp(BinaryOp):
    """Each text of a followed by that of b.

    ```mlir
    %0 = pfrt.string_concat %a, %b : (tensor<2x8x!pfrt.string>, tensor<8x!pfrt.string>) -> tensor<2x8x!pfrt.string>
    ```
    C1: both operands hold strings.
    C2: the shapes broadcast.
    """

    name = "pfrt.string_concat"

    ALLOWED: ClassVar[frozenset[str]] = STRINGS


@irdl_op_definition
class RegexFullMatchOp(PfrtOp):
    """Whether each text as a whole is of a pattern.

    ```mlir
    %0 = pfrt.regex_full_match %x {pattern = "[a-z]+(@example)?"} : tensor<4x!pfrt.string> -> tensor<4xi1>
    ```
    Patterns are in the syntax of RE2, which does the work in time linear in the text, and is only
    needed for that: the extra `text`.

    C1: the operand holds strings.
    C2: the pattern is in the syntax, as far as RE2 is there to tell.
    """

    name = "pfrt.regex_full_match"

    operand = operand_def(TensorConstraint)
    pattern = string_property("")
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        require_strings(self, "C1", self.operand)
        try:
            compiled(self.pattern.data)
        except ValueError as error:
            self.require("C2", False, str(error))
        except PyFlameRTError:
            # A run will say what is missing.
            pass

    def result_dtype(self) -> Attribute:
        return i1

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


@irdl_op_definition
class TfIdfVectorizerOp(PfrtOp):
    """How often each n-gram of a pool is in the operand, or in each of its rows.

    ```mlir
    %0 = pfrt.tf_idf_vectorizer %x {mode = "TF", pool = dense<[2, 3, 2, 3]> : tensor<4xi64>, ngram_counts = array<i64: 0, 2>, ngram_indexes = dense<[0, 1, 2]> : tensor<3xi64>, min_gram_length = 1 : i64, max_gram_length = 2 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<3xf32>
    ```
    The pool holds the items of all 1-grams, then those of 2-grams from `ngram_counts[1]` on, and so
    on; `ngram_indexes` has the place of each n-gram in the result. The items of an n-gram may be up
    to `max_skip_count` apart, which is the same between all of them. "TF" counts; "IDF" has the
    n-gram's weight (1 if absent) where it occurs at all, and "TFIDF" the product of both.

    C1: the operand is a vector or a matrix of what the pool holds: strings, or i64 (then also i32).
    C2: `mode` is "TF", "IDF" or "TFIDF".
    C3: gram lengths are 1 or more, the least not above the most; `max_skip_count` is not negative.
    C4: `ngram_counts` are ascending places in the pool, with whole n-grams between them.
    C5: each n-gram has an index, which is not negative, and one f32 weight if there are any.
    """

    name = "pfrt.tf_idf_vectorizer"

    operand = operand_def(TensorConstraint)
    pool = array_property()
    ngram_indexes = array_property()
    ngram_counts = required_ints_property()
    mode = string_property("TF")
    min_gram_length = int_property()
    max_gram_length = int_property()
    max_skip_count = int_property()
    weights = optional_array_property()
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, kind, mode = shape_of(self.operand), self.operand.type, self.mode.data
        rows = shape is None or len(shape) in (1, 2)
        self.require("C1", rows, f"needs a vector or a matrix, got {kind}")
        self.require("C2", mode in ("TF", "IDF", "TFIDF"), f'there is no mode "{mode}"')
        least, most, skips = (
            attr.value.data
            for attr in (self.min_gram_length, self.max_gram_length, self.max_skip_count)
        )
        text = f"n-grams of {least} to {most} items, {skips} skipped"
        self.require("C3", 1 <= least <= most and skips >= 0, f"there are no {text}")
        if (pool := array_of(self, "pool")) is None:
            return
        held = {"object": {"object"}, "int64": {"int64", "int32"}}.get(pool.dtype.name, set[str]())
        fits = pool.ndim == 1 and dtype_of(self.operand).name in held
        self.require("C1", fits, f"a pool of {pool.dtype} for {kind}")
        try:
            number = gram_number(pool.size, ints(self.ngram_counts))
        except ValueError as error:
            self.require("C4", False, str(error))
        else:
            self._check_indexes(number)

    def _check_indexes(self, number: int) -> None:
        places, weights = array_of(self, "ngram_indexes"), array_of(self, "weights")
        if places is not None:
            fits = places.ndim == 1 and places.dtype.name == "int64" and places.size >= number
            fits = fits and places.min(initial=0) >= 0
            self.require("C5", bool(fits), f"{places.size} places for {number} n-grams")
        if weights is not None:
            fits = weights.ndim == 1 and weights.dtype.name == "float32" and weights.size >= number
            self.require("C5", fits, f"{weights.size} weights for {number} n-grams")

    def infer_types(self) -> Sequence[Attribute]:
        shape, places = shape_of(self.operand), array_of(self, "ngram_indexes")
        if shape is None:
            return [tensor(f32, None)]
        width = DYNAMIC if places is None else int(places.max(initial=-1)) + 1
        return [tensor(f32, (*shape[:-1], width))]


OPS: tuple[type[PfrtOp], ...] = (
    StringNormalizerOp,
    StringSplitOp,
    StringConcatOp,
    RegexFullMatchOp,
    TfIdfVectorizerOp,
)
"""The ops of this family."""
