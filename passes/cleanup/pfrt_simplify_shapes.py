"""Computing with shapes at compile time, as far as it goes."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.traits import IsolatedFromAbove
from xdsl.transforms.dead_code_elimination import region_dce
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.parameters import known_ints
from pyflame_rt.dialects.pfrt.pieces import SliceOp, TileOp
from pyflame_rt.dialects.pfrt.shape import ExpandOp, FlattenOp, ReshapeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, static_shape_of, tensor, type_of
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.shape_inference import functions, set_type, update_signature
from pyflame_rt.passes.symbolic.contents import as_array, visit_contents
from pyflame_rt.passes.symbolic.facts import Facts, Sizes, place_of
from pyflame_rt.passes.symbolic.materializing import Materializer
from pyflame_rt.passes.symbolic.reshaping import as_property, given
from pyflame_rt.passes.symbolic.shapes import visit_shapes
from pyflame_rt.passes.symbolic.sizes import Place

Known: TypeAlias = "ChainMap[tuple[Attribute, int, Sizes], SSAValue]"


@dataclass(frozen=True)
class PfrtSimplifyShapesPass(ModulePass):
    """Replaces arithmetic with shapes, sizes that are not known included, by what it comes to.

    Before:
    ```mlir
    %s = pfrt.shape %x : tensor<?x8x24xf32> -> tensor<3xi64>
    %n = pfrt.gather %s, %zero : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
    %u = pfrt.unsqueeze %n {axes = array<i64: 0>} : (tensor<i64>) -> tensor<1xi64>
    %v = pfrt.concat %u, %rest {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
    %y = pfrt.reshape %x, %v : (tensor<?x8x24xf32>, tensor<2xi64>) -> tensor<?x?xf32>
    ```
    After, when `%rest` is a constant -1:
    ```mlir
    %y = pfrt.reshape %x {shape = array<i64: 0, -1>} : (tensor<?x8x24xf32>) -> tensor<?x192xf32>
    ```
    Each size that is not known is a symbol, and sums and products of symbols are compared: vectors
    become properties or constants, equal ones one value, sizes are read where they first appear
    (`pfrt.shape %x {start = 0, end = 1}`), types become more precise, and reshapes, expansions and
    slices that change nothing go. What cannot be computed is left for run time. Ops that nothing
    uses any more are removed, as by `dce`.
    """

    name = "pfrt-simplify-shapes"

    trust_names: bool = True
    """Whether dimensions of inputs that have one name in `pfrt.dims` are of one size, as ONNX says."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            facts = Facts()
            facts.enter(function, trust_names=self.trust_names)
            simplifier = _Simplifier(facts)
            for block in function.body.blocks:
                simplifier.visit(block, ChainMap())
            update_signature(function)
        region_dce(op.body)


