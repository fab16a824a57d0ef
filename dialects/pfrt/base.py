"""What every pfrt op has: names of its results, type inference, constraints, costs.

An op class declares operands, properties and results with IRDL, and implements

* `result_shape()` (and `result_dtype()` where it differs from the first operand's), or the whole of
  `infer_types()`: the types of its results from operands and properties;
* `check()`: its numbered constraints, through `self.require("C1", condition, "message")`.

The kernel that gives it meaning is the function of the same name in `pyflame_rt.kernels`, called
with its operands in order (None for an absent one) and its properties as keywords.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import is_
from typing import Any, ClassVar, Self, TypeAlias, cast

from xdsl.dialects.builtin import (
    DenseArrayBase,
    FloatAttr,
    LocationAttr,
    TensorType,
    UnrankedTensorType,
    f32,
    f64,
)
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.irdl import (
    AnyOf,
    BaseAttr,
    IRDLOperation,
    OptOperandDef,
    ParsePropInAttrDict,
    VarIRConstruct,
    VerificationContext,
    irdl_op_verify_arg_list,
    opt_prop_def,
    traits_def,
)
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.printer import Printer
from xdsl.rewriter import Rewriter
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    Array,
    ConstantValue,
    PropertyValue,
    constant_array,
    is_string,
    is_tensor,
    is_value_type,
    numpy_dtype,
    static_shape_of,
    tensor,
    to_property,
    type_of,
)

Shape: TypeAlias = tuple[int, ...]
OperandArg: TypeAlias = SSAValue | Sequence[SSAValue] | None

TensorConstraint = AnyOf((BaseAttr(TensorType), BaseAttr(UnrankedTensorType)))
"""Any tensor, ranked or not."""


@irdl_custom_directive
class ValueNames(CustomDirective):
    """`as "name"`, or `as "a", "b"` for an op of several results; nothing for an unnamed one."""

    names: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        if parser.parse_optional_keyword("as") is None:
            return
        names = parser.parse_comma_separated_list(
            parser.Delimiter.NONE, lambda: parser.parse_str_literal(" for a value's name")
        )
        self.names.set(state, NamesAttr.of(names))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        names = self.names.get(op)
        if isinstance(names, NamesAttr):
            state.print_whitespace(printer)
            printer.print_string("as ")
            printer.print_list(names.data, printer.print_string_literal)


class PfrtOp(IRDLOperation, HasCanonicalizationPatternsInterface):
    """Base class of the ops of the pfrt dialect: pure functions of values to values.

    Values are tensors, unless an op says otherwise by a `ValueConstraint`.
    """

    names = opt_prop_def(NamesAttr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (ValueNames,)

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ()
    """Names under which the op has both a property and an optional operand: exactly one is set.

    The operand stands for a value known only at run time; canonicalization turns a constant
    operand into the property.
    """

    ELEMENTWISE: ClassVar[bool] = False
    """Whether an element of the result depends on corresponding elements of broadcast operands."""

    TAKES_CONTAINERS: ClassVar[bool] = False
    """Whether operands may be sequences, optionals or maps."""

    @classmethod
    def create_op(
        cls,
        operands: Sequence[OperandArg],
        properties: Mapping[str, PropertyValue | Attribute | None] | None = None,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """Build the op with inferred result types.

        `operands` are as declared: a value, None for an absent optional one, a list for a variadic
        one; optional ones at the end may be left out. Properties may be given as Python values; those that are None are left out.
        Raises VerifyException when a constraint does not hold.
        """
        attrs = {
            name: value if isinstance(value, Attribute) else to_property(value)
            for name, value in (properties or {}).items()
            if value is not None
        }
        if names is not None and any(names):
            attrs["names"] = NamesAttr.of(names)
        given: list[OperandArg] = [[] if operand is None else operand for operand in operands]
        given += [[]] * (len(cls.get_irdl_definition().operands) - len(given))
        op = cls._with_placeholders(given, attrs, UnrankedTensorType(_any_element(operands)), names)
        if location is not None:
            op.location = location
        try:
            # Inference relies on what the constraints promise.
            definition = cls.get_irdl_definition()
            definition.verify(op)
            op.check()
            op.set_inferred_types()
            irdl_op_verify_arg_list(op, definition, VarIRConstruct.RESULT, VerificationContext())
            op._check_values()
            op.remember(inferred=True, verified=True)
        except VerifyException:
            # Its operands are not to have a user that is nowhere.
            op.drop_all_references()
            raise
        return op

    @classmethod
    def _with_placeholders(
        cls,
        operands: Sequence[OperandArg],
        properties: Mapping[str, Attribute],
        placeholder: Attribute,
        names: Sequence[str] | None,
    ) -> Self:
        """The op before inference: as many results as declared, each of the placeholder's type."""
        results = [placeholder] * len(cls.get_irdl_definition().results)
        return cls.build(operands=operands, properties=properties, result_types=results)

    def set_inferred_types(self) -> bool:
        """Give the results their inferred types; whether any type changed."""
        changed = False
        for result, inferred in zip(self.results, self.infer_types(), strict=True):
            if result.type != inferred:
                Rewriter.replace_value_with_new_type(result, inferred)
                changed = True
        return changed

    def infer_types(self) -> Sequence[Attribute]:
        """Types of the results from operands and properties alone.

        Raises VerifyException when operands contradict each other.
        """
        if any(isinstance(operand.type, UnrankedTensorType) for operand in self.operands):
            return [tensor(self.result_dtype(), None)]
        return [tensor(self.result_dtype(), self.result_shape())]

    def result_dtype(self) -> Attribute:
        """Element type of the single result; the first operand's unless overridden."""
        return type_of(self.operands[0]).element_type

    def result_shape(self) -> Shape | None:
        """Shape of the single result, given that every operand is ranked; None: rank unknown."""
        raise NotImplementedError(f"{self.name} has no type inference")

    def check(self) -> None:
        """The op's numbered constraints; raises VerifyException through `require`."""

    def clone_without_regions(self, *args: Any, **keywords: Any) -> Self:
        """As Operation's; what is known of the op is known of its copy."""
        new = super().clone_without_regions(*args, **keywords)
        if (facts := _facts_of(self)) is not None:
            setattr(new, _FACTS, facts)
        return new

    def verify(self, verify_nested_ops: bool = True) -> None:
        """As Operation's; nothing is done where nothing has changed since it was done last."""
        # A terminator is told apart by where it stands.
        if self.next_op is not None and self.is_known("verified"):
            self._check_names()
            return
        super().verify(verify_nested_ops)
        self.remember(verified=True)

    def is_known(self, what: str) -> bool:
        """Whether the op is now as it was when that was last said of it by `remember`.

        An op is what its operands' types and constants, its properties and its results' types are:
        `check` and `infer_types` read nothing else. What has regions is never known.
        """
        facts = _facts_of(self)
        return facts is not None and what in facts.known and facts.holds(self)

    def remember(self, *, inferred: bool = False, verified: bool = False) -> None:
        """Say that the results have the types that inference gives, or that the op is verified."""
        if self.regions:
            return
        known = {"inferred"} if inferred else set[str]()
        if verified:
            known.add("verified")
        facts = _facts_of(self)
        if facts is not None and facts.holds(self):
            known |= facts.known
        setattr(self, _FACTS, _Facts.of(self, frozenset(known)))

    def require(self, constraint: str, condition: bool, message: str) -> None:
        """Raise a VerifyException that cites the constraint unless the condition holds."""
        if not condition:
            raise VerifyException(f"{self.name}: {constraint}: {message}")

    def verify_(self) -> None:
        self._check_values()
        if not self.is_known("inferred"):
            self._verify_types()
        self._check_names()

    def _check_values(self) -> None:
        for value in (*self.operands, *self.results):
            if not is_value_type(value.type):
                raise VerifyException(f"{self.name}: no value can be a {value.type}")
        for name in self.DYNAMIC_PROPERTIES:
            if name in self.properties and getattr(self, f"{name}_value") is not None:
                raise VerifyException(f"{self.name}: {name} is both an operand and a property")

    def _check_names(self) -> None:
        if self.names is not None and len(self.names.data) != len(self.results):
            raise VerifyException(
                f"{self.name}: {len(self.names.data)} names for {len(self.results)} results"
            )

    def _verify_types(self) -> None:
        self.check()
        kinds = self.infer_types()
        for index, (result, inferred) in enumerate(zip(self.results, kinds, strict=True)):
            if not compatible(result.type, inferred):
                raise VerifyException(
                    f"{self.name}: result {index} is declared {result.type}, "
                    f"but its operands give {inferred}"
                )
        if all(v.type == kind for v, kind in zip(self.results, kinds, strict=True)):
            self.remember(inferred=True)

    def operand_slots(self) -> tuple[SSAValue | None, ...]:
        """Operands by declaration, None for each absent optional one; variadic ones flattened."""
        definitions = self.get_irdl_definition().operands
        segments = self.properties.get("operandSegmentSizes")
        slots: list[SSAValue | None] = []
        if not isinstance(segments, DenseArrayBase):
            if len(definitions) == len(self.operands):
                return tuple(self.operands)
            for name, _ in definitions:
                values = cast(OperandArg, getattr(self, name))
                slots.extend([values] if values is None or isinstance(values, SSAValue) else values)
            return tuple(slots)
        # Read once: each access by name decodes the segments again.
        operands = iter(self.operands)
        sizes = cast(Sequence[int], cast("DenseArrayBase[Any]", segments).get_values())
        for (_, definition), size in zip(definitions, sizes, strict=True):
            absent = size == 0 and isinstance(definition, OptOperandDef)
            slots.extend([None] if absent else islice(operands, size))
        return tuple(slots)

    def kernel_properties(self) -> dict[str, Attribute]:
        """The properties that the op's kernel takes, with the defaults of those left out."""
        hidden = ("names", "operandSegmentSizes", "resultSegmentSizes")
        return {
            name: attr
            for name in self.get_irdl_definition().properties
            if name not in hidden and (attr := getattr(self, name)) is not None
        }

    def flops(self) -> int | None:
        """Floating-point operations of one execution, a multiply-add as two; None if shapes are
        not static. One per result element unless overridden."""
        return elements(self.results[0])

    def bytes(self) -> int | None:
        """Bytes of operands read and results written; None if shapes are not static."""
        total = 0
        for value in (*self.operands, *self.results):
            if is_string(value.type):
                return None
            count = elements(value)
            if count is None:
                return None
            total += count * numpy_dtype(type_of(value).element_type).itemsize
        return total

    @classmethod
    def constant_property(cls, name: str, array: Array) -> Attribute | None:
        """The property that the constant operand of a dynamic property becomes; None: it stays."""
        return property_of_constant(array)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (ConstantOperandToProperty(),) if cls.DYNAMIC_PROPERTIES else ()


