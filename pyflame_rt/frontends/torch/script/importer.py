"""A TorchScript archive to a `pfrt` module."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Region
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import InvalidModelError, PyFlameRTError, UnsupportedOperatorError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.aten.values import Dtype
from pyflame_rt.frontends.torch.pickle_globals import ObjectRecord
from pyflame_rt.frontends.torch.pickle_machine import load
from pyflame_rt.frontends.torch.script.hints import Refined, unranked_input
from pyflame_rt.frontends.torch.script.interpreter import Interpreter
from pyflame_rt.frontends.torch.script.machine import (
    Budget,
    LimitError,
    Machine,
    ScriptRaise,
    UnknownRank,
    unsupported_error,
)
from pyflame_rt.frontends.torch.script.objects import Objects
from pyflame_rt.frontends.torch.script.outputs import Output, outputs
from pyflame_rt.frontends.torch.script.signature import (
    Given,
    Input,
    Shape,
    Signature,
    signature,
    traced_inputs,
)
from pyflame_rt.frontends.torch.script.states import State, changed_states, states_of
from pyflame_rt.frontends.torch.script.symbols import Symbols
from pyflame_rt.frontends.torch.script.text import ssa_name
from pyflame_rt.frontends.torch.script.values import (
    FunctionInfo,
    Instance,
    Known,
    next_serial,
)
from pyflame_rt.frontends.torch.storage import ArchiveStorages
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

_RANKS = (2, 3, 4, 1, 5, 0)
"""Numbers of dimensions to try for an input of which nothing tells it, likely ones first."""
_ATTEMPTS = 48
_FOREIGN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    VerifyException,
)


def import_torchscript(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str | None = None,
    method: str = "forward",
    input_shapes: Mapping[str, Shape] | Sequence[Shape] | None = None,
    input_types: Mapping[str, str] | None = None,
    values: Mapping[str, object] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ModuleOp:
    """The `pfrt` module of a TorchScript archive (`torch.jit.save`): a path or its bytes.

    `name` stands for the file's name in locations and messages. Archives do not say what their
    inputs are: shapes and element types are taken from what the model was traced with, else from
    the operators that the inputs go to, and else the inputs are f32 of any shape. `input_shapes`
    (by name, or in order; None or a text for a dimension that varies) and `input_types` (names of
    NumPy dtypes) say it instead; both name inputs as torch prints them, `x.1`, or as `x`.
    A parameter with a default is an input only if one of the two names it. `values` fixes
    parameters: `{"n": 4}`.

    Attributes that the code changes are state: more inputs and results, with `pfrt.state`.
    Raises ModelNotFoundError, InvalidModelError, and UnsupportedOperatorError, which lists every
    operator that cannot be imported.
    """
    return script_importer(
        source,
        name=name,
        method=method,
        input_shapes=input_shapes,
        input_types=input_types,
        values=values,
        limits=limits,
    ).module()


def script_importer(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str | None = None,
    method: str = "forward",
    input_shapes: Mapping[str, Shape] | Sequence[Shape] | None = None,
    input_types: Mapping[str, str] | None = None,
    values: Mapping[str, object] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ScriptImporter:
    """What `import_torchscript` works with, the archive read and its inputs known."""
    archive = Archive.open(source, name=name)
    label = os.path.basename(archive.where)
    symbols = Symbols(archive, limits)
    storages = ArchiveStorages(archive, verify=False)
    root = load(archive.read("data.pkl"), storages=storages, classes=True, where=label)
    if not isinstance(root, ObjectRecord):
        raise InvalidModelError("is not a TorchScript archive: it holds no module", where=label)
    constants: object = ()
    if "constants.pkl" in archive:
        held = ArchiveStorages(archive, "constants", verify=False)
        constants = load(archive.read("constants.pkl"), storages=held, classes=True, where=label)
    if not isinstance(constants, list | tuple):
        raise InvalidModelError("constants.pkl holds no list", where=label)
    info = symbols.require_class(root.qualified_name, label)
    if method not in info.methods:
        known = ", ".join(info.methods) or "none"
        raise InvalidModelError(
            f"the model has no method {quoted(method)}", where=label, hint=f"methods are {known}"
        )
    syntax = info.methods[method]
    traced = traced_inputs(archive, method)
    names = [row.name for row in syntax.parameters[1:]]
    if input_shapes is None:
        shapes: Mapping[str, Shape] = {}
    elif isinstance(input_shapes, Mapping):
        shapes = input_shapes
    else:
        shapes = dict(zip(names, input_shapes, strict=False))
    given = Given(shapes, _dtypes(input_types or {}, label), dict(values or {}))
    try:
        found = signature(syntax, symbols, traced, given)
    except InvalidModelError as error:
        raise InvalidModelError(error.message, where=label, hint=error.hint) from error
    function = FunctionInfo(f"{info.name}.{method}", info.file, syntax)
    rows = cast("Sequence[object]", constants)
    return ScriptImporter(label, symbols, root, rows, function, found, limits)


def _dtypes(names: Mapping[str, str], where: str) -> dict[str, Dtype]:
    found: dict[str, Dtype] = {}
    for name, text in names.items():
        try:
            found[name] = np.dtype(text)
        except TypeError as error:
            raise InvalidModelError(f"{quoted(text)} is no element type", where=where) from error
    return found


@dataclass(frozen=True)
class _Attempt:
    """What the inputs and states are taken to be."""

    inputs: tuple[Input, ...]
    states: tuple[State, ...] = ()


class ScriptImporter:
    """An archive that was read; `module` interprets it."""

    def __init__(
        self,
        file: str,
        symbols: Symbols,
        root: ObjectRecord,
        constants: Sequence[object],
        function: FunctionInfo,
        known: Signature,
        limits: Limits,
    ):
        self.file = file
        self.symbols = symbols
        self.signature = known
        self._root = root
        self._constants = constants
        self._function = function
        self._limits = limits
        self._attempts = _ATTEMPTS
        self._budget = Budget(limits.script_steps, limits.script_operations)
        self._fitting: frozenset[int] = frozenset()

    def module(self) -> ModuleOp:
        """The module with `@main`, the method."""
        inputs = self.signature.inputs
        try:
            return self._search(_Attempt(inputs))
        except (_MissingOperators, LimitError):
            raise
        except (InvalidModelError, UnsupportedOperatorError):
            # A trace may hold for the sizes that it was made with only.
            if all(row.traced is None for row in inputs):
                raise
            fixed = tuple(
                row if row.traced is None else replace(row, shape=row.traced) for row in inputs
            )
            try:
                return self._search(_Attempt(fixed))
            except PyFlameRTError:
                pass
            raise

    def _search(self, attempt: _Attempt) -> ModuleOp:
        """Import; where more must be known of the inputs, find out by what fits."""
        while True:
            self._attempts -= 1
            block = Block()
            try:
                return self._build(block, attempt)
            except Refined as found:
                if self._attempts < 0:
                    raise self._unclear(found.index, attempt) from found
                attempt = _refined(attempt, found)
            except _StateFound as found:
                if self._attempts < 0:
                    raise InvalidModelError(
                        "the types of attributes that the model changes do not settle",
                        where=self.file,
                    ) from found
                attempt = replace(attempt, states=found.states)
            except UnknownRank as error:
                index = unranked_input(error.value, block)
                if index is None or index >= len(attempt.inputs) or self._attempts < 0:
                    raise
                return self._with_some_rank(attempt, index, error)

    def _with_some_rank(self, attempt: _Attempt, index: int, error: UnknownRank) -> ModuleOp:
        """Import with a number of dimensions that fits; best one that an operator asks for."""
        failures: list[tuple[int, PyFlameRTError]] = []
        found: tuple[ModuleOp, frozenset[int]] | None = None
        for rank in _RANKS:
            inputs = list(attempt.inputs)
            inputs[index] = inputs[index].with_rank(rank)
            self._fitting = frozenset()
            steps = self._budget.steps
            try:
                module = self._search(replace(attempt, inputs=tuple(inputs)))
            except (_MissingOperators, LimitError):
                raise
            except (InvalidModelError, UnsupportedOperatorError) as failure:
                failures.append((steps - self._budget.steps, failure))
            else:
                if index in self._fitting:
                    return module
                found = found or (module, self._fitting)
            if self._attempts < 0:
                break
        if found is not None:
            self._fitting = found[1]
            return found[0]
        # The one that got furthest says most about the model.
        _, furthest = max(failures, key=lambda row: row[0], default=(0, error))
        raise furthest

    def _unclear(self, index: int, attempt: _Attempt) -> InvalidModelError:
        name = attempt.inputs[index].name
        return InvalidModelError(
            f"what input {quoted(name)} is cannot be told",
            where=self.file,
            hint="give its shape and element type (input_shapes, input_types)",
        )

    def _build(self, block: Block, attempt: _Attempt) -> ModuleOp:
        machine = Machine(self.file, block, self._limits, self._budget)
        try:
            return self._interpret(machine, attempt)
        except UnknownRank:
            raise
        except ScriptRaise as error:
            if machine.missing:
                raise _MissingOperators.of(machine) from error
            raise InvalidModelError(
                f"the model raises {quoted(error.message)}", where=error.where
            ) from error
        except (InvalidModelError, UnsupportedOperatorError) as error:
            if machine.missing and not isinstance(error, _MissingOperators | LimitError):
                raise _MissingOperators.of(machine) from error
            raise
        except _FOREIGN as error:
            # Values of a kind that no correct archive has where they are.
            raise InvalidModelError(
                f"the code cannot be interpreted: {error}"[:512], where=machine.where
            ) from error
        except RecursionError as error:
            raise LimitError("is nested too deeply", where=machine.where) from error

    def _interpret(self, machine: Machine, attempt: _Attempt) -> ModuleOp:
        block = machine.main.block
        machine.assumed = frozenset(
            index for index, row in enumerate(attempt.inputs) if row.dtype is None
        )
        interpreter = Interpreter(machine, self.symbols, ())
        objects = Objects(interpreter)
        constants = [
            objects.value(item, f"CONSTANTS.c{index}") for index, item in enumerate(self._constants)
        ]
        interpreter.constants = constants
        root = objects.value(self._root)
        assert isinstance(root, Instance)
        machine.regions[0].touched.clear()
        interpreter.reads.clear()
        interpreter.writes.clear()
        interpreter.first_serial = next_serial()
        given: list[Known] = []
        for row in attempt.inputs:
            argument = block.insert_arg(row.type, len(block.args))
            argument.name_hint = ssa_name(row.name)
            given.append(row.value(argument))
        before = states_of(machine, root, attempt.states)
        returned = interpreter.call(self._function, [root], self._arguments(given), "")
        if machine.missing:
            raise _MissingOperators.of(machine)
        results = outputs(machine, returned)
        after = changed_states(interpreter, root, attempt.states)
        if after is not None:
            raise _StateFound(after)
        results += [Output(state.name, state.final(machine, root)) for state in attempt.states]
        self._fitting = frozenset(machine.fitting)
        return self._finish(machine, attempt, results, before)

    def _arguments(self, given: Sequence[Known]) -> dict[str, Known]:
        """The method's arguments by name."""
        keywords: dict[str, Known] = {}
        rows = self._function.syntax.parameters[1:]
        for row, argument in zip(rows, self.signature.arguments, strict=True):
            if argument is None:
                continue
            if argument.is_tuple:
                value: Known = tuple(given[index] for index in argument.inputs)
            elif argument.inputs:
                value = given[argument.inputs[0]]
            else:
                value = argument.value
            keywords[row.name] = value
        return keywords

    def _finish(
        self,
        machine: Machine,
        attempt: _Attempt,
        results: Sequence[Output],
        defaults: Sequence[Attribute],
    ) -> ModuleOp:
        block = machine.main.block
        block.add_op(func.ReturnOp(*(row.value for row in results)))
        drop_unused(block)
        argument_attrs = [row.attributes() for row in attempt.inputs]
        for state, default in zip(attempt.states, defaults, strict=True):
            argument_attrs.append(
                DictionaryAttr(
                    {
                        "pfrt.name": StringAttr(state.name),
                        "pfrt.state": StringAttr(state.name),
                        "pfrt.default": default,
                    }
                )
            )
        names = _unique([row.name for row in results])
        result_attrs: list[DictionaryAttr] = []
        first_state = len(results) - len(attempt.states)
        for index, name in enumerate(names):
            attrs: dict[str, Attribute] = {"pfrt.name": StringAttr(name)}
            if index >= first_state:
                attrs["pfrt.state"] = StringAttr(attempt.states[index - first_state].name)
            result_attrs.append(DictionaryAttr(attrs))
        function = func.FuncOp(
            "main",
            (
                [argument.type for argument in block.args],
                [row.value.type for row in results],
            ),
            Region(block),
            arg_attrs=ArrayAttr(argument_attrs),
            res_attrs=ArrayAttr(result_attrs),
        )
        return ModuleOp([function], {"pfrt.model": self._about()})

    def _about(self) -> DictionaryAttr:
        texts = {
            "graph_name": self._root.qualified_name.rpartition(".")[2],
            "producer_name": "pytorch",
            "producer_version": "",
            "domain": "",
            "description": "",
            "graph_description": "",
        }
        numbers = {"version": 0, "ir_version": 0}
        return DictionaryAttr(
            {
                **{key: StringAttr(value) for key, value in texts.items()},
                **{key: IntegerAttr(value, i64) for key, value in numbers.items()},
                "custom_metadata": DictionaryAttr({}),
                "opset_import": DictionaryAttr({}),
            }
        )


