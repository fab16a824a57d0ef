"""A failing module made small: fewer outputs, ops replaced by inputs that hold what they gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation
from xdsl.traits import ConstantLike

from pyflame_rt.backends.base import find_function
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.backends.reference.interpreter import Interpreter
from pyflame_rt.dialects.pfrt.base import PfrtOp

Feed: TypeAlias = list[Any]
Fails: TypeAlias = Callable[[ModuleOp, Feed], bool]


def reduced(module: ModuleOp, feed: Sequence[Any], fails: Fails) -> tuple[ModuleOp, Feed]:
    """The smallest module and feed found that still fail, by removing one thing after another."""
    best, given = module.clone(), list(feed)
    progress = True
    while progress:
        progress = False
        for candidate, arrays in chain(
            _fewer_outputs(best, given), _fewer_dead(best, given), _shorter(best, given)
        ):
            if _size(candidate) < _size(best) and fails(candidate, arrays):
                best, given, progress = candidate, arrays, True
                break
    return best, given


def _size(module: ModuleOp) -> tuple[int, int]:
    block = _block(module)
    last = block.last_op
    assert last is not None
    costs = (1 if op.has_trait(ConstantLike) else 100 for op in module.walk())
    return len(last.operands) + sum(costs), len(block.args)


def _block(module: ModuleOp) -> Block:
    return find_function(module, "main").body.block


def _fewer_outputs(module: ModuleOp, feed: Feed):
    last = _block(module).last_op
    assert last is not None
    count = len(last.operands)
    kept = [[index] for index in range(count)]
    kept += [[k for k in range(count) if k != index] for index in range(count)]
    for indices in kept if count > 1 else ():
        copy = module.clone()
        end = _block(copy).last_op
        assert end is not None
        end.operands = [end.operands[index] for index in indices]
        yield _tidied(copy.clone(), feed)
        yield _tidied(copy, feed, dead=False)


def _fewer_dead(module: ModuleOp, feed: Feed):
    """Without one of the ops that nothing uses: some passes fail on dead code."""
    yield _tidied(module.clone(), feed)
    for place, op in enumerate(module.walk()):
        if _is_dead(op):
            copy = module.clone()
            _erase(next(islice(copy.walk(), place, None)))
            yield _tidied(copy, feed, dead=False)


def _is_dead(op: Operation) -> bool:
    return isinstance(op, PfrtOp) and not any(result.uses for result in op.results)


def _erase(op: Operation) -> None:
    op.detach()
    op.erase(safe_erase=False)


def _shorter(module: ModuleOp, feed: Feed):
    """Each op in turn, the last one first, replaced by inputs."""
    values = _values(module, feed)
    ops = [op for op in _block(module).ops if op in values]
    for place in reversed(range(len(ops))):
        copy = module.clone()
        op = [
            o for o in _block(copy).ops if isinstance(o, PfrtOp) and not o.has_trait(ConstantLike)
        ][place]
        arrays = values[ops[place]]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            continue
        block, given = _block(copy), list(feed)
        for result, array in zip(op.results, arrays, strict=True):
            argument = block.insert_arg(result.type, len(block.args))
            result.replace_all_uses_with(argument)
            given.append(np.ascontiguousarray(array).reshape(array.shape))
        _erase(op)
        yield _tidied(copy, given, dead=False)


def _values(module: ModuleOp, feed: Feed) -> dict[Operation, list[Any]]:
    found: dict[Operation, list[Any]] = {}
    executable = ReferenceBackend().compile(module)
    assert isinstance(executable, Interpreter)
    top = _block(module)

    def observe(op: PfrtOp, names: tuple[str, ...], arrays: Sequence[Any]) -> None:
        if op.parent is top:
            found[op] = list(arrays)

    executable.run(feed, observe)
    return found


def _tidied(module: ModuleOp, feed: Feed, *, dead: bool = True) -> tuple[ModuleOp, Feed]:
    """Without unused inputs, and unused ops if `dead`."""
    function = find_function(module, "main")
    block = function.body.block
    for op in reversed(list(function.walk())) if dead else ():
        if _is_dead(op):
            _erase(op)
    # Arguments that came later have no description: their dynamic dimensions have no names.
    rows = [] if function.arg_attrs is None else list(function.arg_attrs)
    rows += [DictionaryAttr({})] * (len(block.args) - len(rows))
    kept: list[Any] = []
    described: list[DictionaryAttr] = []
    for argument, array, row in zip(list(block.args), feed, rows, strict=True):
        if argument.uses:
            name = StringAttr(f"x{len(kept)}")
            described.append(DictionaryAttr({**row.data, "pfrt.name": name}))
            kept.append(array)
        else:
            block.erase_arg(argument)
    function.arg_attrs = ArrayAttr(described)
    function.properties.pop("res_attrs", None)
    function.update_function_type()
    return module, kept
