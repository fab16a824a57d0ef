"""Calls between the functions of a module, for passes that make types known.

A call has exactly the types of its function: where more is known of what it passes, more is known
of the function's arguments. One that several calls with different types share is copied.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp, SymbolRefAttr
from xdsl.ir import Operation
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.control import LoopOp
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.scan import ScanOp
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.targets import TARGET

_MOST_INLINED = 1 << 14
"""Ops that inlining may add to a module: functions that call each other twice grow exponentially."""


def entry_functions(module: ModuleOp) -> tuple[func.FuncOp, ...]:
    """The functions with a body from which all others are called.

    Those that only call each other in a circle count from the first of them on.
    """
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, func.FuncOp)}
    called = {name for function in functions.values() for name in _callees(function)}
    entries: list[func.FuncOp] = []
    seen: set[str] = set()
    for name in sorted(functions, key=lambda name: name in called):
        if name in seen or not functions[name].body.blocks:
            continue
        entries.append(functions[name])
        seen |= _reached(name, functions)
    return tuple(entries)


def inline_calls_in_loops(module: ModuleOp) -> None:
    """Put the body of a function in the place of each call in a loop, whose types are found by trial.

    Calls stay that are circular, of functions for another target, or of declared ones; and all
    that are left once `_MOST_INLINED` ops have been added.
    """
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, func.FuncOp)}
    budget = _MOST_INLINED
    waiting = [call for call in _calls(module) if _is_in_loop(call)]
    while waiting:
        call = waiting.pop()
        function = functions.get(call.callee.root_reference.data)
        if function is None or not _is_inlined(call, function, functions):
            continue
        body = function.body.clone().block
        budget -= sum(1 for _ in function.walk())
        if budget < 0:
            return
        ops = tuple(body.ops)
        waiting += (nested for op in ops for nested in _calls(op))
        last = ops[-1]
        results = last.operands
        last.detach()
        Rewriter.inline_block(body, InsertPoint.before(call), call.operands)
        Rewriter.replace_op(call, [], results)
        last.drop_all_references()


def _is_inlined(
    call: func.CallOp, function: func.FuncOp, functions: dict[str, func.FuncOp]
) -> bool:
    return (
        len(function.body.blocks) == 1
        and isinstance(function.body.block.last_op, func.ReturnOp)
        and TARGET not in function.attributes
        and tuple(function.function_type.inputs) == call.operand_types
        and tuple(function.function_type.outputs) == call.result_types
        and _enclosing(call, functions) not in _reached(function.sym_name.data, functions)
    )


def enter_call(call: func.CallOp) -> func.FuncOp | None:
    """The function that a call runs, its arguments typed as what is passed; infer its types next.

    None when there is nothing to infer: it is declared only, or calls itself.
    Raises PassFailed when the types contradict each other, and when more is known of what is passed
    in a loop, whose types are found by trial.
    """
    module = _module_of(call)
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, func.FuncOp)}
    name = call.callee.root_reference.data
    if (function := functions.get(name)) is None:
        raise failed(call, f"there is no function @{name}")
    kinds = list(function.function_type.inputs)
    if len(kinds) != len(call.operands):
        raise failed(call, f"@{name} takes {len(kinds)} values, not {len(call.operands)}")
    if _enclosing(call, functions) in _reached(name, functions):
        return None
    merged = [merge(kind, v.type) for kind, v in zip(kinds, call.operands, strict=True)]
    for kind, value, both in zip(kinds, call.operands, merged, strict=True):
        if both is None:
            raise failed(call, f"passes a {value.type} to @{name}, which takes a {kind}")
        if both != value.type:
            raise failed(call, f"passes a {value.type} to @{name}, which knows it is a {kind}")
    if _is_in_loop(call):
        if merged == kinds:
            return None
        raise failed(call, "types are not inferred through calls in loops", hint="inline it")
    if merged != kinds and any(
        other is not call and other.callee == call.callee for other in _calls(module)
    ):
        function = _copy(function, functions, call)
    inputs = [kind for kind in merged if kind is not None]
    outputs = function.function_type.outputs.data
    function.properties["function_type"] = FunctionType.from_lists(inputs, outputs)
    if not function.body.blocks:
        return None
    for argument, kind in zip(function.body.blocks[0].args, inputs, strict=True):
        if argument.type != kind:
            Rewriter.replace_value_with_new_type(argument, kind)
    return function


def leave_call(call: func.CallOp, function: func.FuncOp) -> None:
    """Give a call's results the types that the function returns."""
    for result, kind in zip(call.results, function.function_type.outputs, strict=True):
        if result.type != kind:
            Rewriter.replace_value_with_new_type(result, kind)


def _copy(
    function: func.FuncOp, functions: dict[str, func.FuncOp], call: func.CallOp
) -> func.FuncOp:
    name, number = function.sym_name.data, 1
    while (symbol := f"{name}_{number}") in functions:
        number += 1
    copy = function.clone()
    copy.properties["sym_name"] = type(function.sym_name)(symbol)
    call.properties["callee"] = SymbolRefAttr(symbol)
    block = function.parent
    assert block is not None
    block.insert_op_after(copy, function)
    return copy


def _calls(op: Operation) -> Iterator[func.CallOp]:
    return (nested for nested in op.walk() if isinstance(nested, func.CallOp))


def _callees(op: Operation) -> Iterator[str]:
    return (call.callee.root_reference.data for call in _calls(op))


def _reached(name: str, functions: dict[str, func.FuncOp]) -> set[str]:
    """A function, and all that running it calls."""
    reached: set[str] = set()
    left = [name]
    while left:
        current = left.pop()
        if current not in reached and current in functions:
            reached.add(current)
            left += _callees(functions[current])
    return reached


def _module_of(op: Operation) -> ModuleOp:
    parent = op.parent_op()
    while parent is not None and not isinstance(parent, ModuleOp):
        parent = parent.parent_op()
    if parent is None:
        raise failed(op, "is in no module")
    return parent


def _enclosing(op: Operation, functions: dict[str, func.FuncOp]) -> str:
    parent = op.parent_op()
    while parent is not None and not isinstance(parent, func.FuncOp):
        parent = parent.parent_op()
    return "" if parent is None else parent.sym_name.data


def _is_in_loop(op: Operation) -> bool:
    parent = op.parent_op()
    while parent is not None and not isinstance(parent, LoopOp | ScanOp):
        parent = parent.parent_op()
    return parent is not None
