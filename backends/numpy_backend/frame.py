"""One run's memory, and the program bound to it: a list of closures over finished views.

The environment is a list: late values first, emptied after a run; the bound arrays that late calls
read after them. A call on bound arrays alone never looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, cast

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.iteration import FUNCTIONS, is_true, run_loop
from pyflame_rt.backends.numpy_backend.algorithms import table
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function, Into, Run
from pyflame_rt.backends.numpy_backend.checks import CHECKS
from pyflame_rt.backends.numpy_backend.epilogue import in_place
from pyflame_rt.backends.numpy_backend.program import (
    Body,
    Branch,
    Constant,
    Instruction,
    Invoke,
    Loop,
    New,
    Program,
    Ref,
    Release,
    Reshape,
    Slot,
    Subroutine,
    View,
)
from pyflame_rt.backends.runtime import Array, ArrayType, detached, failure, mapped, root
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.kernels.epilogue import Activation
from pyflame_rt.kernels.sizes import check_size

_ALIGNMENT = 64


class Frame:
    """Storage, environment and prepared steps of one run at a time."""

    def __init__(self, program: Program):
        self._storages = [_aligned(size) for size in program.storages]
        self._own = {id(root(storage)) for storage in self._storages}
        self._late = program.slots
        self._blank: list[Array | None] = [None] * program.slots
        self._env: list[Array | None] = list(self._blank)
        self._arguments = slice(0, len(program.arguments))
        self._steps = self._bind(program.body)
        self._outputs = self._results(program.body)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Execute; the environment is empty again afterwards, whatever happened."""
        env = self._env
        env[self._arguments] = inputs
        try:
            self._steps.run()
            return detached(self._outputs(), inputs)
        finally:
            env[: self._late] = self._blank

    def _results(self, body: Body) -> Callable[[], Sequence[Array]]:
        """A function that fetches what leaves the program, none of it in this frame's storage."""
        read, keep = self._reader(body.results), self._private
        if not any(isinstance(ref, View) for ref in body.results):
            return read
        return lambda: [keep(array) for array in read()]

    def _bind(self, body: Body) -> Steps:
        steps = Steps()
        for instruction in body.instructions:
            run, where = self._step(instruction)
            steps.add(run, where)
        return steps

    def _step(self, instruction: Instruction) -> tuple[Run, str]:
        env = self._env
        match instruction:
            case New(slot, where):
                kind = slot.type
                return partial(_new, env, slot.index, kind.static_shape, kind.dtype), where
            case Reshape(source, slot):
                shape = slot.type.static_shape
                return partial(_reshape, env, source.index, slot.index, shape), ""
            case Release(slots):
                return partial(_release, env, slots), ""
            case Invoke():
                return self._guarded(self._invoke, instruction), instruction.where
            case Branch():
                return self._branch(instruction), instruction.where
            case Loop():
                return self._loop(instruction), instruction.where
            case Subroutine():
                return self._subroutine(instruction), instruction.where

    def _guarded(self, prepare: Callable[[Invoke], Run], invoke: Invoke) -> Run:
        try:
            return prepare(invoke)
        except Exception as error:
            raise failure(invoke.where, error) from error

    def _invoke(self, invoke: Invoke) -> Run:
        if invoke.callee in CHECKS:
            check = partial(CHECKS[invoke.callee], where=invoke.where, **invoke.params)
            return self._calling(check, invoke.inputs)
        if not invoke.into:
            return self._owning(invoke)
        for kind in map(_type, invoke.into):
            # Runs allocate these buffers before they call what would refuse the size.
            check_size(kind.static_shape, kind.dtype)
        if (run := self._prepared(invoke)) is not None:
            return run
        params, activate = dict(invoke.params), None
        if isinstance(activation := params.get("activation"), Activation):
            # As its own call would compute it, which need not be the kernel.
            del params["activation"]
            activate = in_place(activation, _type(invoke.into[0]), invoke.where)
        fill = partial(_fill, _kernel(invoke.callee), params, activate, len(invoke.inputs))
        return self._calling(fill, (*invoke.inputs, *invoke.into))

    def _prepared(self, invoke: Invoke) -> Run | None:
        """The algorithm's own form; None where only the kernel will do."""
        implementation = table().get(invoke.callee)
        if implementation is None or not invoke.params.keys() <= implementation.params:
            return None
        inputs = (*invoke.inputs, *(None,) * (implementation.arity - len(invoke.inputs)))
        types = tuple(None if ref is None else _type(ref) for ref in inputs)
        if not all(kind is None or kind.is_static for kind in types):
            return None
        into = tuple(_type(ref) for ref in invoke.into)
        scratch = tuple(_type(ref) for ref in invoke.scratch)
        refs = (*inputs, *invoke.into, *invoke.scratch)
        if implementation.late:
            function = implementation.prepare(Call(invoke, types, into, scratch))
            return None if function is None else self._calling(function, refs)
        if any(isinstance(ref, Slot) for ref in refs):
            # The plan means the kernel of the same name: the algorithm did not apply.
            return None
        return implementation.prepare(
            BoundCall(
                invoke,
                types,
                into,
                scratch,
                tuple(None if ref is None else self._array(ref) for ref in inputs),
                tuple(self._array(ref) for ref in invoke.into),
                tuple(self._array(ref) for ref in invoke.scratch),
            )
        )

    def _calling(self, function: Function, refs: Sequence[Ref | None]) -> Run:
        """A step that calls a function with the arrays of the references."""
        if not any(isinstance(ref, Slot) for ref in refs):
            arrays = [None if ref is None else self._array(ref) for ref in refs]
            if isinstance(function, Into):
                return function.on(*cast("list[Array]", arrays))
            return partial(function, *arrays)
        return _reading(function, self._env, self._indices(refs))

    def _owning(self, invoke: Invoke) -> Run:
        """A step that keeps what a kernel returns."""
        kernel = _OWNED.get(invoke.callee) or _kernel(invoke.callee)
        params, env = invoke.params, self._env
        read, keep = self._reader(invoke.inputs), self._private
        if len(invoke.owned) == 1:
            index, require = invoke.owned[0].index, invoke.owned[0].type.require

            def run() -> None:
                (result,) = _several(kernel(*read(), **params))
                env[index] = keep(require(result))

            return run

        def run_many() -> None:
            for slot, result in zip(invoke.owned, _several(kernel(*read(), **params)), strict=True):
                env[slot.index] = keep(slot.type.require(result))

        return run_many

    def _branch(self, branch: Branch) -> Run:
        condition = self._reader((branch.condition,))
        then, otherwise = self._region(branch.then), self._region(branch.otherwise)

        def run() -> None:
            chosen = then if is_true(*condition()) else otherwise
            self._store(branch.owned, chosen())

        return run

    def _loop(self, loop: Loop) -> Run:
        trip_count = None if loop.trip_count is None else self._reader((loop.trip_count,))
        condition = None if loop.condition is None else self._reader((loop.condition,))
        carried, body = self._reader(loop.carried), self._region(loop.body)

        def iterate(number: Array, proceed: Array, state: Sequence[Array]) -> Sequence[Array]:
            self._store(loop.arguments, (number, proceed, *state))
            return body()

        def run() -> None:
            limit = None if trip_count is None else trip_count()[0]
            proceed = None if condition is None else condition()[0]
            results = run_loop(limit, proceed, carried(), loop.scans, iterate)
            self._store(loop.owned, results)

        return run

    def _subroutine(self, call: Subroutine) -> Run:
        inputs, body = self._reader(call.inputs), self._region(call.body)

        def run() -> None:
            # Unlike other late values, an argument may show storage: nothing writes to it meanwhile.
            for slot, array in zip(call.arguments, inputs(), strict=True):
                self._env[slot.index] = array
            self._store(call.owned, body())

        return run

    def _region(self, body: Body) -> Callable[[], Sequence[Array]]:
        steps, read, keep = self._bind(body), self._reader(body.results), self._private

        def run() -> Sequence[Array]:
            steps.run()
            return [keep(array) for array in read()]

        return run

    def _store(self, slots: Sequence[Slot], arrays: Sequence[Array]) -> None:
        for slot, array in zip(slots, arrays, strict=True):
            self._env[slot.index] = self._private(slot.type.require(array, "the region's value"))

    def _private(self, array: Array) -> Array:
        """A late value must not show storage that later calls write to."""
        if type(array) is np.ndarray:
            return array.copy() if id(root(array)) in self._own else array
        return mapped(self._private, array)

    def _array(self, ref: Ref) -> Array:
        """The array of a bound reference."""
        match ref:
            case Constant(array):
                return array
            case View(storage, offset, kind):
                shape = kind.static_shape
                size = kind.dtype.itemsize * int(np.prod(shape, dtype=np.int64))
                raw = self._storages[storage][offset : offset + size]
                return raw.view(kind.dtype).reshape(shape)
            case Slot():
                raise AssertionError("a slot has no array before a run")

    def _reader(self, refs: Sequence[Ref | None]) -> Callable[[], tuple[Array, ...]]:
        """A function that fetches the arrays of references; None for an absent one."""
        indices, env = self._indices(refs), self._env
        if not indices:
            return tuple
        if len(indices) == 1:
            (index,) = indices
            return lambda: (cast(Array, env[index]),)
        fetch = itemgetter(*indices)
        return lambda: fetch(env)

    def _indices(self, refs: Sequence[Ref | None]) -> list[int]:
        return [ref.index if isinstance(ref, Slot) else self._placed(ref) for ref in refs]

    def _placed(self, ref: Constant | View | None) -> int:
        self._env.append(None if ref is None else self._array(ref))
        return len(self._env) - 1


