"""The `llvm` dialect as LLVM's own text.

xDSL's way to LLVM goes through llvmlite's objects, which takes several times as long as compiling what
comes out, and knows no indirect calls.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    VectorType,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from pyflame_rt.backends.native.writing.builder import suffix_of
from pyflame_rt.errors import BackendError

_BINARY: Mapping[type[Operation], str] = MappingProxyType(
    {
        llvm.AddOp: "add",
        llvm.SubOp: "sub",
        llvm.MulOp: "mul",
        llvm.LShrOp: "lshr",
        llvm.AShrOp: "ashr",
        llvm.ShlOp: "shl",
        llvm.AndOp: "and",
        llvm.OrOp: "or",
        llvm.XOrOp: "xor",
        llvm.FAddOp: "fadd",
        llvm.FSubOp: "fsub",
        llvm.FMulOp: "fmul",
        llvm.FDivOp: "fdiv",
    }
)
_CASTS: Mapping[type[Operation], str] = MappingProxyType(
    {
        llvm.BitcastOp: "bitcast",
        llvm.ZExtOp: "zext",
        llvm.FPExtOp: "fpext",
        llvm.FPTruncOp: "fptrunc",
        llvm.SIToFPOp: "sitofp",
        llvm.TruncOp: "trunc",
        llvm.IntToPtrOp: "inttoptr",
        llvm.PtrToIntOp: "ptrtoint",
    }
)
_LITERALS = frozenset((llvm.ConstantOp, llvm.UndefOp, llvm.ZeroOp))


def to_text(module: ModuleOp) -> str:
    """A module of `llvm.func` as text that LLVM reads.

    Raises BackendError for an op that is none of those kernels are made of.
    """
    declared: dict[str, str] = {}
    texts = [_Function(op, declared).text() for op in module.ops if isinstance(op, llvm.FuncOp)]
    return "\n".join((*declared.values(), *texts)) + "\n"


class _Function:
    """The text of one function: names of its values, and its lines."""

    def __init__(self, op: llvm.FuncOp, declared: dict[str, str]) -> None:
        self._op, self._declared = op, declared
        self._names: dict[int, str] = {}
        """By identity: values are compared so anyway."""
        self._types: dict[int, str] = {}
        self._blocks = {block: f"b{i}" for i, block in enumerate(op.body.blocks)}
        self._incoming: dict[Block, list[tuple[Block, Sequence[SSAValue]]]] = {}

    def text(self) -> str:
        """The definition."""
        op, blocks = self._op, list(self._blocks)
        for block in blocks:
            self._follow(block)
        for block in blocks:
            for value in (*block.args, *(r for o in block.ops for r in o.results)):
                self._names[id(value)] = self._literal(value) or f"%v{len(self._names)}"
        lines: list[str] = []
        for block in blocks:
            lines.append(f"{self._blocks[block]}:")
            if block is not blocks[0]:
                lines += [self._phi(arg) for arg in block.args]
            lines += [line for o in block.ops if (line := self._line(o))]
        linkage = "" if op.linkage.linkage.data == "external" else "internal "
        args = ", ".join(self._typed(arg) for arg in blocks[0].args)
        head = f"define {linkage}void @{op.sym_name.data}({args}) nounwind {{"
        return "\n".join((head, *lines, "}"))

    def _follow(self, block: Block) -> None:
        match block.last_op:
            case llvm.BrOp() as op:
                self._incoming.setdefault(op.successor, []).append((block, op.arguments))
            case llvm.CondBrOp() as op:
                for after, given in (
                    (op.then_block, op.then_arguments),
                    (op.else_block, op.else_arguments),
                ):
                    self._incoming.setdefault(after, []).append((block, given))
            case _:
                pass

    def _phi(self, arg: BlockArgument) -> str:
        pairs = ", ".join(
            f"[ {self._names[id(given[arg.index])]}, %{self._blocks[block]} ]"
            for block, given in self._incoming.get(arg.block, ())
        )
        return f"{self._names[id(arg)]} = phi {self._type(arg.type)} {pairs}"

    def _literal(self, value: SSAValue) -> str | None:
        """What stands for a constant wherever it is used."""
        owner = value.owner
        kind = type(owner)
        if kind is llvm.ConstantOp:
            return _constant(cast(llvm.ConstantOp, owner).value)
        if kind is llvm.UndefOp:
            return "poison"
        if kind is llvm.ZeroOp:
            return "null" if value.type == llvm.LLVMPointerType() else "zeroinitializer"
        return None

    def _type(self, kind: Attribute) -> str:
        # By identity: attributes of one function live as long as it, and are large to compare.
        found = self._types.get(id(kind))
        if found is None:
            found = self._types[id(kind)] = _type_text(kind)
        return found

    def _typed(self, value: SSAValue) -> str:
        return f"{self._type(value.type)} {self._names[id(value)]}"

    def _all(self, values: Iterable[SSAValue]) -> str:
        return ", ".join(map(self._typed, values))

    def _line(self, op: Operation) -> str:
        """The text of an op; "" for one that has none."""
        kind = type(op)
        if (name := _BINARY.get(kind)) is not None:
            a, b = op.operands
            return (
                f"{self._names[id(op.results[0])]} = {name} {self._typed(a)}, {self._names[id(b)]}"
            )
        if (name := _CASTS.get(kind)) is not None:
            to = self._type(op.results[0].type)
            return (
                f"{self._names[id(op.results[0])]} = {name} {self._typed(op.operands[0])} to {to}"
            )
        if kind in _LITERALS:
            return ""
        write = self.WRITERS.get(kind)
        if write is None:
            raise BackendError(f"{op.name} has no text for LLVM")
        return write(self, op)

    def _fma(self, op: llvm.FMAOp) -> str:
        result = op.results[0]
        return self._call("llvm.fma." + suffix_of(result.type), op.operands, result)

    def _load(self, op: llvm.LoadOp) -> str:
        result, place = op.results[0], self._typed(op.operands[0])
        kind, alignment = self._type(result.type), _alignment(op.properties.get("alignment"))
        return f"{self._names[id(result)]} = load {kind}, {place}{alignment}"

    def _store(self, op: llvm.StoreOp) -> str:
        return f"store {self._all(op.operands)}{_alignment(op.properties.get('alignment'))}"

    def _address(self, op: llvm.GEPOp) -> str:
        pointer, *indices = op.operands
        index = (
            self._typed(indices[0])
            if indices
            else f"i64 {next(iter(op.rawConstantIndices.iter_values()))}"
        )
        kind = self._type(op.elem_type)
        return f"{self._names[id(op.results[0])]} = getelementptr {kind}, {self._typed(pointer)}, {index}"

    def _room(self, op: llvm.AllocaOp) -> str:
        given = f"{self._type(op.elem_type)}, {self._typed(op.size)}{_alignment(op.alignment)}"
        return f"{self._names[id(op.res)]} = alloca {given}"

    def _compare(self, op: llvm.ICmpOp) -> str:
        how = llvm.ICmpPredicateFlag.from_int(op.predicate.value.data).value
        return f"{self._names[id(op.res)]} = icmp {how} {self._typed(op.lhs)}, {self._names[id(op.rhs)]}"

    def _compare_floats(self, op: llvm.FCmpOp) -> str:
        how = llvm.FCmpPredicateFlag.from_int(op.predicate.value.data).value
        return f"{self._names[id(op.res)]} = fcmp {how} {self._typed(op.lhs)}, {self._names[id(op.rhs)]}"

    def _select(self, op: llvm.SelectOp) -> str:
        return f"{self._names[id(op.res)]} = select {self._all(op.operands)}"

    def _insert(self, op: llvm.InsertElementOp) -> str:
        given = self._all((op.vector, op.value, op.index))
        return f"{self._names[id(op.res)]} = insertelement {given}"

    def _shuffle(self, op: llvm.ShuffleVectorOp) -> str:
        places = list(op.mask.iter_values())
        mask = f"<{len(places)} x i32> " + _listed(places)
        return f"{self._names[id(op.res)]} = shufflevector {self._all((op.v1, op.v2))}, {mask}"

    def _intrinsic(self, op: llvm.CallIntrinsicOp) -> str:
        flags = " ".join(flag.value for flag in op.fastmathFlags.data)
        return self._call(op.intrin.data, op.args, op.ress, flags)

    def _assembly(self, op: llvm.InlineAsmOp) -> str:
        result = "void" if op.res is None else self._type(op.res.type)
        to = "" if op.res is None else f"{self._names[id(op.res)]} = "
        code = f'"{op.asm_string.data}", "{op.constraints.data}"'
        return f"{to}call {result} asm sideeffect {code}({self._all(op.operands_)})"

    def _function_call(self, op: llvm.CallOp) -> str:
        callee, args = op.callee, list(op.args)
        target = f"@{callee.string_value()}" if callee else self._names[id(args.pop(0))]
        return f"call void {target}({self._all(args)})"

    def _branch(self, op: llvm.BrOp) -> str:
        return f"br label %{self._blocks[op.successor]}"

    def _branches(self, op: llvm.CondBrOp) -> str:
        yes, no = self._blocks[op.then_block], self._blocks[op.else_block]
        return f"br {self._typed(op.cond)}, label %{yes}, label %{no}"

    def _return(self, op: llvm.ReturnOp) -> str:
        return "ret void"

    def _call(
        self, name: str, args: Sequence[SSAValue], result: SSAValue | None, flags: str = ""
    ) -> str:
        kind = "void" if result is None else self._type(result.type)
        if name not in self._declared:
            kinds = ", ".join(self._type(arg.type) for arg in args)
            self._declared[name] = f"declare {kind} @{name}({kinds})"
        to = "" if result is None else f"{self._names[id(result)]} = "
        flags = f"{flags} " if flags else ""
        return f"{to}call {flags}{kind} @{name}({self._all(args)})"

    WRITERS: ClassVar[Mapping[type[Operation], Callable[[Any, Any], str]]] = MappingProxyType(
        {
            llvm.FMAOp: _fma,
            llvm.LoadOp: _load,
            llvm.StoreOp: _store,
            llvm.GEPOp: _address,
            llvm.AllocaOp: _room,
            llvm.ICmpOp: _compare,
            llvm.FCmpOp: _compare_floats,
            llvm.SelectOp: _select,
            llvm.InsertElementOp: _insert,
            llvm.ShuffleVectorOp: _shuffle,
            llvm.CallIntrinsicOp: _intrinsic,
            llvm.InlineAsmOp: _assembly,
            llvm.CallOp: _function_call,
            llvm.BrOp: _branch,
            llvm.CondBrOp: _branches,
            llvm.ReturnOp: _return,
        }
    )


def _type_text(kind: Attribute) -> str:
    match kind:
        case llvm.LLVMPointerType():
            return "ptr"
        case VectorType():
            return f"<{kind.get_shape()[0]} x {_type_text(kind.element_type)}>"
        case _:
            return {"f32": "float", "f64": "double", "f16": "half", "bf16": "bfloat"}.get(
                str(kind), str(kind)
            )


def _alignment(attribute: Attribute | None) -> str:
    return f", align {attribute.value.data}" if isinstance(attribute, IntegerAttr) else ""


def _constant(value: Attribute) -> str:
    match value:
        case IntegerAttr():
            return str(value.value.data)
        case FloatAttr():
            return _float(value.value.data)
        case DenseIntOrFPElementsAttr():
            kind = cast("VectorType[Any]", value.type)
            element = _type_text(kind.element_type)
            to_text = _float if element in ("float", "double") else str
            numbers = [to_text(cast(Any, number)) for number in value.get_values()]
            if len(numbers) == 1:
                return f"splat ({element} {numbers[0]})"
            return "<" + ", ".join(f"{element} {number}" for number in numbers) + ">"
        case _:
            raise BackendError(f"{value} is no constant for LLVM")


def _float(number: float) -> str:
    """A number as the bits of a double, which is how LLVM writes any."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def _listed(numbers: Sequence[int]) -> str:
    if not any(numbers):
        return "zeroinitializer"
    return "<" + ", ".join(f"i32 {number}" for number in numbers) + ">"
