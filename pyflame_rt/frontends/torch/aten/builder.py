"""What rules build with: ops of the pfrt dialect, constants, sizes, type promotion, errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import LocationAttr
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    PropertyValue,
    from_properties,
    shape_of,
    static_shape_of,
    tensor,
    type_of,
)
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.torch.aten import promotion, propagation, sizes
from pyflame_rt.frontends.torch.aten.sizes import Atom, Call, Dim, Int, Item, Size
from pyflame_rt.frontends.torch.aten.values import Dtype, Scalar, TensorValue, Value, numpy_of

Array: TypeAlias = npt.NDArray[Any]
Properties: TypeAlias = Mapping[str, "PropertyValue | Attribute | None"]
Operand: TypeAlias = TensorValue | Sequence[TensorValue] | None

_MOST_FOLDED = 64
"""Ops on constants of up to this many elements are evaluated at import."""

_RANDOM = frozenset(
    f"pfrt.{name}"
    for name in ("bernoulli", "dropout", "multinomial", "random_normal_like", "random_uniform_like")
)
"""Ops that give other results each time."""


@dataclass
class Facts:
    """What is known of the values of a graph while it is built."""

    dims: dict[SSAValue, tuple[Int, ...]] = field(default_factory=dict[SSAValue, "tuple[Int, ...]"])
    """The dimensions of values, equal ones as equal sizes."""


class AtenBuilder:
    """Appends ops to a block, each with the location of the operator that they stand for."""

    def __init__(
        self,
        block: Block,
        location: LocationAttr,
        where: str,
        facts: Facts | None = None,
        parent: AtenBuilder | None = None,
    ):
        self.block = block
        self.location = location
        self.where = where
        """The operator's place, for error messages."""
        self.facts = Facts() if facts is None else facts
        self._parent = parent
        self._numbers: dict[Int | Atom, TensorValue] = {}

    def at(self, location: LocationAttr, where: str) -> AtenBuilder:
        """A builder for another operator in the same block."""
        other = copy(self)
        other.location, other.where = location, where
        return other

    def inside(self, block: Block) -> AtenBuilder:
        """A builder for a block in a region of an op that will follow in this one."""
        return AtenBuilder(block, self.location, self.where, self.facts, self)

    # Errors.

    def error(self, why: str, hint: str | None = None) -> InvalidModelError:
        """The error for arguments that contradict an operator's definition."""
        return InvalidModelError(why, where=self.where, hint=hint)

    def unsupported(self, why: str, hint: str | None = None) -> UnsupportedOperatorError:
        """The error for a correct operator of a form that cannot be imported."""
        return UnsupportedOperatorError(why, where=self.where, hint=hint)

    # Ops.

    def emit(
        self,
        name: str,
        operands: Sequence[Operand],
        properties: Properties | None = None,
        *,
        count: int | None = None,
    ) -> tuple[Value, ...]:
        """Append `pfrt.<name>` and return its results, their types inferred.

        `count` is the number of results of an op that cannot tell it. Small constants are folded.
        Raises InvalidModelError with the constraint of the op that the operands break.
        """
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
        try:
            op = kind.create_op(
                [_raw(operand) for operand in operands],
                properties,
                names=None if count is None else [""] * count,
                location=self.location,
            )
        except VerifyException as error:
            raise self.error(str(error)) from error
        folded = _folded(op)
        if folded is not None:
            op.drop_all_references()
            return tuple(self.constant(array) for array in folded)
        self.block.add_op(op)
        propagation.propagate(op, self.facts.dims)
        for result in op.results:
            self._refine(result)
        return tuple(map(TensorValue, op.results))

    def one(
        self, name: str, operands: Sequence[Operand], properties: Properties | None = None
    ) -> Value:
        """Append an op and return its first result."""
        return self.emit(name, operands, properties)[0]

    def constant(self, array: Array | int | float | bool, dtype: Dtype | None = None) -> Value:
        """A constant tensor; integers are i64 and floats f32 unless `dtype` says otherwise."""
        if not isinstance(array, np.ndarray | np.generic):
            array = self.scalar_array(array, dtype)
        made = np.asarray(array if dtype is None else array.astype(dtype))
        op = ConstantOp.get(made, location=self.location)
        self.block.add_op(op)
        return TensorValue(op.result)

    def scalar_array(self, number: complex, dtype: Dtype | None = None) -> Array:
        """A number as an array without dimensions; a complex one needs a complex type."""
        kind = promotion.result_type([number]) if dtype is None else dtype
        if isinstance(number, complex) and kind.kind != "c":
            raise self.error(f"{number} is no element of {kind.name}")
        return promotion.array_of(number, kind)

    def known(self, value: Value | None) -> Array | None:
        """The array of a value known at import, else None."""
        return None if value is None else constant_of(value.ssa)

    def type_as(self, value: Value, shape: Sequence[Int]) -> Value:
        """Note what the dimensions of a value are, and give it the type that says so."""
        known = tuple(dim if isinstance(dim, int) else DYNAMIC for dim in shape)
        element = type_of(value.ssa).element_type
        given = value.shape
        if given is not None and (
            len(given) != len(known)
            or any(DYNAMIC not in (a, b) and a != b for a, b in zip(given, known, strict=True))
        ):
            raise self.error(f"a value of shape {list(given)} is not of shape {list(known)}")
        _retype(value.ssa, tensor(element, known))
        self.facts.dims[value.ssa] = tuple(shape)
        return value

    def _refine(self, value: SSAValue) -> None:
        dims = self.facts.dims.get(value)
        shape = shape_of(value)
        if dims is None or (shape is not None and len(shape) != len(dims)):
            return
        if shape is not None:
            dims = tuple(a if a != DYNAMIC else b for a, b in zip(shape, dims, strict=True))
            self.facts.dims[value] = dims
        known = tuple(dim if isinstance(dim, int) else DYNAMIC for dim in dims)
        if known != shape:
            _retype(value, tensor(type_of(value).element_type, known))

    # Shapes.

    def rank(self, value: Value) -> int:
        """The number of dimensions. Raises UnsupportedOperatorError when it is not known."""
        if (rank := value.rank) is None:
            raise self.unsupported(
                "needs a tensor whose number of dimensions is known",
                hint="give the shapes of the model's inputs",
            )
        return rank

    def axis(self, value: Value, dim: int, extra: int = 0) -> int:
        """A dimension as a non-negative index; `extra` are dimensions to come.

        A tensor without dimensions is taken as having one.
        """
        rank = max(self.rank(value) + extra, 1)
        if not -rank <= dim < rank:
            raise self.error(f"dimension {dim} is outside the {rank} dimensions")
        return dim % rank

    def axes(self, value: Value, dims: Sequence[Int]) -> tuple[int, ...]:
        """Dimensions as non-negative indices, which must differ."""
        found = tuple(self.axis(value, self.int(dim)) for dim in dims)
        if len(set(found)) != len(found):
            raise self.error(f"dimensions {list(found)} repeat one")
        return found

    def int(self, number: Int) -> int:
        """An integer that must be known at import."""
        if isinstance(number, Size):
            raise self.unsupported("needs an integer known at import, not a size known at run time")
        return number

    def ints(self, numbers: Sequence[Int], length: int | None = None) -> tuple[int, ...]:
        """Integers that must be known at import; one stands for all of a fixed length."""
        found = tuple(map(self.int, numbers))
        if length is None or len(found) == length:
            return found
        if len(found) != 1:
            raise self.error(f"{list(found)} has {len(found)} numbers, not {length}")
        return found * length

    def size(self, value: Value, dim: int) -> Int:
        """The size of a dimension."""
        axis = self.axis(value, dim)
        if axis >= self.rank(value):
            raise self.error("a tensor without dimensions has no sizes")
        return self.sizes(value)[axis]

    def sizes(self, value: Value) -> tuple[Int, ...]:
        """The sizes of all dimensions."""
        known = self.facts.dims.get(value.ssa)
        if known is None:
            known = tuple(Size.of_dim(value.ssa, axis) for axis in range(self.rank(value)))
            self.facts.dims[value.ssa] = known
        return known

    def numel(self, value: Value) -> Int:
        """The number of elements."""
        return sizes.product(self.sizes(value))

    def item(self, value: Value) -> Int:
        """The integer that a tensor of one element holds."""
        array = self.known(value)
        if array is not None:
            return int(array.reshape(-1)[0])
        return Size.of_item(value.ssa)

    def number(self, size: Int) -> Value:
        """An integer as a tensor of i64 without dimensions."""
        if isinstance(size, int):
            return self.constant(np.array(size, np.int64))
        vector = self.vector([size])
        array = self.known(vector)
        if array is not None:
            return self.constant(array.reshape(()))
        return self.one("reshape", [vector, None], {"shape": ()})

    def vector(self, numbers: Sequence[Int]) -> Value:
        """Integers as a vector of i64."""
        parts: list[Value] = []
        known: list[int] = []
        for number in numbers:
            if isinstance(number, int):
                known.append(number)
                continue
            if known:
                parts.append(self.constant(np.array(known, np.int64)))
                known = []
            parts.append(self._element(number))
        if known or not parts:
            parts.append(self.constant(np.array(known, np.int64)))
        return parts[0] if len(parts) == 1 else self.one("concat", [parts], {"axis": 0})

    def _element(self, number: Int | Atom) -> Value:
        """An integer as a vector of one i64, made once."""
        builder: AtenBuilder | None = self
        while builder is not None:
            if (value := builder._numbers.get(number)) is not None:
                return value
            builder = builder._parent
        value = self._made(number)
        self._numbers[number] = value
        return value

    def _made(self, number: Int | Atom) -> Value:
        match number:
            case int():
                return self.constant(np.array([number], np.int64))
            case Dim(value, axis):
                return self.one("shape", [TensorValue(value)], {"start": axis, "end": axis + 1})
            case Item(value):
                given = self.cast(TensorValue(value), np.dtype(np.int64))
                if given.shape == (1,):
                    return given
                return self.one("reshape", [given, None], {"shape": (1,)})
            case Call(function=function, lhs=lhs, rhs=rhs):
                operands = [self._element(lhs), self._element(rhs)]
                if function == "floordiv":
                    return self.floor_divide(*operands)
                if function == "mod":
                    return self.one("mod", operands)
                return self.one(function, [operands])
            case Size(terms=terms):
                total: Value | None = None
                for monomial, factor in terms:
                    term: Value | None = None
                    for atom in monomial:
                        next_ = self._element(atom)
                        term = next_ if term is None else self.one("mul", [term, next_])
                    if term is None:
                        term = self._element(factor)
                    elif factor != 1:
                        term = self.one("mul", [term, self._element(factor)])
                    total = term if total is None else self.one("add", [total, term])
                assert total is not None
                return total

    def floor_divide(self, a: Value, b: Value) -> Value:
        """a // b of integers of one type, rounded towards minus infinity."""
        # (a - a mod b) is a multiple of b, so the division that truncates is exact.
        rest = self.one("mod", [a, b])
        return self.one("div", [self.one("sub", [a, rest]), b])

    def reshape(self, value: Value, shape: Sequence[Int]) -> Value:
        """The same elements under another shape; -1 stands for what remains."""
        wanted = self.resolved_shape(value, shape)
        given = value.shape
        if given is not None and DYNAMIC not in given and all(isinstance(n, int) for n in wanted):
            if tuple(given) == wanted:
                return value
            return self.one("reshape", [value, None], _static_shape(cast("tuple[int]", wanted)))
        before = None if given is None else self.sizes(value)
        if before == wanted:
            return value
        entries = [n if isinstance(n, int) else None for n in wanted]
        if entries.count(None) > 1 and before is not None and 0 not in wanted:
            # A dimension that stays where it is need not be calculated.
            for axis, (n, m) in enumerate(zip(wanted, before, strict=False)):
                if isinstance(n, Size) and n == m and entries.count(None) > 1:
                    entries[axis] = 0
        if entries.count(None) <= 1 and not (None in entries and 0 in wanted):
            dims = tuple(-1 if n is None else n for n in entries)
            zero = 0 in wanted
            made = self.one("reshape", [value, None], {"shape": dims, "allowzero": zero})
        else:
            made = self.one("reshape", [value, self.vector(wanted)], {"allowzero": True})
        return self.type_as(made, wanted)

    def resolved_shape(self, value: Value, shape: Sequence[Int]) -> tuple[Int, ...]:
        """A shape whose -1 is what remains of a value's elements."""
        if any(isinstance(n, int) and n < -1 for n in shape):
            raise self.error(f"{list(map(str, shape))} is not a shape")
        missing = [axis for axis, n in enumerate(shape) if n == -1]
        if len(missing) > 1:
            raise self.error("only one dimension can be -1")
        if not missing:
            return tuple(shape)
        rest = sizes.product(n for n in shape if n != -1)
        if value.rank is None:
            flat = self.one("size", [value])
            count: Int = Size.of_item(flat.ssa)
        else:
            count = self.numel(value)
        if rest == 0:
            raise self.error("-1 cannot be told beside a dimension of 0")
        if isinstance(count, int) and isinstance(rest, int) and count % rest:
            raise self.error(f"{count} elements do not fill a shape of {rest} and -1")
        found = sizes.floor_divide(count, rest)
        return tuple(found if n == -1 else n for n in shape)

    def expand(self, value: Value, shape: Sequence[Int]) -> Value:
        """The value broadcast to a shape; its dimensions are 1 or those of the shape."""
        if value.rank is not None and self.sizes(value) == tuple(shape):
            return value
        if all(isinstance(n, int) for n in shape):
            return self.one("expand", [value, None], {"shape": self.ints(shape)})
        return self.type_as(self.one("expand", [value, self.vector(shape)]), shape)

    def full(self, shape: Sequence[Int], array: Array) -> Value:
        """A tensor of a shape whose elements are all that of an array of one element."""
        value = array.reshape(1)
        if all(isinstance(n, int) for n in shape):
            known = self.ints(shape)
            if min(known, default=0) < 0:
                raise self.error(f"{list(known)} is not a shape")
            if math.prod(known) <= _MOST_FOLDED:
                return self.constant(np.full(known, value[0], value.dtype))
            return self.one("constant_of_shape", [None], {"shape": known, "value": value})
        made = self.one("constant_of_shape", [self.vector(shape)], {"value": value})
        return self.type_as(made, shape)

    # Types.

    def dtype(self, dtype: DType | None, default: Dtype) -> Dtype:
        """The NumPy dtype of a `dtype` argument."""
        return default if dtype is None else numpy_of(dtype)

    def cast(self, value: Value, dtype: Dtype | DType) -> Value:
        """The value with another element type; the value itself when it has it."""
        wanted = numpy_of(dtype) if isinstance(dtype, DType) else dtype
        if value.dtype == wanted:
            return value
        if promotion.is_complex(wanted) or promotion.is_complex(value.dtype):
            raise self.unsupported(f"{value.dtype} as {wanted}: complex numbers are not supported")
        # What is too large for a float8 becomes its infinity or NaN.
        overflows = {"saturate": False} if wanted.name.startswith("float8") else {}
        return self.one("cast", [value], {"to": wanted, **overflows})

    def tensor(self, value: Scalar, dtype: Dtype | None = None) -> Value:
        """A tensor or number as a tensor of a type."""
        if isinstance(value, TensorValue):
            return value if dtype is None else self.cast(value, dtype)
        if isinstance(value, Size):
            return self.tensor(self.number(value), dtype)
        return self.constant(self.scalar_array(value, dtype))

    def result_type(self, *values: Scalar) -> Dtype:
        """torch's result type of an operation on tensors and numbers."""
        return promotion.result_type(values)

    def promote(self, *values: Scalar, dtype: Dtype | None = None) -> tuple[Value, ...]:
        """Tensors and numbers as tensors of their result type, or of the type given."""
        wanted = self.result_type(*values) if dtype is None else dtype
        return tuple(self.tensor(value, wanted) for value in values)

    def float_type(self, *values: Scalar) -> Dtype:
        """The result type, f32 where that is of integers or bools."""
        found = self.result_type(*values)
        return found if found.kind not in "biu" else promotion.FLOAT32

    def require_inference(self, training: bool) -> None:
        """Refuse an operator that is to behave as in training."""
        if training:
            raise self.unsupported(
                "is in training mode", hint="export the model after model.eval()"
            )


