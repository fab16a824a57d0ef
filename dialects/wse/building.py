"""Builds the code of tasks: scalar arithmetic, control flow, vector ops and the rest of the statements."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar, cast

from xdsl.dialects import arith, math, memref, scf
from xdsl.dialects.builtin import (
    Float16Type,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    f16,
    f32,
    i1,
    i16,
    i32,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from pyflame_rt.dialects.wse import builtins
from pyflame_rt.dialects.wse.attributes import CostAttr
from pyflame_rt.dialects.wse.base import COST, bits_of, name_of
from pyflame_rt.dialects.wse.dsds import (
    DsdOp,
    DsrOp,
    FifoOp,
    IncrementDsdOffsetOp,
    LoadToDsrOp,
    SetDsdBaseAddrOp,
    SetDsdLengthOp,
    SetDsdOffsetOp,
    SetDsdStrideOp,
)
from pyflame_rt.dialects.wse.maps import MapOp, YieldOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp, SetColorOp
from pyflame_rt.dialects.wse.scalars import ControlWordOp, DeclareCostOp, PrintOp, TimestampOp
from pyflame_rt.dialects.wse.tasks import (
    ActivateOp,
    BlockOp,
    CallOp,
    FuncOp,
    HaltOp,
    TaskOp,
    UnblockOp,
)
from pyflame_rt.dialects.wse.tile import BufferOp, GetBufferOp, GetOp, ParamOp, SetOp, VarOp
from pyflame_rt.dialects.wse.vector import PRIORITIES, VectorOp
from pyflame_rt.errors import ValidationError

OpT = TypeVar("OpT", bound=Operation)
ValueT = TypeVar("ValueT")
DECLARATIONS: Final[tuple[type[Operation] | tuple[type[Operation], ...], ...]] = (
    ParamOp,
    BufferOp,
    VarOp,
    (InputQueueOp, OutputQueueOp),
    FifoOp,
    DsdOp,
    DsrOp,
    (TaskOp, FuncOp),
)
"""The order in which a tile declares things."""

Named: TypeAlias = "str | Operation"
Type: TypeAlias = "str | Attribute"
Scalar: TypeAlias = "SSAValue | float"

TYPES: Final[dict[str, Attribute]] = {
    "i1": i1,
    "i16": i16,
    "u16": i16,
    "i32": i32,
    "u32": i32,
    "f16": f16,
    "f32": f32,
    "index": IndexType(),
}
"""Scalar types by name; signedness is the operation's."""

_BUILTINS: Final = {op.name.removeprefix("wse."): op for op in builtins.OPS}

_INTEGER: Final[dict[str, type[Any]]] = {
    "add": arith.AddiOp, "sub": arith.SubiOp, "mul": arith.MuliOp, "div": arith.DivSIOp,
    "rem": arith.RemSIOp, "min": arith.MinSIOp, "max": arith.MaxSIOp, "and": arith.AndIOp,
    "or": arith.OrIOp, "xor": arith.XOrIOp, "shl": arith.ShLIOp, "shr": arith.ShRSIOp,
}  # fmt: skip
_UNSIGNED: Final[dict[str, type[Any]]] = {
    "div": arith.DivUIOp, "rem": arith.RemUIOp, "min": arith.MinUIOp, "max": arith.MaxUIOp,
    "shr": arith.ShRUIOp,
}  # fmt: skip
_FLOAT: Final[dict[str, type[Any]]] = {
    "add": arith.AddfOp, "sub": arith.SubfOp, "mul": arith.MulfOp, "div": arith.DivfOp,
    "min": arith.MinimumfOp, "max": arith.MaximumfOp,
}  # fmt: skip
_COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge")


def named(symbol: Named) -> str:
    """The name that an op declares, or the name itself."""
    if isinstance(symbol, str):
        return symbol
    return cast(StringAttr, symbol.properties["sym_name"]).data


def insert_sorted(
    block: Block, op: Operation, kinds: Sequence[type[Operation] | tuple[type[Operation], ...]]
) -> None:
    """Put an op into a block where ops are in the order of their kinds."""

    def rank(other: Operation) -> int:
        return next(n for n, kind in enumerate(kinds) if isinstance(other, kind))

    before = block.last_op
    while before is not None and rank(before) > rank(op):
        before = before.prev_op
    if before is not None:
        block.insert_op_after(op, before)
    elif block.first_op is not None:
        block.insert_op_before(op, block.first_op)
    else:
        block.add_op(op)