class Steps:
    """Prepared steps and, for the errors, where each comes from."""

    __slots__ = ("_calls", "_places")

    def __init__(self) -> None:
        self._calls: list[Run] = []
        self._places: list[str] = []

    def add(self, call: Run, where: str) -> None:
        """Append a step."""
        self._calls.append(call)
        self._places.append(where)

    def run(self) -> None:
        """Execute in order. Raises BackendError naming the step that failed."""
        call = None
        try:
            for call in self._calls:
                call()
        except Exception as error:
            place = "" if call is None else self._places[self._calls.index(call)]
            raise failure(place, error) from error


def _aligned(size: int) -> Array:
    try:
        raw = np.empty(size + _ALIGNMENT, np.uint8)
    except (MemoryError, ValueError) as error:
        raise failure(f"a buffer of {size} bytes", error) from error
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size]


def _type(ref: Ref) -> ArrayType:
    if isinstance(ref, Constant):
        return ArrayType(ref.array.dtype, ref.array.shape)
    if isinstance(ref.type, ArrayType):
        return ref.type
    # Calls on buffers do not take containers.
    raise ValueError(f"a {ref.type.kind} is no buffer")


def _kernel(callee: str) -> kernels.Kernel:
    """The kernel of that name, or of the op that an algorithm of that name computes.

    Raises ValueError when there is neither.
    """
    algorithm = ALGORITHMS.get(callee)
    name = callee if algorithm is None else algorithm.op.removeprefix("pfrt.")
    kernel = kernels.table().get(name)
    if kernel is None:
        raise ValueError(f"there is no algorithm or kernel @{callee}")
    return kernel


