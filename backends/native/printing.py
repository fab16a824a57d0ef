"""The `llvm` dialect as LLVM's own text.

xDSL's way to LLVM goes through llvmlite's objects, which takes several times as long as compiling what
comes out, and knows no indirect calls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    VectorType,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from pyflame_rt.backends.native.builder import suffix_of
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
        llvm.SIToFPOp: "sitofp",
        llvm.TruncOp: "trunc",
        llvm.IntToPtrOp: "inttoptr",
        llvm.PtrToIntOp: "ptrtoint",
    }
)


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
        self._names: dict[SSAValue, str] = {}
        self._types: dict[Attribute, str] = {}
        self._blocks = {block: f"b{i}" for i, block in enumerate(op.body.blocks)}
        self._incoming: dict[Block, list[tuple[Block, Sequence[SSAValue]]]] = {}

    def text(self) -> str:
        """The definition."""
        op, blocks = self._op, list(self._blocks)
        for block in blocks:
            self._follow(block)
        for block in blocks:
            for value in (*block.args, *(r for o in block.ops for r in o.results)):
                self._names[value] = self._literal(value) or f"%v{len(self._names)}"
        lines: list[str] = []
        for block in blocks:
            lines.append(f"{self._blocks[block]}:")
            if block is not blocks[0]:
                lines += [self._phi(arg) for arg in block.args]
            lines += [line for o in block.ops for line in self._lines(o)]
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
            f"[ {self._names[given[arg.index]]}, %{self._blocks[block]} ]"
            for block, given in self._incoming.get(arg.block, ())
        )
        return f"{self._names[arg]} = phi {self._type(arg.type)} {pairs}"

    def _literal(self, value: SSAValue) -> str | None:
        """What stands for a constant wherever it is used."""
        match value.owner:
            case llvm.UndefOp():
                return "poison"
            case llvm.ZeroOp():
                return "null" if value.type == llvm.LLVMPointerType() else "zeroinitializer"
            case llvm.ConstantOp() as op:
                return _constant(op.value)
            case _:
                return None

    def _type(self, kind: Attribute) -> str:
        found = self._types.get(kind)
        if found is None:
            found = self._types[kind] = _type_text(kind)
        return found

    def _typed(self, value: SSAValue) -> str:
        return f"{self._type(value.type)} {self._names[value]}"

    def _lines(self, op: Operation) -> Iterator[str]:
        names = self._names
        if (name := _BINARY.get(type(op))) is not None:
            a, b = op.operands
            yield f"{names[op.results[0]]} = {name} {self._typed(a)}, {names[b]}"
            return
        if (name := _CASTS.get(type(op))) is not None:
            to = self._type(op.results[0].type)
            yield f"{names[op.results[0]]} = {name} {self._typed(op.operands[0])} to {to}"
            return
        match op:
            case llvm.ConstantOp() | llvm.UndefOp() | llvm.ZeroOp():
                pass
            case llvm.FMAOp():
                yield self._call("llvm.fma." + suffix_of(op.res.type), op.operands, op.res)
            case llvm.LoadOp():
                kind = self._type(op.dereferenced_value.type)
                place, alignment = self._typed(op.ptr), _alignment(op.alignment)
                yield f"{names[op.dereferenced_value]} = load {kind}, {place}{alignment}"
            case llvm.StoreOp():
                alignment = _alignment(op.alignment)
                yield f"store {self._typed(op.value)}, {self._typed(op.ptr)}{alignment}"
            case llvm.GEPOp():
                index = (
                    self._typed(op.ssa_indices[0])
                    if op.ssa_indices
                    else f"i64 {next(iter(op.rawConstantIndices.iter_values()))}"
                )
                kind = self._type(op.elem_type)
                yield f"{names[op.result]} = getelementptr {kind}, {self._typed(op.ptr)}, {index}"
            case llvm.ICmpOp():
                how = llvm.ICmpPredicateFlag.from_int(op.predicate.value.data).value
                yield f"{names[op.res]} = icmp {how} {self._typed(op.lhs)}, {names[op.rhs]}"
            case llvm.FCmpOp():
                how = llvm.FCmpPredicateFlag.from_int(op.predicate.value.data).value
                yield f"{names[op.res]} = fcmp {how} {self._typed(op.lhs)}, {names[op.rhs]}"
            case llvm.SelectOp():
                given = ", ".join(map(self._typed, op.operands))
                yield f"{names[op.res]} = select {given}"
            case llvm.InsertElementOp():
                given = ", ".join(map(self._typed, (op.vector, op.value, op.index)))
                yield f"{names[op.res]} = insertelement {given}"
            case llvm.ShuffleVectorOp():
                places = list(op.mask.iter_values())
                mask = f"<{len(places)} x i32> " + _listed(places)
                given = ", ".join(map(self._typed, (op.v1, op.v2)))
                yield f"{names[op.res]} = shufflevector {given}, {mask}"
            case llvm.CallIntrinsicOp():
                result = op.ress
                flags = " ".join(flag.value for flag in op.fastmathFlags.data)
                yield self._call(op.intrin.data, op.args, result, flags)
            case llvm.InlineAsmOp():
                given = ", ".join(map(self._typed, op.operands_))
                result = "void" if op.res is None else self._type(op.res.type)
                to = "" if op.res is None else f"{names[op.res]} = "
                code = f'"{op.asm_string.data}", "{op.constraints.data}"'
                yield f"{to}call {result} asm sideeffect {code}({given})"
            case llvm.CallOp():
                callee, args = op.callee, list(op.args)
                target = f"@{callee.string_value()}" if callee else names[args.pop(0)]
                yield f"call void {target}({', '.join(map(self._typed, args))})"
            case llvm.BrOp():
                yield f"br label %{self._blocks[op.successor]}"
            case llvm.CondBrOp():
                yes, no = self._blocks[op.then_block], self._blocks[op.else_block]
                yield f"br {self._typed(op.cond)}, label %{yes}, label %{no}"
            case llvm.ReturnOp():
                yield "ret void"
            case _:
                raise BackendError(f"{op.name} has no text for LLVM")

    def _call(
        self, name: str, args: Sequence[SSAValue], result: SSAValue | None, flags: str = ""
    ) -> str:
        kind = "void" if result is None else self._type(result.type)
        if name not in self._declared:
            kinds = ", ".join(self._type(arg.type) for arg in args)
            self._declared[name] = f"declare {kind} @{name}({kinds})"
        to = "" if result is None else f"{self._names[result]} = "
        flags = f"{flags} " if flags else ""
        return f"{to}call {flags}{kind} @{name}({', '.join(map(self._typed, args))})"


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