def _retype(value: SSAValue, kind: Attribute) -> None:
    # `Rewriter.replace_value_with_new_type` makes another value, but sizes refer to this one.
    value._type = kind  # pyright: ignore[reportPrivateUsage]


def _raw(operand: Operand) -> OperandArg:
    if operand is None or isinstance(operand, TensorValue):
        return None if operand is None else operand.ssa
    return [item.ssa for item in operand]


def _static_shape(shape: tuple[int, ...]) -> Properties:
    return {"shape": shape, "allowzero": 0 in shape}


def _folded(op: PfrtOp) -> tuple[Array, ...] | None:
    """The results of an op on few constants."""
    if not op.operands or op.regions or op.name in _RANDOM:
        return None
    for result in op.results:
        shape = static_shape_of(result)
        if shape is None or math.prod(shape) > _MOST_FOLDED:
            return None
    arrays: list[Array | None] = []
    for slot in op.operand_slots():
        array = None if slot is None else constant_of(slot)
        if slot is not None and (array is None or array.size > _MOST_FOLDED):
            return None
        arrays.append(array)
    kernel = kernels.table().get(op.name.removeprefix("pfrt."))
    if kernel is None:
        return None
    try:
        results = kernel(*arrays, **from_properties(op.kernel_properties()))
    except (ValueError, ArithmeticError):
        return None
    return cast("tuple[Array, ...]", results) if isinstance(results, tuple) else (results,)
