"""A part of a model, as a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.shape_inference import functions, update_signature

_SHOWN = 5
"""How many names an error lists."""


@dataclass(frozen=True)
class PfrtExtractPass(ModulePass):
    """Cuts from `@main` what computes some values from others, called by the model's own names.

    Before: `func.func @main(%x: tensor<4xf32> {pfrt.name = "x"})`, `%h = pfrt.relu %x as "h"`,
    `%y = pfrt.exp %h as "y"`, `%z = pfrt.neg %y as "z"`, `func.return %z`
    After `{inputs=h outputs=y}`: `func.func @main(%h: tensor<4xf32> {pfrt.name = "h"})`,
    `%y = pfrt.exp %h as "y"`, `func.return %y`

    Constants that it needs stay in it. Requires a function `@main` of one block; the names are
    those of its arguments, of its results, and of what the ops of that block compute.
    """

    name = "pfrt-extract"

    inputs: tuple[str, ...] = ()
    """Values that become the arguments, in this order; by default the model's inputs it needs."""

    outputs: tuple[str, ...] = ()
    """Values that become the results, in this order; by default the model's outputs."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        main = next((f for f in functions(op) if f.sym_name.data == "main"), None)
        if main is None:
            raise PassFailed("there is no function @main to extract from")
        known, own = _values(main), _returned(main)
        outputs = _chosen(self.outputs, known, "output") if self.outputs else own
        inputs = _chosen(self.inputs, known, "input")
        slice_ = _Slice.of(outputs.values(), inputs.values())
        if self.inputs:
            _require_complete(outputs, inputs, known)
        else:
            inputs = {n: v for n, v in known.items() if v in slice_.arguments}
        rows = _rows(main)
        main.properties["arg_attrs"] = _named(inputs, rows)
        main.properties["res_attrs"] = _named(outputs, rows)
        _rebuild(main.body.block, inputs, outputs, slice_)
        update_signature(main)


@dataclass(frozen=True)
class _Slice:
    """What some values are computed by: ops, and the function's arguments."""

    ops: Collection[Operation]
    arguments: Collection[SSAValue]

    @staticmethod
    def of(wanted: Collection[SSAValue], given: Collection[SSAValue]) -> _Slice:
        ops: dict[Operation, None] = {}
        arguments: dict[SSAValue, None] = {}
        pending, ends = list(wanted), set(given)
        while pending:
            value = pending.pop()
            if value in ends:
                continue
            ends.add(value)
            if isinstance(value.owner, Block):
                arguments[value] = None
            elif value.owner not in ops:
                ops[value.owner] = None
                pending += _uses(value.owner)
        return _Slice(ops, arguments)


def _uses(op: Operation) -> Iterator[SSAValue]:
    """The values of the op's block that it reads, also in its regions."""
    for inner in op.walk():
        for value in inner.operands:
            block = value.owner if isinstance(value.owner, Block) else value.owner.parent
            if block is op.parent:
                yield value


def _returned(main: func.FuncOp) -> dict[str, SSAValue]:
    last = main.body.block.last_op
    values = last.operands if isinstance(last, func.ReturnOp) else ()
    rows = _dictionaries(main.res_attrs, len(values))
    return {
        _name(row) or f"result{index}": value
        for index, (row, value) in enumerate(zip(rows, values, strict=True))
    }


def _values(main: func.FuncOp) -> dict[str, SSAValue]:
    """The values of the function's block that have names, in order."""
    arguments = main.body.block.args
    rows = _dictionaries(main.arg_attrs, len(arguments))
    named: dict[str, SSAValue] = {
        _name(row) or f"arg{index}": argument
        for index, (row, argument) in enumerate(zip(rows, arguments, strict=True))
    }
    for op in main.body.block.ops:
        if isinstance(op, PfrtOp) and op.names is not None:
            for name, result in zip(op.names.data, op.results, strict=False):
                named.setdefault(name, result)
    # Rewriting may have left an output to an op that has another name or none.
    for name, value in _returned(main).items():
        named.setdefault(name, value)
    named.pop("", None)
    return named


def _chosen(names: Sequence[str], known: Mapping[str, SSAValue], what: str) -> dict[str, SSAValue]:
    chosen: dict[str, SSAValue] = {}
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f'did you mean "{close[0]}"?' if close else f"there are {_listed(list(known))}"
            raise PassFailed(f'there is no value "{name}" to be an {what}', hint=hint)
        if name in chosen:
            raise PassFailed(f'{what} "{name}" is given twice')
        chosen[name] = known[name]
    return chosen


def _require_complete(
    outputs: Mapping[str, SSAValue], inputs: Mapping[str, SSAValue], known: Mapping[str, SSAValue]
) -> None:
    names = {value: name for name, value in known.items()}
    for name, value in outputs.items():
        missing = [names[v] for v in _Slice.of([value], inputs.values()).arguments]
        if missing:
            raise PassFailed(
                f'output "{name}" depends on {_listed(missing)}, which the inputs do not cut off',
                hint="add them to the inputs, or values computed from them",
            )


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(f'"{name}"' for name in names[:_SHOWN]) or "none"
    return f"{text} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else text


def _rebuild(
    block: Block, inputs: Mapping[str, SSAValue], outputs: Mapping[str, SSAValue], slice_: _Slice
) -> None:
    last = block.last_op
    assert last is not None
    last.operands = list(outputs.values())
    old = block.args
    for value in inputs.values():
        argument = block.insert_arg(value.type, len(block.args))
        argument.name_hint = value.name_hint
        value.replace_all_uses_with(argument)
    for op in reversed(list(block.ops)):
        if op is not last and op not in slice_.ops:
            block.erase_op(op)
    for argument in old:
        block.erase_arg(argument)


def _rows(main: func.FuncOp) -> dict[SSAValue, DictionaryAttr]:
    """What is known of the function's arguments and results."""
    returned, arguments = _returned(main).values(), main.body.block.args
    results = zip(returned, _dictionaries(main.res_attrs, len(returned)), strict=True)
    given = zip(arguments, _dictionaries(main.arg_attrs, len(arguments)), strict=True)
    return {**dict(results), **dict(given)}


def _named(
    values: Mapping[str, SSAValue], rows: Mapping[SSAValue, DictionaryAttr]
) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr(
        DictionaryAttr({**(rows[v].data if v in rows else {}), "pfrt.name": StringAttr(name)})
        for name, v in values.items()
    )


def _dictionaries(attrs: ArrayAttr[DictionaryAttr] | None, count: int) -> list[DictionaryAttr]:
    return [DictionaryAttr({}) for _ in range(count)] if attrs is None else list(attrs.data)


def _name(row: DictionaryAttr) -> str:
    attr: Attribute | None = row.data.get("pfrt.name")
    return attr.data if isinstance(attr, StringAttr) else ""