_FACTS = "_facts"
"""The attribute of an op that holds what is known of it."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of an op as long as it is what it was then, whatever its values are called.

    Attributes never change: the same objects need not be compared, and others are taken to differ.
    """

    known: frozenset[str]
    state: tuple[Attribute | None, ...]
    properties: dict[str, Attribute]

    @staticmethod
    def of(op: PfrtOp, known: frozenset[str]) -> _Facts:
        """An op as it is now."""
        properties = {name: attr for name, attr in op.properties.items() if name != "names"}
        return _Facts(known, _state(op), properties)

    def holds(self, op: PfrtOp) -> bool:
        """Whether an op still is so."""
        properties, state = op.properties, _state(op)
        return (
            len(properties) - ("names" in properties) == len(self.properties)
            and all(properties.get(name) is attr for name, attr in self.properties.items())
            and len(state) == len(self.state)
            and all(map(is_, state, self.state))
        )


def _facts_of(op: PfrtOp) -> _Facts | None:
    return getattr(op, _FACTS, None)


def _state(op: Operation) -> tuple[Attribute | None, ...]:
    """The types of results and operands, and what operands are, where that is known."""
    state: list[Attribute | None] = [result.type for result in op.results]
    for value in op.operands:
        state.append(value.type)
        if isinstance(value, OpResult) and is_constant(type(value.op)):
            state.append(value.op.properties.get("value"))
    return tuple(state)


