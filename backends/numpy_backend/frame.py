"""One run's memory, and the program bound to it: a list of closures over finished views.

The environment is a list: late values first, emptied after a run; the bound arrays that late calls
read after them. A call on bound arrays alone never looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any, cast

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.iteration import FUNCTIONS, is_true, run_loop
from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.algorithms import owning, table
from pyflame_rt.backends.numpy_backend.blocks import Bindable, Rooms
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Run,
)
from pyflame_rt.backends.numpy_backend.checks import CHECKS
from pyflame_rt.backends.numpy_backend.compiled.forms import compiled
from pyflame_rt.backends.numpy_backend.compiled.integers import ONLY_COMPILED
from pyflame_rt.backends.numpy_backend.compiled.owned import OwnedStep
from pyflame_rt.backends.numpy_backend.compiled.steps import (
    Compiled,
    Joined,
    alone,
    in_one_call,
    kernels_of,
)
from pyflame_rt.backends.numpy_backend.environment import (
    new,
    new_unless_given,
    reading,
    release,
    reshape,
    take_part,
    takes,
)
from pyflame_rt.backends.numpy_backend.epilogue import in_place
from pyflame_rt.backends.numpy_backend.expressions import EXPRESSION
from pyflame_rt.backends.numpy_backend.merging import NAMES, Elementwise, merged
from pyflame_rt.backends.numpy_backend.owned_rows import in_rows
from pyflame_rt.backends.numpy_backend.preparing import at_once
from pyflame_rt.backends.numpy_backend.program import (
    Body,
    Branch,
    Constant,
    External,
    Instruction,
    Invoke,
    Loop,
    New,
    Parallel,
    Part,
    Program,
    Ref,
    Release,
    Reshape,
    Slot,
    Subroutine,
    View,
)
from pyflame_rt.backends.numpy_backend.result_shapes import RESULTS
from pyflame_rt.backends.numpy_backend.team import Together, teams
from pyflame_rt.backends.numpy_backend.watched import Synchronized, Watching, run_watched
from pyflame_rt.backends.runtime import Array, ArrayType, detached, failure, mapped, root
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.dialects.plan.expressions import FUSED
from pyflame_rt.kernels.epilogue import Activation
from pyflame_rt.kernels.sizes import check_size

_ALIGNMENT = 64


class Frame:
    """Storage, environment and prepared steps of one run at a time."""

    def __init__(self, program: Program):
        self._storages = [_aligned(size) for size in program.storages]
        self._rooms = Rooms()
        self._team = teams().join() if program.threads > 1 else None
        self._own = {id(root(storage)) for storage in self._storages}
        self._filled = slice(0, program.slots)
        self._blank: list[Array | None] = [None] * program.slots
        self._env: list[Array | None] = list(self._blank)
        self._arguments = slice(0, len(program.arguments))
        self._watching = Watching()
        self._leaving = {ref.index for ref in program.body.results if isinstance(ref, Slot)}
        self._made: set[int] = set()
        """Those of them that are buffers made in each run, unless the caller gives one."""
        self._steps = self._bind(program.body)
        self._places = [
            ref if isinstance(ref, Slot) and ref.index in self._made else None
            for ref in program.body.results
        ]
        self._outputs = self._results(program.body)
        self._is_fresh = _all_new(program.body)
        self.alone = alone(
            self._steps.joined,
            program.body.instructions,
            len(program.arguments),
            program.body.results,
        )
        """As `run`, where the whole of the program is one call of machine code; else None."""

    @property
    def rooms(self) -> int:
        """Bytes of the memory that calls share beside what the plan has laid out."""
        return self._rooms.nbytes

    @property
    def kernels(self) -> list[Any]:
        """What the machine code of its steps was made of, but for regions and lanes; each once."""
        return kernels_of(self._steps.calls)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Execute; the environment is empty again afterwards, whatever happened."""
        env = self._env
        env[self._arguments] = inputs
        try:
            self._steps.run()
            outputs = self._outputs()
            return list(outputs) if self._is_fresh else detached(outputs, inputs)
        finally:
            env[self._filled] = self._blank

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array | None]) -> list[Array]:
        """As `run`, with results in the arrays that are given for them, where they fit."""
        taken = [array for array in inputs if type(array) is np.ndarray]
        for slot, array in zip(self._places, outputs, strict=True):
            if slot is not None and array is not None and takes(slot, array, taken):
                self._env[slot.index] = array
                taken.append(array)
        return self.run(inputs)

    def run_watched(self, inputs: Sequence[Array], watch: Watch) -> list[Array]:
        """As `run`, with `watch` told of every step."""
        watch = watch if self._team is None else Synchronized(watch)
        self._watching.watch, self._watching.frame = watch, self
        try:
            return self.run(inputs)
        finally:
            self._watching.watch = self._watching.frame = None

    def values_of(self, refs: Sequence[Ref | None]) -> Callable[[], Sequence[Any]]:
        """A function that fetches the values of references during a run."""
        return self._reader(refs)

    def _results(self, body: Body) -> Callable[[], Sequence[Array]]:
        """A function that fetches what leaves the program, none of it in this frame's storage."""
        read, keep = self._reader(body.results), self._private
        if not any(isinstance(ref, View) for ref in body.results):
            return read
        return lambda: [keep(array) for array in read()]

    def _bind(self, body: Body) -> Steps:
        steps = Steps(body.instructions, self._watching)
        for run, where in at_once(self._step, body.instructions):
            steps.add(run, where)
        steps.finish(self._filled.stop)
        return steps

    def _step(self, instruction: Instruction) -> tuple[Run | Elementwise, str]:
        env = self._env
        match instruction:
            case New(slot, where):
                kind, make = slot.type, new
                if slot.index in self._leaving:
                    self._made.add(slot.index)
                    make = new_unless_given
                return partial(make, env, slot.index, kind.static_shape, kind.dtype), where
            case Reshape(source, slot):
                shape = slot.type.static_shape
                return partial(reshape, env, source.index, slot.index, shape), ""
            case Part(source, slot, index):
                return partial(take_part, env, source.index, slot.index, index), ""
            case Release(slots):
                return partial(release, env, slots), ""
            case Invoke():
                return self._guarded(self._invoke, instruction), instruction.where
            case Parallel(lanes):
                return self._parallel(lanes), ""
            case Branch():
                return self._branch(instruction), instruction.where
            case Loop():
                return self._loop(instruction), instruction.where
            case Subroutine():
                return self._subroutine(instruction), instruction.where
            case External():
                return self._external(instruction), instruction.where

    def _guarded(
        self, prepare: Callable[[Invoke], Run | Elementwise], invoke: Invoke
    ) -> Run | Elementwise:
        try:
            return prepare(invoke)
        except Exception as error:
            raise failure(invoke.where, error) from error

    def _invoke(self, invoke: Invoke) -> Run | Elementwise:
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
            activate = in_place(activation, _type(invoke.into[0]), invoke.where, self._rooms)
        fill = partial(_fill, _kernel(invoke.callee), params, activate, len(invoke.inputs))
        return self._calling(fill, (*_kernel_inputs(invoke), *invoke.into))

    def _prepared(self, invoke: Invoke) -> Run | Elementwise | None:
        """The algorithm's own form; None where only the kernel will do."""
        implementation = _implementation(invoke.callee)
        if implementation is None or not invoke.params.keys() <= implementation.params:
            return None
        implementation = compiled(implementation, invoke)
        given = _usable(invoke.inputs, implementation.raw)
        inputs = (*given, *(None,) * (implementation.arity - len(given)))
        types = tuple(None if ref is None else _type(ref) for ref in inputs)
        if not all(kind is None or kind.is_static for kind in types):
            return None
        into = tuple(_type(ref) for ref in invoke.into)
        scratch = tuple(_type(ref) for ref in invoke.scratch)
        refs = (*inputs, *invoke.into, *invoke.scratch)
        if implementation.late:
            function = implementation.prepare(Call(invoke, types, into, scratch, self._rooms))
            if function is None:
                return None
            run = self._calling(function, refs)
            if invoke.callee not in NAMES or any(isinstance(ref, Slot) for ref in refs):
                return run
            if isinstance(function, Compiled):
                # It is joined with other machine code, and goes over arrays in its own way.
                return run
            arrays = tuple(None if ref is None else self._array(ref) for ref in refs)
            return Elementwise(run, function, arrays)
        if any(isinstance(ref, Slot) for ref in refs):
            # The plan means the kernel of the same name: the algorithm did not apply.
            return None
        return implementation.prepare(
            BoundCall(
                invoke,
                types,
                into,
                scratch,
                self._rooms,
                tuple(None if ref is None else self._array(ref) for ref in inputs),
                tuple(self._array(ref) for ref in invoke.into),
                tuple(self._array(ref) for ref in invoke.scratch),
            )
        )

    def _calling(self, function: Function, refs: Sequence[Ref | None]) -> Run:
        """A step that calls a function with the arrays of the references."""
        if isinstance(function, Compiled):
            operands = [r.index if isinstance(r, Slot) else self._given(r) for r in refs]
            if (native := function.reading(self._env, operands)) is not None:
                return native
        if not any(isinstance(ref, Slot) for ref in refs):
            arrays = [None if ref is None else self._array(ref) for ref in refs]
            if isinstance(function, Bindable):
                return function.on(*cast("list[Array]", arrays))
            return partial(function, *arrays)
        late = [i for i, ref in enumerate(refs) if isinstance(ref, Slot)]
        if len(late) == 1 and isinstance(function, Bindable):
            known = [None if r is None or isinstance(r, Slot) else self._array(r) for r in refs]
            if (of_one := function.knowing(known, late[0])) is not None:
                return reading(of_one, self._env, self._indices([refs[late[0]]]))
        return reading(function, self._env, self._indices(refs))

    def _owning(self, invoke: Invoke) -> Run:
        """A step that makes the results of a call."""
        if invoke.schedule is None or invoke.callee not in RESULTS:
            return self._keeping(invoke, self._rooms)
        # Nothing is prepared, nor packed, for NumPy before it is known that it is needed.
        plain = cache(partial(self._keeping, invoke, self._rooms))
        implementation = owning().get(invoke.callee)
        raw, arity = (), 0
        if implementation is not None:
            raw, arity = implementation.raw, implementation.arity
        inputs = (*_usable(invoke.inputs, raw), *(None,) * (arity - len(invoke.inputs)))
        operands = self._indices(inputs)
        return OwnedStep(invoke, self._rooms, self._env, operands, lambda: plain()())

    def _keeping(self, invoke: Invoke, rooms: Rooms) -> Run:
        """A step that keeps what a kernel returns."""
        function, inputs = self._own_function(invoke, rooms)
        env, read, keep = self._env, self._reader(inputs), self._private
        if len(invoke.owned) == 1:
            index, require = invoke.owned[0].index, invoke.owned[0].type.require

            def run() -> None:
                (result,) = _several(function(*read()))
                env[index] = keep(require(result))

            return run

        def run_many() -> None:
            for slot, result in zip(invoke.owned, _several(function(*read())), strict=True):
                env[slot.index] = keep(slot.type.require(result))

        return run_many

    def _own_function(
        self, invoke: Invoke, rooms: Rooms
    ) -> tuple[Function, tuple[Ref | None, ...]]:
        """The function that makes the results of a call that owns them, and what it takes."""
        implementation = owning().get(invoke.callee)
        if implementation is not None and implementation.own is not None:
            kinds = [None if ref is None else _type(ref) for ref in (*invoke.inputs, *invoke.owned)]
            given = _usable(invoke.inputs, implementation.raw)
            inputs = (*given, *(None,) * (implementation.arity - len(given)))
            types = (*kinds[: len(given)], *(None,) * (len(inputs) - len(given)))
            owned = cast("tuple[ArrayType, ...]", tuple(kinds[len(given) :]))
            if invoke.params.keys() <= implementation.params:
                function = implementation.own(Call(invoke, types, owned, (), rooms))
                if function is not None:
                    return function, inputs
        kernel = _OWNED.get(invoke.callee) or _kernel(invoke.callee)
        return partial(kernel, **invoke.params), _kernel_inputs(invoke)

    def _parallel(self, lanes: Sequence[Body]) -> Run:
        """A step whose parts have temporary memory of their own."""
        own, parts = self._rooms, list[Run]()
        for index, lane in enumerate(lanes):
            self._rooms = own.of_lane(index)
            parts.append(self._bind(lane).run)
        self._rooms = own
        assert self._team is not None
        return Together(parts, self._team)

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

    def _external(self, call: External) -> Run:
        read, execute = self._reader(call.inputs), call.run

        def run() -> None:
            inputs = [a if _is_contiguous(a) else a.copy() for a in read()]
            for slot, result in zip(call.owned, execute(inputs), strict=True):
                self._env[slot.index] = slot.type.require(result, "the part's result")

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
            case View(storage, offset, kind, index, whole):
                shape = kind.static_shape if index is None else whole
                size = kind.dtype.itemsize * int(np.prod(shape, dtype=np.int64))
                raw = self._storages[storage][offset : offset + size]
                array = raw.view(kind.dtype).reshape(shape)
                return array if index is None else array[index]
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

    def _given(self, ref: Constant | View | None) -> Array | None:
        return None if ref is None else self._array(ref)

    def _placed(self, ref: Constant | View | None) -> int:
        self._env.append(None if ref is None else self._array(ref))
        return len(self._env) - 1