class _MissingOperators(UnsupportedOperatorError):
    """The error that lists operators: no other shapes of inputs would help."""

    @staticmethod
    def of(machine: Machine) -> _MissingOperators:
        """The error for what a machine has missed."""
        error = unsupported_error(machine.file, list(machine.missing.values()))
        return _MissingOperators(error.message, where=error.where, hint=error.hint)


class _StateFound(Exception):
    """Attributes that the code changes, which must be inputs and results."""

    def __init__(self, states: tuple[State, ...]):
        super().__init__()
        self.states = states


def _refined(attempt: _Attempt, found: Refined) -> _Attempt:
    inputs = list(attempt.inputs)
    row = inputs[found.index]
    hint = found.hint
    if hint.rank is not None and row.shape is None:
        row = row.with_rank(hint.rank)
    if hint.dtype is not None:
        row = replace(row, dtype=hint.dtype)
    if hint.dims and row.shape is not None:
        shape = list(row.shape)
        for axis, size in hint.dims.items():
            shape[axis] = size
        row = replace(row, shape=tuple(shape))
    inputs[found.index] = row
    return replace(attempt, inputs=tuple(inputs))


def _unique(names: Sequence[str]) -> list[str]:
    """Names that differ: a repeated one gets a number."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.append(name if count == 0 else f"{name}.{count}")
    return found


def drop_unused(block: Block) -> None:
    """Erase ops whose results nothing uses, such as sizes that turned out to cancel."""
    op = block.last_op
    while op is not None:
        before = op.prev_op
        for region in op.regions:
            for inner in region.blocks:
                drop_unused(inner)
        if isinstance(op, PfrtOp) and not any(result.first_use for result in op.results):
            op.detach()
            op.erase()
        op = before
