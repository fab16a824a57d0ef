"""Attention: sequences that look at each other; `linear_attention.py` has the form with a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, cast

from xdsl.dialects.builtin import FloatAttr, UnrankedTensorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    EqAttrConstraint,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    var_result_def,
)

from pyflame_rt.dialects.pfrt import linear_attention
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    float_property,
    int_property,
    require_floats,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.heads import known, packed, product, quotient
from pyflame_rt.dialects.pfrt.scalars import optional_int_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of

_PRECISIONS = ("f16", "bf16", "f32", "f64")


class Extents(NamedTuple):
    """The dimensions of an attention, `DYNAMIC` where not known."""

    batch: int
    heads: int
    kv_heads: int
    queries: int
    keys: int
    past: int
    size: int
    v_size: int

    @property
    def total(self) -> int:
        """Past and present keys."""
        return DYNAMIC if DYNAMIC in (self.past, self.keys) else self.past + self.keys


@irdl_op_definition
class AttentionOp(PfrtOp):
    """softmax(scale * q @ k^T, capped and masked) @ v, for each head of each batch.

    ```mlir
    %y = pfrt.attention %q, %k, %v mask(%m : tensor<4x6xi1>) {is_causal = true} : tensor<2x8x4x16xf32>, tensor<2x2x6x16xf32>, tensor<2x2x6x32xf32> -> tensor<2x8x4x32xf32>
    ```
    q, k and v are (batch, heads, length, size), or (batch, length, heads * size) with the numbers of
    heads given. A head of k and v serves as many consecutive heads of q as there are for each.
    `past_key` and `past_value` go before k and v. `softcap` > 0 makes scores x to
    softcap * tanh(x / softcap).

    Query i stands at i + offset, the offset being the length of the past, or `nonpad_kv_seqlen`, how
    many keys of a batch count, less the number of queries. `is_causal` lets it see no key after
    that place, and the windows, if not -1, none further to either side. A boolean mask says which
    keys are seen, another one is added to the scores; beyond its last dimension none is seen, but
    with `broadcast_mask` a mask of one key is for all. A query that sees nothing gives 0.
    `softmax_precision` is the type the softmax is rounded to, `scale` is 1 / sqrt(size) if absent.

    The first result is (batch, heads, length, size of v), packed like q. With `present` the next
    two are the keys and values, past included, and with `qk_matmul_output_mode` the last one are
    the scores: as multiplied (0), capped (1), masked (2), or after the softmax (3).

    C1: q, k and past_key hold floats of one type, v and past_value too; the mask holds numbers or
        truths, the lengths i64.
    C2: q, k and v have 3 dimensions, with the numbers of heads given, or 4.
    C3: the heads of q are a multiple of those of k, and the numbers of heads divide what they pack.
    C4: the operands' shapes agree.
    C5: past_key and past_value are both there or neither, and nonpad_kv_seqlen only without them.
    C6: the mask broadcasts to (batch, heads, queries, keys), its last dimension may be smaller.
    C7: `softcap` is not negative, windows are at least -1, `qk_matmul_output_mode` is 0 to 3,
        `softmax_precision` is a type of floats.
    C8: there are as many results as the properties say.
    """

    name = "pfrt.attention"

    q = operand_def(TensorConstraint)
    k = operand_def(TensorConstraint)
    v = operand_def(TensorConstraint)
    mask = opt_operand_def(TensorConstraint)
    past_key = opt_operand_def(TensorConstraint)
    past_value = opt_operand_def(TensorConstraint)
    nonpad_kv_seqlen = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    others = var_result_def(TensorConstraint)
    broadcast_mask = flag_property(False)
    is_causal = flag_property(False)
    kv_num_heads = int_property(0)
    left_window_size = int_property(-1)
    present = flag_property(False)
    q_num_heads = int_property(0)
    qk_matmul_output_mode = optional_int_property()
    right_window_size = int_property(-1)
    scale = opt_prop_def(FloatAttr.constr(EqAttrConstraint(f32)))
    softcap = float_property(0.0)
    softmax_precision = opt_prop_def(AnyAttr())

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$q `,` $k `,` $v (`mask` `(` $mask^ `:` type($mask) `)`)?"
        " (`past_key` `(` $past_key^ `:` type($past_key) `)`)?"
        " (`past_value` `(` $past_value^ `:` type($past_value) `)`)?"
        " (`lengths` `(` $nonpad_kv_seqlen^ `:` type($nonpad_kv_seqlen) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($q) `,` type($k) `,` type($v) `->`"
        " type($result) (`,` type($others)^)?"
    )

    @classmethod
    def _with_placeholders(
        cls,
        operands: Sequence[OperandArg],
        properties: Mapping[str, Attribute],
        placeholder: Attribute,
        names: Sequence[str] | None,
    ) -> Self:
        """As many results as the properties say."""
        op = cls.build(operands=operands, properties=properties, result_types=[placeholder, []])
        op.drop_all_references()
        more = [placeholder] * (op.result_count() - 1)
        return cls.build(operands=operands, properties=properties, result_types=[placeholder, more])

    def result_count(self) -> int:
        """How many results the properties ask for."""
        count = 3 if self.present.value.data else 1
        return count if self.qk_matmul_output_mode is None else count + 1

    def check(self) -> None:
        self._check_types()
        self._check_parameters()
        self._check_shapes()
        count = self.result_count()
        self.require("C8", len(self.results) == count, f"{len(self.results)} results, not {count}")

    def _check_types(self) -> None:
        for group in ((self.q, self.k, self.past_key), (self.v, self.past_value)):
            require_floats(self, "C1", *group)
            require_same_element(self, "C1", *group)
        if (mask := self.mask) is not None:
            takes = dtype_of(mask).name in NUMBERS | BOOLS
            self.require("C1", takes, f"the mask cannot be {mask.type}")
        if (lengths := self.nonpad_kv_seqlen) is not None:
            is_i64 = dtype_of(lengths).name == "int64"
            self.require("C1", is_i64, f"lengths must be i64, got {lengths.type}")
        both = (self.past_key is None) == (self.past_value is None)
        self.require("C5", both, "past_key and past_value must be given together")
        alone = self.past_key is None or self.nonpad_kv_seqlen is None
        self.require("C5", alone, "nonpad_kv_seqlen cannot be given with a past")

    def _check_parameters(self) -> None:
        cap = self.softcap.value.data
        self.require("C7", cap >= 0, f"softcap must not be negative, got {cap}")
        for name in ("left_window_size", "right_window_size"):
            size = getattr(self, name).value.data
            self.require("C7", size >= -1, f"{name} must be at least -1, got {size}")
        mode = self.qk_matmul_output_mode
        known_mode = mode is None or 0 <= mode.value.data <= 3
        self.require("C7", known_mode, "qk_matmul_output_mode must be 0 to 3")
        kind = self.softmax_precision
        is_float = kind is None or str(kind) in _PRECISIONS
        self.require("C7", is_float, f"softmax_precision cannot be {kind}")

    def _check_shapes(self) -> None:
        rank, heads = self._rank(), (self.q_num_heads.value.data, self.kv_num_heads.value.data)
        for value in (self.q, self.k, self.v):
            shape = shape_of(value)
            same = shape is None or (len(shape) in (3, 4) and len(shape) == rank)
            self.require("C2", same, f"q, k and v need 3 or 4 dimensions, got {value.type}")
        counted = rank != 3 or min(heads) > 0
        self.require("C2", counted, f"needs positive numbers of heads, got {heads[0]}, {heads[1]}")
        if rank == 3:
            for value, count in ((self.q, heads[0]), (self.k, heads[1]), (self.v, heads[1])):
                shape = shape_of(value)
                fits = shape is None or shape[2] == DYNAMIC or shape[2] % count == 0
                self.require("C3", fits, f"{count} heads do not divide {value.type}")
        e = self.extents()
        for name, told, found in zip(
            ("q_num_heads", "kv_num_heads"), heads, (e.heads, e.kv_heads), strict=True
        ):
            agrees = told == 0 or found in (told, DYNAMIC)
            self.require("C4", agrees, f"{name} is {told}, the shapes have {found}")
        if DYNAMIC not in (e.heads, e.kv_heads):
            shares = e.heads % e.kv_heads == 0 if e.kv_heads > 0 else e.heads == 0
            self.require("C3", shares, f"{e.heads} heads of q for {e.kv_heads} of k")
        past = (e.batch, e.kv_heads, e.past)
        if rank is not None:
            for name, value, shape in (
                ("q", self.q, (e.batch, e.heads, e.queries, e.size)),
                ("k", self.k, (e.batch, e.kv_heads, e.keys, e.size)),
                ("v", self.v, (e.batch, e.kv_heads, e.keys, e.v_size)),
            ):
                require_shape(self, "C4", name, value, packed(shape, rank))
        require_shape(self, "C4", "past_key", self.past_key, (*past, e.size))
        require_shape(self, "C4", "past_value", self.past_value, (*past, e.v_size))
        require_shape(self, "C4", "nonpad_kv_seqlen", self.nonpad_kv_seqlen, (e.batch,))
        mask = None if self.mask is None else shape_of(self.mask)
        if mask is not None:
            fits = _masks(mask, (e.batch, e.heads, e.queries), e.total)
            self.require("C6", fits, f"the mask cannot be {cast(SSAValue, self.mask).type}")

    def _rank(self) -> int | None:
        """The dimensions of q, k and v; None when not known."""
        shapes = (shape_of(value) for value in (self.q, self.k, self.v))
        return next((len(shape) for shape in shapes if shape is not None), None)

    def _unpacked(self, value: SSAValue | None, heads: int) -> Shape:
        """(batch, heads, length, size) of an operand."""
        shape = None if value is None else shape_of(value)
        given = heads if heads > 0 else DYNAMIC
        if shape is not None and len(shape) == 4:
            return shape
        if shape is not None and len(shape) == 3:
            return (shape[0], given, shape[1], quotient(shape[2], given))
        return (DYNAMIC, given, DYNAMIC, DYNAMIC)

    def extents(self) -> Extents:
        """The dimensions, as far as any operand tells."""
        heads, kv_heads = self.q_num_heads.value.data, self.kv_num_heads.value.data
        q = self._unpacked(self.q, heads)
        k, v = (self._unpacked(value, kv_heads) for value in (self.k, self.v))
        # The past has no numbers of heads of its own, so they are found in its shape.
        past_k, past_v = (self._unpacked(value, 0) for value in (self.past_key, self.past_value))
        batch, *_ = (known(dims) for dims in zip(q, k, v, past_k, past_v, strict=True))
        return Extents(
            batch=batch,
            heads=known((q[1], heads or DYNAMIC)),
            kv_heads=known((k[1], v[1], past_k[1], past_v[1], kv_heads or DYNAMIC)),
            queries=q[2],
            keys=known((k[2], v[2])),
            past=0 if self.past_key is None else known((past_k[2], past_v[2])),
            size=known((q[3], k[3], past_k[3])),
            v_size=known((v[3], past_v[3])),
        )

    def infer_types(self) -> Sequence[Attribute]:
        e, rank = self.extents(), self._rank()
        q, v = type_of(self.q).element_type, type_of(self.v).element_type
        shape = (e.batch, e.heads, e.queries, e.v_size)
        types: list[Attribute] = [tensor(q, None if rank is None else packed(shape, rank))]
        if self.present.value.data:
            types.append(tensor(q, (e.batch, e.kv_heads, e.total, e.size)))
            types.append(tensor(v, (e.batch, e.kv_heads, e.total, e.v_size)))
        if self.qk_matmul_output_mode is not None:
            types.append(tensor(q, (e.batch, e.heads, e.queries, e.total)))
        return types

    def flops(self) -> int | None:
        """Two for each score and element of a key or a value, five for the softmax of a score."""
        e = self.extents()
        scores = product(e.batch, e.heads, e.queries, e.total)
        if DYNAMIC in (scores, e.size, e.v_size):
            return None
        return scores * (2 * (e.size + e.v_size) + 5)


def _masks(mask: Shape, leading: Shape, total: int) -> bool:
    """Whether a mask of that shape has a place for, at most, each score."""
    if not 1 <= len(mask) <= 4:
        return False
    shorter = DYNAMIC in (mask[-1], total) or mask[-1] <= total
    dims = zip(reversed(mask[:-1]), reversed(leading), strict=False)
    return shorter and all(dim in (1, other, DYNAMIC) or other == DYNAMIC for dim, other in dims)


@irdl_op_definition
class RotaryEmbeddingOp(PfrtOp):
    """x with pairs of elements of each head turned by the angle for its position.

    ```mlir
    %y = pfrt.rotary_embedding %x, %cos, %sin positions(%p : tensor<2x3xi64>) : tensor<2x4x3x8xf32>, tensor<50x4xf32>, tensor<50x4xf32> -> tensor<2x4x3x8xf32>
    ```
    x is (batch, heads, length, size), or (batch, length, heads * size) with `num_heads`. Of each
    head the first `rotary_embedding_dim` elements are turned, all if it is 0: neighbours make a
    pair if `interleaved`, else an element of the first half and one of the second. The caches hold
    a row for each position that `position_ids` may name, or without these for each of x.

    C1: x and the caches hold floats of one type, the positions i64.
    C2: x has 4 dimensions, or 3 with `num_heads` given, which divides the last one.
    C3: what is turned is even and not more than there is.
    C4: the caches have a row for each position, of half as many elements as are turned.
    """

    name = "pfrt.rotary_embedding"

    x = operand_def(TensorConstraint)
    cos_cache = operand_def(TensorConstraint)
    sin_cache = operand_def(TensorConstraint)
    position_ids = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    interleaved = flag_property(False)
    num_heads = int_property(0)
    rotary_embedding_dim = int_property(0)

    assembly_format = (
        "$x `,` $cos_cache `,` $sin_cache"
        " (`positions` `(` $position_ids^ `:` type($position_ids) `)`)?"
        " custom<ValueNames>($names) attr-dict"
        " `:` type($x) `,` type($cos_cache) `,` type($sin_cache) `->` type($result)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.x, self.cos_cache, self.sin_cache)
        require_same_element(self, "C1", self.x, self.cos_cache, self.sin_cache)
        if (places := self.position_ids) is not None:
            is_i64 = dtype_of(places).name == "int64"
            self.require("C1", is_i64, f"positions must be i64, got {places.type}")
        batch, length, size = self._extents()
        turned = self.rotary_embedding_dim.value.data or size
        fits = turned == DYNAMIC or (turned >= 0 and (size == DYNAMIC or turned <= size))
        even = turned == DYNAMIC or turned % 2 == 0
        self.require("C3", fits and even, f"cannot turn {turned} elements of heads of {size}")
        half = quotient(turned, 2)
        rows: Shape = (batch, length, half) if self.position_ids is None else (DYNAMIC, half)
        require_shape(self, "C4", "cos_cache", self.cos_cache, rows)
        require_shape(self, "C4", "sin_cache", self.sin_cache, rows)
        require_shape(self, "C4", "position_ids", self.position_ids, (batch, length))

    def _extents(self) -> tuple[int, int, int]:
        """Batch, length and size of a head, as far as they are known."""
        shape, heads = shape_of(self.x), self.num_heads.value.data
        if shape is None:
            return DYNAMIC, DYNAMIC, DYNAMIC
        self.require("C2", len(shape) in (3, 4), f"x needs 3 or 4 dimensions, got {self.x.type}")
        if len(shape) == 4:
            return shape[0], shape[2], shape[3]
        fits = heads > 0 and (shape[2] == DYNAMIC or shape[2] % heads == 0)
        self.require("C2", fits, f"{heads} heads do not divide {self.x.type}")
        return shape[0], shape[1], quotient(shape[2], heads)

    def infer_types(self) -> Sequence[Attribute]:
        return [self.x.type]

    def flops(self) -> int | None:
        """Three an element."""
        shape = None if isinstance(self.x.type, UnrankedTensorType) else shape_of(self.x)
        count = DYNAMIC if shape is None else product(*shape)
        return None if count == DYNAMIC else 3 * count


OPS: tuple[type[PfrtOp], ...] = (AttentionOp, RotaryEmbeddingOp, *linear_attention.OPS)