class Steps:
    """Prepared steps and, for the errors, where each comes from."""

    __slots__ = (
        "_run_places", "_runs", "_steps", "_watching", "calls", "described", "instructions",
        "joined", "places",
    )  # fmt: skip

    def __init__(self, instructions: Sequence[Instruction], watching: Watching) -> None:
        self.calls: list[Run] = []
        self.places: list[str] = []
        self.instructions = instructions
        self.described: list[Step | None] = []
        """What a watch is told of each; made in the first run that is watched."""
        self._watching = watching
        self._steps: list[Run | Elementwise] = []
        self.joined: list[Any] = []
        """Steps, those of machine code in a row as one."""
        self._runs: list[Run] = []
        """The calls, some of them merged, and where the first one of each comes from."""
        self._run_places: list[str] = []

    def add(self, step: Run | Elementwise, where: str) -> None:
        """Append a step."""
        self.calls.append(step.run if isinstance(step, Elementwise) else step)
        self.places.append(where)
        self._steps.append(step)

    def finish(self, slots: int) -> None:
        """Merge what runs together when nobody watches; `slots` places of the environment are filled in
        a run."""
        steps = in_rows(in_one_call(self._steps, self.instructions), self.instructions, slots)
        self.joined = [step for step, _ in steps]
        calls = [step.run if isinstance(step, Joined) else step for step in self.joined]
        for run, index in merged(calls):
            self._runs.append(run)
            self._run_places.append(self.places[steps[index][1]])
        self._steps.clear()

    def run(self) -> None:
        """Execute in order. Raises BackendError naming the step that failed."""
        if self._watching.watch is not None:
            run_watched(self, self._watching)
            return
        call = None
        try:
            for call in self._runs:
                call()
        except Exception as error:
            place = "" if call is None else self._run_places[self._runs.index(call)]
            raise failure(place, error) from error