class ConstantOperandToProperty(RewritePattern):
    """op(x, shape = constant c) -> op(x) {shape = c}, for each of the op's dynamic properties."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, PfrtOp):
            return
        known: dict[str, Attribute] = {}
        for name in op.DYNAMIC_PROPERTIES:
            value = cast(SSAValue | None, getattr(op, f"{name}_value"))
            array = None if value is None else constant_of(value)
            attr = None if array is None else op.constant_property(name, array)
            if attr is not None:
                known[name] = attr
        if not known:
            return
        operands: list[OperandArg] = []
        for name, _ in op.get_irdl_definition().operands:
            operand = cast(OperandArg, getattr(op, name))
            operands.append(None if name.removesuffix("_value") in known else operand)
        properties = {n: a for n, a in op.properties.items() if not n.endswith("SegmentSizes")}
        new = type(op).build(
            operands=[[] if operand is None else operand for operand in operands],
            properties={**properties, **known},
            result_types=_declared_types(op),
        )
        rewriter.replace(op, new)


def _declared_types(op: PfrtOp) -> list[Attribute | list[Attribute]]:
    """The types of an op's results by declaration, a list for variadic ones."""
    groups: list[Attribute | list[Attribute]] = []
    for name, _ in op.get_irdl_definition().results:
        group = cast(SSAValue | Sequence[SSAValue], getattr(op, name))
        groups.append(group.type if isinstance(group, SSAValue) else [v.type for v in group])
    return groups