def type_of(kind: Type) -> Attribute:
    """A scalar type by its name. Raises ValidationError."""
    return _known(TYPES, kind, "type") if isinstance(kind, str) else kind


def _known(table: Mapping[str, ValueT], name: str, what: str) -> ValueT:
    """What a table has for a name. Raises ValidationError."""
    if name not in table:
        raise ValidationError(
            f"there is no {what} {name!r}", where="wse builder", hint=f"one of {', '.join(table)}"
        )
    return table[name]


class CodeBuilder:
    """Appends ops to the block that is open; the tile's own at first."""

    def __init__(self, block: Block):
        self._declarations = block
        self._blocks: list[Block] = []

    def declare(self, op: OpT) -> OpT:
        """Add a declaration to the tile, after those of its kind."""
        insert_sorted(self._declarations, op, DECLARATIONS)
        return op

    def emit(self, op: OpT) -> OpT:
        """Append any op to the code that is open."""
        (self._blocks[-1] if self._blocks else self._declarations).add_op(op)
        return op

    @contextmanager
    def inside(self, block: Block) -> Generator[None]:
        """Let code go into another block."""
        self._blocks.append(block)
        try:
            yield
        finally:
            self._blocks.pop()

    # Scalars.

    def constant(self, value: float, kind: Type = "i32") -> SSAValue:
        """A constant."""
        wanted = type_of(kind)
        floating = isinstance(wanted, Float16Type | Float32Type)
        attribute = (
            FloatAttr(float(value), cast(Any, wanted))
            if floating
            else IntegerAttr(int(value), cast(Any, wanted))
        )
        result = self.emit(arith.ConstantOp(attribute)).result
        if not floating and value >= 0:
            result.name_hint = f"c{int(value)}"
        return result

    def value(self, value: Scalar, like: Attribute) -> SSAValue:
        """A value as it is; a number as a constant of a type."""
        return value if isinstance(value, SSAValue) else self.constant(value, like)

    def alu(
        self, function: str, left: Scalar, right: Scalar = 0, *, unsigned: bool = False,
        cost: CostAttr | None = None,
    ) -> SSAValue:  # fmt: skip
        """left FUNCTION right: add sub mul div rem min max and or xor shl shr, a comparison, neg abs not sqrt.

        One of the two may be a number. Comparisons give an i1.
        """
        like = next((x.type for x in (left, right) if isinstance(x, SSAValue)), i32)
        first = self.value(left, like)
        op = self._alu(function, first, right, like, unsigned)
        if cost is not None:
            op.attributes[COST] = cost
        return self.emit(op).results[0]

    def _alu(
        self, function: str, first: SSAValue, right: Scalar, like: Attribute, unsigned: bool
    ) -> Operation:
        floating = isinstance(like, Float16Type | Float32Type)
        match function:
            case "neg" if floating:
                return arith.NegfOp(first)
            case "neg":
                return arith.SubiOp(self.constant(0, like), first)
            case "not":
                return arith.XOrIOp(first, self.constant(-1, like))
            case "abs":
                return math.AbsFOp(first) if floating else math.AbsIOp(first)
            case "sqrt":
                return math.SqrtOp(first)
            case _:
                second = self.value(right, like)
        if function in _COMPARISONS and floating:
            return arith.CmpfOp(first, second, "une" if function == "ne" else "o" + function)
        if function in _COMPARISONS:
            prefix = "" if function in ("eq", "ne") else "u" if unsigned else "s"
            return arith.CmpiOp(first, second, prefix + function)
        table = _FLOAT if floating else _INTEGER | (_UNSIGNED if unsigned else {})
        return _known(table, function, f"function of {like}")(first, second)

    def fma(self, left: SSAValue, right: Scalar, addend: Scalar) -> SSAValue:
        """left * right + addend, rounded once."""
        kind = left.type
        op = math.FmaOp(left, self.value(right, kind), self.value(addend, kind))
        return self.emit(op).result

    def select(self, condition: SSAValue, left: SSAValue, right: SSAValue) -> SSAValue:
        """left where the condition holds, else right."""
        return self.emit(arith.SelectOp(condition, left, right)).result

    def convert(self, value: SSAValue, kind: Type, *, unsigned: bool = False) -> SSAValue:
        """The value in another type; floats to integers truncate."""
        source, target = value.type, type_of(kind)
        if source == target:
            return value
        floats = tuple(isinstance(t, Float16Type | Float32Type) for t in (source, target))
        wider = bits_of(target) > bits_of(source)
        op: Operation
        match floats:
            case (True, True):
                op = arith.ExtFOp(value, target) if wider else arith.TruncFOp(value, target)
            case (True, False):
                of = arith.FPToUIOp if unsigned else arith.FPToSIOp
                op = of(value, cast(Any, target))
            case (False, True):
                to = arith.UIToFPOp if unsigned else arith.SIToFPOp
                op = to(value, cast(Any, target))
            case _ if isinstance(source, IndexType) or isinstance(target, IndexType):
                op = arith.IndexCastOp(value, target)
            case _ if wider:
                extend = arith.ExtUIOp if unsigned or source == i1 else arith.ExtSIOp
                op = extend(value, cast(Any, target))
            case _:
                op = arith.TruncIOp(value, cast(Any, target))
        return self.emit(op).results[0]

    def get(self, var: VarOp | ParamOp) -> SSAValue:
        """The value of a variable or parameter."""
        result = self.emit(GetOp(name_of(var.sym_name), var.kind)).result
        result.name_hint = name_of(var.sym_name)
        return result

    def set(self, var: VarOp, value: Scalar) -> None:
        """Give a variable a value."""
        self.emit(SetOp(name_of(var.sym_name), self.value(value, var.kind)))

    def load(self, buffer: BufferOp, *index: Scalar) -> SSAValue:
        """An element of a buffer; of one with a single element, that one."""
        whole, places = self._places(buffer, index)
        return self.emit(memref.LoadOp.get(whole, places)).res

    def store(self, value: Scalar, buffer: BufferOp, *index: Scalar) -> None:
        """Give an element of a buffer a value."""
        stored = self.value(value, buffer.buffer_type.element_type)
        whole, places = self._places(buffer, index)
        self.emit(memref.StoreOp.get(stored, whole, places))

    def _places(
        self, buffer: BufferOp, index: tuple[Scalar, ...]
    ) -> tuple[SSAValue, list[SSAValue]]:
        given = index or (0,) * buffer.buffer_type.get_num_dims()
        return self._whole(buffer), [self._index(place) for place in given]

    def _whole(self, buffer: BufferOp) -> SSAValue:
        name = name_of(buffer.sym_name)
        for block in self._blocks:
            for op in block.ops:
                if isinstance(op, GetBufferOp) and name_of(op.buffer) == name:
                    return op.result
        result = self.emit(GetBufferOp(name, buffer.buffer_type)).result
        result.name_hint = name
        return result

    def _index(self, value: Scalar) -> SSAValue:
        if isinstance(value, SSAValue):
            return self.convert(value, "index")
        return self.constant(value, "index")

    def timestamp(self, var: VarOp | None = None) -> SSAValue:
        """The cycle, also given to a variable."""
        now = self.emit(TimestampOp()).result
        now.name_hint = "now"
        if var is not None:
            self.set(var, now)
        return now

    def control_word(
        self, *commands: str, task: int | None = None, ignore: bool = False
    ) -> SSAValue:
        """A control word: nop, switch_adv, switch_rst, teardown."""
        return self.emit(ControlWordOp(commands, task=task, ignore=ignore)).result

    # Control flow.

    @contextmanager
    def for_(
        self, start: Scalar, stop: Scalar, step: Scalar = 1, kind: Type = "index"
    ) -> Generator[SSAValue]:
        """A loop; gives the counter, of the type of an end that is a value."""
        ends = (start, stop, step)
        like = next((x.type for x in ends if isinstance(x, SSAValue)), type_of(kind))
        first, last, by = (self.value(end, like) for end in ends)
        body = Block(arg_types=[like])
        self.emit(scf.ForOp(first, last, by, [], Region(body)))
        with self.inside(body):
            yield body.args[0]
            self.emit(scf.YieldOp())

    @contextmanager
    def while_(self, condition: Callable[[], SSAValue]) -> Generator[None]:
        """A loop as long as what `condition` builds holds."""
        before, after = Block(), Block()
        self.emit(scf.WhileOp([], [], Region(before), Region(after)))
        with self.inside(before):
            self.emit(scf.ConditionOp(condition()))
        with self.inside(after):
            yield
            self.emit(scf.YieldOp())

    @contextmanager
    def if_(self, condition: SSAValue) -> Generator[scf.IfOp]:
        """Code that runs when the condition holds; `else_` takes what this gives."""
        body = Block()
        op = self.emit(scf.IfOp(condition, [], Region(body), Region()))
        with self.inside(body):
            yield op
            self.emit(scf.YieldOp())

    @contextmanager
    def else_(self, op: scf.IfOp) -> Generator[None]:
        """Code that runs when the condition of an `if_` doesn't hold."""
        body = Block()
        op.false_region.add_block(body)
        with self.inside(body):
            yield
            self.emit(scf.YieldOp())

    def call(self, func: Named) -> None:
        """Call a function of the tile."""
        self.emit(CallOp(named(func)))

    def halt(self) -> None:
        """Stop the PE."""
        self.emit(HaltOp())

    # Tasks.

    def activate(self, task: Named) -> None:
        """Make a task active."""
        self.emit(ActivateOp(named(task)))

    def block(self, task: Named) -> None:
        """Keep a task from starting."""
        self.emit(BlockOp(named(task)))

    def unblock(self, task: Named) -> None:
        """Let a task start again."""
        self.emit(UnblockOp(named(task)))

    # Vectors.

    def load_dsr(self, dsr: DsrOp, dsd: Named, *, save_address: bool = False) -> DsrOp:
        """Copy a DSD to a DSR."""
        self.emit(LoadToDsrOp(named(dsr), named(dsd), save_address=save_address))
        return dsr

    def vector(
        self, function: str, dest: Named | None = None, src0: Named | None = None,
        src1: Named | None = None, *, scalar: Scalar | None = None, microthread: int | None = None,
        priority: int | str | None = None, activate: Named | None = None,
        unblock: Named | None = None, cost: CostAttr | None = None,
    ) -> VectorOp:  # fmt: skip
        """A vector op on DSDs or DSRs; priorities are 0 low, 1 normal, 2 high, or these words."""
        builtin = _known(_BUILTINS, function, "builtin")
        of = builtin.SIGNATURE.scalar
        like = TYPES[{"16": "i16", "32": "i32"}.get(str(of), str(of))] if of is not None else i32
        names = [None if x is None else named(x) for x in (dest, src0, src1, activate, unblock)]
        op = builtin(
            *names[:3],
            scalar=None if scalar is None else self.value(scalar, like),
            thread=microthread,
            priority=PRIORITIES[priority] if isinstance(priority, int) else priority,
            activate=names[3],
            unblock=names[4],
        )
        if cost is not None:
            op.attributes[COST] = cost
        return self.emit(op)

    @contextmanager
    def map(self, vector: Named, kind: Type = "f32") -> Generator[SSAValue]:
        """Code for each element of a vector in memory, which it gives."""
        op = self.emit(MapOp.over(named(vector), type_of(kind)))
        with self.inside(op.body.block):
            yield op.element

    def yield_(self, value: SSAValue) -> None:
        """End a map's code with the value that takes the element's place."""
        self.emit(YieldOp(value))

    def increment_dsd_offset(self, dsd: Named, amount: Scalar) -> None:
        """Move a DSD by a number of elements."""
        self.emit(IncrementDsdOffsetOp(named(dsd), self.value(amount, i16)))

    def set_dsd_offset(self, dsd: Named, offset: Scalar) -> None:
        """Put a DSD at an element of its buffer."""
        self.emit(SetDsdOffsetOp(named(dsd), self.value(offset, i16)))

    def set_dsd_length(self, dsd: Named, length: Scalar) -> None:
        """Set the number of elements of a DSD."""
        self.emit(SetDsdLengthOp(named(dsd), self.value(length, i16)))

    def set_dsd_stride(self, dsd: Named, stride: Scalar) -> None:
        """Set the stride of a DSD, in elements."""
        self.emit(SetDsdStrideOp(named(dsd), self.value(stride, i16)))

    def set_dsd_base_addr(self, dsd: Named, buffer: Named) -> None:
        """Move a DSD to another buffer."""
        self.emit(SetDsdBaseAddrOp(named(dsd), named(buffer)))

    def set_color(self, queue: Named, color: Named) -> None:
        """Bind a queue to another colour."""
        self.emit(SetColorOp(named(queue), named(color)))

    # The rest.

    def print(self, text: str, value: SSAValue | None = None) -> None:
        """Record a text and a value."""
        self.emit(PrintOp(text, value))

    def declare_cost(self, label: str, cycles: int) -> None:
        """Take a declared number of cycles."""
        self.emit(DeclareCostOp(label, cycles))