def _implementation(callee: str) -> Implementation | None:
    if callee == FUSED:
        return EXPRESSION
    return table().get(callee) or ONLY_COMPILED.get(callee)


def _all_new(body: Body) -> bool:
    """Whether each result is a buffer of its own, made in this run for the caller."""
    made = {i.slot.index for i in body.instructions if isinstance(i, New)}
    found = [ref.index for ref in body.results if isinstance(ref, Slot)]
    return len(found) == len(set(found)) == len(body.results) and made.issuperset(found)


def _aligned(size: int) -> Array:
    try:
        raw = np.empty(size + _ALIGNMENT, np.uint8)
    except (MemoryError, ValueError) as error:
        raise failure(f"a buffer of {size} bytes", error) from error
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size]


def _usable(refs: Sequence[Ref | None], raw: Collection[int]) -> tuple[Ref | None, ...]:
    """References whose constants NumPy need not copy in every call, but for those in `raw`."""
    return tuple(
        Constant(packing.packed(ref.packs, ref.array, "aligned", packing.aligned), ref.packs)
        if isinstance(ref, Constant) and i not in raw and not _lies_well(ref.array)
        else ref
        for i, ref in enumerate(refs)
    )


def _lies_well(array: Array) -> bool:
    return array.flags.aligned and array.flags.c_contiguous


def _kernel_inputs(invoke: Invoke) -> tuple[Ref | None, ...]:
    """The inputs of a kernel: a table of which it takes a few rows stays in its file."""
    return _usable(invoke.inputs, (0,) if invoke.callee.startswith("gather") else ())


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
    kernel = kernels.find(name)
    if kernel is None:
        raise ValueError(f"there is no algorithm or kernel @{callee}")
    return kernel


def _is_contiguous(value: Any) -> bool:
    """Whether a value is as executables take it; containers always are."""
    return not isinstance(value, np.ndarray) or value.flags.c_contiguous


def _copied(x: Any) -> Any:
    return mapped(np.copy, x)


_OWNED = {**FUNCTIONS, "copy": _copied}
"""What calls that return their results may name beside kernels."""


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