def property_of_constant(array: Array) -> Attribute:
    """The property form of a constant operand: array<i64> of a vector, i64 or float of a scalar.

    A float becomes f32, and f64 only where the operand is: no bound of a clip is rounded.
    """
    if array.dtype.kind in "iub":
        values = tuple(int(item) for item in array.reshape(-1))
        return to_property(values if array.ndim else values[0])
    return FloatAttr(float(array.reshape(-1)[0]), f64 if array.dtype.name == "float64" else f32)


def constant_of(value: SSAValue) -> Array | None:
    """The array of a value defined by a constant op whose values are at hand, else None."""
    owner = value.owner
    if not isinstance(owner, Operation) or not is_constant(type(owner)):
        return None
    return constant_array(cast(ConstantValue, owner.properties["value"]))


@lru_cache(maxsize=1024)
def is_constant(kind: type[Operation]) -> bool:
    """Whether the ops of a class are constants, which is asked of every operand there is."""
    return kind.has_trait(ConstantLike)


def elements(value: SSAValue) -> int | None:
    """Number of elements of a value of static shape."""
    shape = static_shape_of(value)
    return None if shape is None else math.prod(shape)


def broadcast(*shapes: Shape) -> Shape:
    """NumPy's broadcasting over dimensions that may be `DYNAMIC`.

    A `?` beside n > 1 gives n (it must be 1 or n at run time), beside 1 or `?` stays `?`.
    Raises VerifyException when two known dimensions differ and neither is 1.
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(_broadcast_dim(dims) for dims in zip(*padded, strict=True))


def _broadcast_dim(dims: Sequence[int]) -> int:
    known = {d for d in dims if d not in (1, DYNAMIC)}
    if len(known) > 1:
        raise VerifyException(f"dimensions {sorted(known)} do not broadcast")
    if known:
        return known.pop()
    return DYNAMIC if DYNAMIC in dims else 1


def normalize_axis(axis: int, rank: int) -> int:
    """A non-negative axis; raises VerifyException when it lies outside -rank..rank-1."""
    if not -rank <= axis < rank:
        raise VerifyException(f"axis {axis} is outside the {rank} dimensions")
    return axis + rank if axis < 0 else axis


def _any_element(operands: Sequence[OperandArg]) -> Attribute:
    for operand in operands:
        first = operand if isinstance(operand, SSAValue) or not operand else operand[0]
        if isinstance(first, SSAValue) and is_tensor(first.type):
            return type_of(first).element_type
    return f32