def _reading(function: Function, env: list[Array | None], indices: Sequence[int]) -> Run:
    """A step that calls a function with what stands at places of the environment.

    Spelled out for few places, which is twice as fast as a tuple of them.
    """
    match indices:
        case [i]:
            return lambda: function(env[i])
        case [i, j]:
            return lambda: function(env[i], env[j])
        case [i, j, k]:
            return lambda: function(env[i], env[j], env[k])
        case _:
            fetch = itemgetter(*indices)
            return lambda: function(*fetch(env))


def _copied(x: Any) -> Any:
    return mapped(np.copy, x)


_OWNED = {**FUNCTIONS, "copy": _copied}
"""What calls that return their results may name beside kernels."""


def _new(env: list[Array | None], index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    env[index] = np.empty(shape, dtype)


def _reshape(env: list[Array | None], source: int, target: int, shape: tuple[int, ...]) -> None:
    env[target] = cast(Array, env[source]).reshape(shape)


def _release(env: list[Array | None], slots: tuple[int, ...]) -> None:
    for index in slots:
        env[index] = None


def _fill(
    kernel: kernels.Kernel,
    params: dict[str, Any],
    activate: Callable[[Array], None] | None,
    count: int,
    *arrays: Array,
) -> None:
    """Copy a kernel's results into the buffers that follow its inputs; activate the first one."""
    results = _several(kernel(*arrays[:count], **params))
    for buffer, result in zip(arrays[count:], results, strict=True):
        np.copyto(buffer, ArrayType(buffer.dtype, buffer.shape).require(result), casting="no")
    if activate is not None:
        activate(arrays[count])


def _several(results: Any) -> tuple[object, ...]:
    """A kernel's results, of which one may come alone."""
    return cast("tuple[object, ...]", results) if type(results) is tuple else (results,)