@dataclass
class _Simplifier:
    """Visits the ops of a function in order."""

    facts: Facts
    refined: set[Place] = field(default_factory=set[Place])
    """Values whose type this pass has made more precise."""

    def __post_init__(self) -> None:
        self.materializer = Materializer(self.facts)

    def visit(self, block: Block, known: Known) -> None:
        """Simplify a block; `known` are the values of integers that are visible in it."""
        for op in tuple(block.ops):
            if not isinstance(op, PfrtOp):
                continue
            if op.regions:
                if not op.has_trait(IsolatedFromAbove):
                    for region in op.regions:
                        for inner in region.blocks:
                            self.visit(inner, known.new_child())
                continue
            self._infer(op)
            visit_shapes(self.facts, op)
            self._refine(op)
            visit_contents(self.facts, op)
            if not isinstance(op, ConstantOp):
                self._rewrite(op, known)

    def _infer(self, op: PfrtOp) -> None:
        if not self.refined or self.refined.isdisjoint(map(place_of, op.operands)):
            return
        try:
            op.check()
            inferred = op.infer_types()
        except VerifyException:
            # Perhaps it never runs. If it does it fails, and says why.
            return
        for result, kind in zip(op.results, inferred, strict=True):
            self._set_type(result, merge(result.type, kind))

    def _refine(self, op: PfrtOp) -> None:
        for result in op.results:
            shape = None if static_shape_of(result) is not None else self.facts.shape(result)
            if shape is not None:
                dims = [size if isinstance(size, int) and size >= 0 else DYNAMIC for size in shape]
                kind = tensor(type_of(result).element_type, dims)
                self._set_type(result, merge(result.type, kind))

    def _set_type(self, value: SSAValue, kind: Attribute | None) -> None:
        if kind is not None and kind != value.type:
            place = place_of(value)
            set_type(value, kind)
            self.refined.add(place)

    def _rewrite(self, op: PfrtOp, known: Known) -> None:
        if len(op.results) == 1 and (contents := self.facts.contents(op.results[0])) is not None:
            self._rewrite_integers(op, contents, known)
            return
        if _changes_nothing(self.facts, op):
            replace(PatternRewriter(op), op, [], [op.operands[0]])
            return
        match op:
            case ReshapeOp(shape_value=SSAValue()):
                self._reshape(op)
            case ExpandOp(shape_value=SSAValue()):
                self._expand(op)
            case _:
                pass

    def _rewrite_integers(self, op: PfrtOp, contents: Sizes, known: Known) -> None:
        (result,) = op.results
        array = as_array(contents, result)
        if array is not None:
            self._replace(op, ConstantOp.get(array))
            return
        key = (type_of(result).element_type, len(cast(Any, result.type).get_shape()), contents)
        other = known.get(key) or self.materializer.value_of(op, contents)
        if other is not None:
            known[key] = other
            self.facts.set_contents(other, contents)
            replace(PatternRewriter(op), op, [], [other])
        else:
            known[key] = result

    def _replace(self, op: PfrtOp, new: PfrtOp) -> None:
        self.facts.move(op.results[0], new.results[0])
        if place_of(op.results[0]) in self.refined:
            self.refined.add(place_of(new.results[0]))
        replace(PatternRewriter(op), op, new)

    def _reshape(self, op: ReshapeOp) -> None:
        shape, wanted = self.facts.shape(op.operand), given(self.facts, op, "shape")
        numbers = None
        if shape is not None and wanted is not None:
            numbers = as_property(shape, wanted, allowzero=bool(op.allowzero.value.data))
        numbers = _of_type(op) if numbers is None else numbers
        if numbers is None:
            return
        new = ReshapeOp.build(
            operands=[op.operand, []],
            properties={"shape": DenseArrayBase.from_list(i64, numbers)},
            result_types=[op.result.type],
        )
        self._replace(op, new)

    def _expand(self, op: ExpandOp) -> None:
        shape, wanted = self.facts.shape(op.operand), given(self.facts, op, "shape")
        if shape is None or wanted is None:
            return
        padded = (1,) * (len(wanted) - len(shape)) + shape[max(len(shape) - len(wanted), 0) :]
        numbers = [
            size if isinstance(size, int) else 1 if size == old else None
            for size, old in zip(wanted, padded, strict=True)
        ]
        if None in numbers:
            return
        new = ExpandOp.build(
            operands=[op.operand, []],
            properties={"shape": DenseArrayBase.from_list(i64, cast("list[int]", numbers))},
            result_types=[op.result.type],
        )
        self._replace(op, new)


def _of_type(op: ReshapeOp) -> tuple[int, ...] | None:
    """The `shape` property that a reshape's type says: one dimension may be unknown, if the others
    are not 0."""
    shape = shape_of(op.result)
    if shape is None or shape.count(DYNAMIC) > 1 or 0 in shape:
        return None
    return tuple(-1 if dim == DYNAMIC else dim for dim in shape)


def _changes_nothing(facts: Facts, op: PfrtOp) -> bool:
    """Whether an op leaves its operand as it is: elements keep their order, sizes stay the same."""
    if not isinstance(op, ReshapeOp | FlattenOp | ExpandOp | TileOp) and not (
        isinstance(op, SliceOp) and _takes_from_the_start(op)
    ):
        return False
    shape = facts.shape(op.operands[0])
    same = shape is not None and shape == facts.shape(op.results[0])
    return same and merge(op.operands[0].type, op.results[0].type) == op.operands[0].type


def _takes_from_the_start(op: SliceOp) -> bool:
    starts, steps = known_ints(op, "starts"), known_ints(op, "steps")
    forward = steps is None and op.steps_value is None
    forward |= steps is not None and set(steps) <= {1}
    return forward and starts is not None
