"""Recognition of scaled dot-product attention, written as several ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import Rewriter
from xdsl.traits import IsolatedFromAbove, IsTerminator
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.patterns.pattern import erase_unused, replace_last
from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.comparison import WhereOp
from pyflame_rt.dialects.pfrt.contraction import MatmulOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, NotOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.pieces import SplitOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp, UnsqueezeOp
from pyflame_rt.dialects.pfrt.types import PropertyValue, dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined, describe, replace
from pyflame_rt.passes.fusion.attention_heads import (
    Packed,
    continued,
    joined,
    makers,
    unpacked,
)
from pyflame_rt.passes.fusion.attention_scores import (
    Added,
    Core,
    Filled,
    Turned,
    condition_of,
    cores,
    outside_user,
    why_not_filled,
)
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.symbolic.contents import visit_contents
from pyflame_rt.passes.symbolic.facts import Facts, Sizes
from pyflame_rt.passes.symbolic.shapes import visit_shapes


class _Unsuitable(Exception):
    """What looks like an attention cannot be the op."""


@dataclass(frozen=True)
class PfrtRecognizeAttentionPass(ModulePass):
    """Replaces chains that compute scaled dot-product attention by its op.

    Before: `%s = pfrt.matmul %q, %kt`, `%d = pfrt.div %s, %c`, `%m = pfrt.add %d, %mask`,
    `%p = pfrt.softmax %m`, `%y = pfrt.matmul %p, %v`
    After: `%y = pfrt.attention %q, %k, %v mask(%mask : tensor<…>)`

    Factors may be on either side or on the scores, masks be added or fill in a number, the softmax
    be guarded against NaN or computed in f32. Transposes and reshapes that take heads apart and put
    them together go where they surround it on all sides (the form with `q_num_heads`), and so do the
    concatenations of keys and values with those of the past, if they are results besides.

    Batches, heads, and the mask's dimensions but the last must be known to agree: run
    `pfrt-simplify-shapes` before. A query that sees nothing gives 0, where a chain of infinite masks
    gives NaN.
    """

    name = "pfrt-recognize-attention"

    trust_names: bool = True
    """Whether dimensions of inputs that have one name in `pfrt.dims` are of one size, as ONNX says."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            facts = Facts()
            facts.enter(function, trust_names=self.trust_names)
            products: list[MatmulOp] = []
            for block in function.body.blocks:
                _visit(block, facts, products)
            for product in products:
                if product.parent is not None:
                    _recognize(product, facts)


def _visit(block: Block, facts: Facts, products: list[MatmulOp]) -> None:
    for op in block.ops:
        for region in op.regions:
            if not op.has_trait(IsolatedFromAbove):
                for inner in region.blocks:
                    _visit(inner, facts, products)
        if isinstance(op, PfrtOp) and not op.regions:
            visit_shapes(facts, op)
            visit_contents(facts, op)
            if isinstance(op, MatmulOp):
                products.append(op)


def _recognize(root: MatmulOp, facts: Facts) -> None:
    """Replace what ends at a product if it is an attention."""
    why = ""
    for core in cores(root, facts):
        rewrite = _Rewrite(core, facts)
        try:
            rewrite.build()
        except (VerifyException, _Unsuitable) as error:
            rewrite.discard()
            why = why or str(error).splitlines()[0]
            continue
        rewrite.apply()
        return
    if why:
        declined(root, why)


@dataclass
class _Rewrite:
    """One attention in the making."""

    core: Core
    facts: Facts
    new_ops: list[PfrtOp] = field(default_factory=list[PfrtOp])

    def build(self) -> None:
        """Make the op and what leads to it. Raises _Unsuitable or VerifyException if it cannot be."""
        core = self.core
        self._sizes = _agreeing(core, self.facts)
        self._properties = self._scale()
        pasts = continued(core.k), continued(core.v)
        self._pasts = [past for past in pasts if past is not None]
        if len(self._pasts) != 2 or not all(_is_result(p.concat, core.ops) for p in self._pasts):
            self._pasts = []
        concats = tuple(past.concat for past in self._pasts)
        user = outside_user(core.ops, concats)
        if user is not None:
            raise _Unsuitable(f"a part of it is also used by {describe(user)}")

        mask = self._mask()
        turned = (core.q, core.k, core.v)
        if self._pasts:
            turned = (core.q, *(Turned(past.new) for past in self._pasts))
        joins = joined(core.root, self.facts)
        packed = [unpacked(t, self.facts) for t in turned] if joins is not None else []
        self._last: PfrtOp = core.root
        self._joins: tuple[PfrtOp, ...] = ()
        if joins is not None and None not in packed:
            self._last, self._joins = joins[0], (joins[1], core.root)
            values = self._packed([p for p in packed if p is not None])
        else:
            values = [self._turned(t) for t in turned]
        if len(self._sizes) == 3:
            self._properties |= {"q_num_heads": 1, "kv_num_heads": 1}
        self._finish(values, mask)

    def _finish(self, values: Sequence[SSAValue], mask: SSAValue | None) -> None:
        names = [_name(self._last)]
        operands: list[OperandArg] = [*values, mask]
        if self._pasts:
            self._properties["present"] = True
            operands += [past.past for past in self._pasts]
            names += [_name(past.concat) for past in self._pasts]
        operands += [None] * (7 - len(operands))
        op = AttentionOp.create_op(operands, self._properties, names=names)
        self.new_ops.append(op)
        replaced = (self._last, *(past.concat for past in self._pasts))
        for old, new in zip(replaced, tuple(op.results), strict=True):
            if not compatible(old.results[0].type, new.type):
                raise _Unsuitable(f"it would be a {new.type}, but is a {old.results[0].type}")
            # Users may rely on more, or less, of its shape than can be inferred.
            Rewriter.replace_value_with_new_type(new, old.results[0].type)

    def apply(self) -> None:
        """Put the op in the place of the chain."""
        op = self.new_ops[-1]
        movements = [
            maker
            for turned in (self.core.q, self.core.k, self.core.v)
            for maker in makers(turned.value, block=self.core.root.parent)
        ]
        movements += [m for p in self._pasts for m in makers(p.new, block=self.core.root.parent)]
        chain = [*self._joins, *self.core.ops[0 if self._joins else 1 :]]
        replace_last(self._last, self.new_ops, op.results[0])
        erase_unused(list(dict.fromkeys(chain)))
        for past, result in zip(self._pasts, op.results[1:], strict=False):
            replace(PatternRewriter(past.concat), past.concat, [], [result])
        erase_unused(list(dict.fromkeys(movements)))

    def discard(self) -> None:
        """Forget the ops that were made."""
        for op in self.new_ops:
            op.drop_all_references()

    def _make(self, op: PfrtOp) -> SSAValue:
        self.new_ops.append(op)
        return op.results[0]

    def _scale(self) -> dict[str, PropertyValue]:
        """The property `scale`, unless it is the usual one."""
        scale, size = self.core.scale, self._sizes[-1]
        is_double = dtype_of(self.core.q.value).name == "float64"
        if isinstance(size, int) and abs(scale * math.sqrt(size) - 1) < (
            1e-14 if is_double else 1e-6
        ):
            return {}
        with np.errstate(all="ignore"):
            rounded = float(np.float32(scale))
        if (is_double and rounded != scale) or not math.isfinite(rounded) or rounded == 0:
            raise _Unsuitable(f"its scale is {scale}, which is no f32")
        return {"scale": rounded}

    def _turned(self, turned: Turned) -> SSAValue:
        if turned.perm is None:
            return turned.value
        return self._make(TransposeOp.create_op([turned.value], {"perm": turned.perm}))

    def _packed(self, packed: Sequence[Packed]) -> list[SSAValue]:
        splits: dict[tuple[SSAValue, int], SplitOp] = {}
        values: list[SSAValue] = []
        for item in packed:
            if item.count == 1:
                values.append(item.value)
                continue
            key = (item.value, item.count)
            if key not in splits:
                properties = {"num_outputs": item.count, "axis": 2}
                splits[key] = SplitOp.create_op([item.value, None], properties)
                self.new_ops.append(splits[key])
            values.append(splits[key].results[item.part])
        self._properties |= {"q_num_heads": packed[0].heads, "kv_num_heads": packed[1].heads}
        return values

    def _mask(self) -> SSAValue | None:
        """The masks as one operand."""
        masks = self.core.masks
        if not masks:
            return None
        alone = masks[0] if len(masks) == 1 else None
        if isinstance(alone, Filled) and math.isinf(alone.number):
            self._check_mask([alone.condition])
            condition, hides = condition_of(alone)
            mask = self._make(NotOp.create_op([condition])) if hides else condition
        else:
            self._check_mask([m.value if isinstance(m, Added) else m.condition for m in masks])
            mask, *others = [self._added(m) for m in masks]
            for other in others:
                mask = self._make(AddOp.create_op([mask, other]))
        if len(self._sizes) == 3 and len(shape_of(mask) or ()) == 3:
            mask = self._make(UnsqueezeOp.create_op([mask, None], {"axes": (1,)}))
        return mask

    def _added(self, mask: Added | Filled) -> SSAValue:
        """A mask as one that is added."""
        if isinstance(mask, Added):
            known = constant_of(mask.value)
            if known is not None and np.isneginf(known).all(axis=-1).any():
                raise _Unsuitable("a query that may see nothing has no softmax")
            return mask.value
        if (why := why_not_filled(mask)) is not None:
            raise _Unsuitable(why)
        kind = dtype_of(self.core.root.result)
        kind = np.dtype(np.float32) if kind.itemsize < 4 else kind
        condition, hides = condition_of(mask)
        fill, zero = (
            self._make(ConstantOp.get(np.array(number, kind))) for number in (mask.number, 0)
        )
        branches = [fill, zero] if hides else [zero, fill]
        return self._make(WhereOp.create_op([condition, *branches]))

    def _check_mask(self, values: Sequence[SSAValue]) -> None:
        """Require that masks broadcast to the scores, never the scores to them."""
        keys = self._sizes[-2]
        is_known = False
        for value in values:
            shape = self.facts.shape(value)
            if not shape or len(shape) > len(self._sizes):
                raise _Unsuitable("the shape of its mask is not known")
            leading = zip(reversed(shape[:-1]), reversed(self._leading), strict=False)
            for size, other in leading:
                fits = size in (1, other) or (isinstance(other, int) and other > 1)
                if not fits:
                    raise _Unsuitable("its mask may have more elements than its scores")
            # Of a length that is not 1, the values would have another one than the weights.
            is_known |= shape[-1] == keys or (isinstance(shape[-1], int) and shape[-1] > 1)
        if not is_known:
            self._properties["broadcast_mask"] = True

    @property
    def _leading(self) -> Sizes:
        """Batch, heads and queries."""
        shape = self.facts.shape(self.core.q.value) or ()
        return shape[:-1]


def _agreeing(core: Core, facts: Facts) -> Sizes:
    """(batch, heads, keys, size) of the keys, where batch and heads are those of all three."""
    shapes: list[Sizes] = []
    for turned in (core.q, core.k, core.v):
        shape = facts.shape(turned.value)
        if shape is None:
            raise _Unsuitable("the shape of its queries, keys or values is not known")
        shapes.append(shape if turned.perm is None else tuple(shape[i] for i in turned.perm))
    q, k, v = shapes
    if not len(q) == len(k) == len(v) or not q[:-2] == k[:-2] == v[:-2]:
        raise _Unsuitable("its queries, keys and values may be of different batches or heads")
    return k


def _is_result(concat: Operation, ops: Sequence[Operation]) -> bool:
    """Whether only an attention uses a value, and a terminator, which stands behind it."""
    users = [use.operation for use in concat.results[0].uses]
    is_result = any(user.has_trait(IsTerminator) for user in users)
    return is_result and all(user in ops or user.has_trait(IsTerminator) for user in users)


def _name(op: PfrtOp) -> str:
    return "" if op.names is None else op.names.data[0]
