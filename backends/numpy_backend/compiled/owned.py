"""Calls that make their results, whose sizes are known in a run only, by machine code.

Kernels take sizes from records, so that nothing is compiled in a run. Records are written when shapes
are first met, and kept for the last few; calls that hold no constants use each other's.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.running import Program
from pyflame_rt.backends.native.steps import Step, address_of
from pyflame_rt.backends.numpy_backend.blocks import Rooms
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call
from pyflame_rt.backends.numpy_backend.compiled.forms import form_of
from pyflame_rt.backends.numpy_backend.compiled.steps import (
    Compiled,
    MachineCode,
    NativeStep,
    going,
)
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.numpy_backend.result_shapes import RESULTS, Shape, algorithm_of
from pyflame_rt.backends.runtime import Array, ArrayType
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE

Shapes: TypeAlias = tuple[Shape | None, ...]
Make: TypeAlias = Callable[[Sequence[Any]], list[Array]]

_KEPT = 4
"""Shapes that a call is prepared for, at the most: those of a cache that grows never come back."""
_KEPT_ALIKE = 32
"""The same of all calls of a frame that hold no constants."""

_FEW = 512
"""Elements of a result for whose sake no records are written: NumPy takes a microsecond or two."""

PREPARING, _CALL, _ELEMENT = 140_000, 20_000, 0.6
"""Nanoseconds that it takes to write records; by which a call is longer on NumPy; and an element."""

_ALIKE = frozenset(
    ("attention", "layer_normalization", "rms_normalization", "softmax", "transpose")
)
"""Algorithms whose records follow from parameters and shapes alone."""


_PAST = 4
"""The operand of attention that is the keys of the past."""

_BOUND = frozenset(("average_pool", "conv", "max_pool"))
"""Ops whose algorithms are bound to their operands."""


@dataclass(frozen=True, eq=False)
class Found:
    """Steps, the addresses of their operands, and which of the call's operands and results those are
    that have none."""

    steps: Sequence[Step]
    addresses: Sequence[int | None]
    late: Sequence[int]
    held: object = None
    """What has the addresses."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What makes the results of a call for operands of some shapes."""

    make: Make
    found: Found
    into: tuple[ArrayType, ...]


class OwnedStep(MachineCode):
    """A step that puts new results into the environment; by NumPy where there is no code for it."""

    __slots__ = ("_alike", "_invoke", "_known_shapes", "_plain", "_read", "env", "last", "met",
                 "operands", "rooms", "slots", "where")  # fmt: skip

    def __init__(
        self,
        invoke: Invoke,
        rooms: Rooms,
        env: list[Any],
        operands: Sequence[int],
        plain: Callable[[], object],
    ) -> None:
        assert invoke.schedule is not None
        super().__init__(processors.of_floats(invoke.schedule.cpu))
        self._invoke, self.rooms, self._plain = invoke, rooms, plain
        self.env, self.operands = env, tuple(operands)
        """The environment, and the places of the operands in it."""
        self.slots = tuple(slot.index for slot in invoke.owned)
        """The places of the results."""
        self.where = invoke.where
        self._read = itemgetter(*operands) if len(operands) > 1 else None
        self._known_shapes: OrderedDict[Shapes, Prepared | None] = OrderedDict()
        self.last: Prepared | None = None
        """By what the last run was."""
        self.met = 0
        """How many shapes were met that were not known."""
        self._alike: Hashable = None
        if invoke.callee in _ALIKE:
            self._alike = invoke.callee, invoke.schedule, repr(sorted(invoke.params.items()))
            rooms.alike[self._alike] += 1

    def __call__(self) -> None:
        env, read = self.env, self._read
        arrays = (env[self.operands[0]],) if read is None else read(env)
        shapes = tuple([None if a is None else a.shape for a in arrays])
        try:
            prepared = self._known_shapes[shapes]
        except KeyError:
            prepared = self._prepared(shapes, arrays)
        self.last = prepared
        if prepared is None:
            self._plain()
            return
        for index, result in zip(self.slots, prepared.make(arrays), strict=True):
            env[index] = result

    def _prepared(self, shapes: Shapes, arrays: Sequence[Any]) -> Prepared | None:
        """What makes the results for operands of these shapes, from now on."""
        self.met += 1
        if self._alike is None:
            found = self._made(arrays)
        else:
            shared, key = self.rooms.prepared, (self._alike, shapes)
            if key not in shared:
                _keep(shared, key, self._made(arrays), _KEPT_ALIKE)
            found = shared[key]
        _keep(self._known_shapes, shapes, found, _KEPT)
        return found

    def _made(self, arrays: Sequence[Any]) -> Prepared | None:
        invoke = self._invoke
        if not all(a is None or isinstance(a, np.ndarray) for a in arrays):
            return None
        shapes = RESULTS[invoke.callee](invoke.params, arrays)
        if shapes is None or not _are_declared(invoke, shapes):
            return None
        if not self._is_worth(sum(map(math.prod, shapes))):
            return None
        form = form_of(invoke, algorithm_of(invoke.callee, invoke.params, arrays))
        if form is None:
            return None
        types = tuple(None if a is None else ArrayType(a.dtype, a.shape) for a in arrays)
        into = tuple(
            ArrayType(slot.type.dtype, shape)
            for slot, shape in zip(invoke.owned, shapes, strict=True)
        )
        call = Call(invoke, types, into, (), self.rooms)
        known = [self._known(index, array) for index, array in enumerate(arrays)]
        try:
            found = self._late(form, call, known) or self._bound(form, call, known)
        except ValueError:
            # The kernel says why.
            return None
        if found is None:
            return None
        program = Program(self.cpu, found.steps, found.addresses)
        return Prepared(_making(program, found.late, into, (program, found.held)), found, into)

    def _late(
        self, form: Callable[[Any], object], call: Call, known: Sequence[Array | None]
    ) -> Found | None:
        """The steps of a form that takes its operands in a run."""
        if call.invoke.callee in _BOUND:
            return None
        function = form(call)
        if not isinstance(function, Compiled):
            return None
        operands = [*known, *(None,) * len(call.into_types)]
        kinds = zip((*call.input_types, *call.into_types), operands, strict=True)
        late = [i for i, (kind, array) in enumerate(kinds) if kind is not None and array is None]
        steps = function.steps(operands, late)
        if steps is None:
            return None
        addresses = [None if i in late else address_of(a) for i, a in enumerate(operands)]
        return Found(steps, addresses, late)

    def _is_worth(self, elements: int) -> bool:
        """Whether a call with so many elements in its results gains what it takes to prepare it; where
        there is a cache that grows, each time."""
        callee, refs = self._invoke.callee, self._invoke.inputs
        if callee in ELEMENTWISE:
            return elements >= _FEW
        past = refs[_PAST] if callee == "attention" and len(refs) > _PAST else None
        if past is None or isinstance(past, Constant) or past.type.is_static:
            return True
        return self.rooms.alike[self._alike] * (_CALL + elements * _ELEMENT) > PREPARING

    def _bound(
        self, form: Callable[[Any], object], call: Call, known: Sequence[Array | None]
    ) -> Found | None:
        """The steps of a form that is bound to its operands, on those of each run instead."""
        if call.invoke.callee not in _BOUND:
            return None
        inputs = [
            np.empty(kind.static_shape, kind.dtype) if kind is not None and array is None else array
            for kind, array in zip(call.input_types, known, strict=True)
        ]
        into = [np.empty(kind.static_shape, kind.dtype) for kind in call.into_types]
        step = form(
            BoundCall(
                call.invoke, call.input_types, call.into_types, (), call.rooms,
                tuple(inputs), tuple(into), (),
            )
        )  # fmt: skip
        if not isinstance(step, NativeStep):
            return None
        places = {
            address_of(array): index
            for index, array in enumerate((*inputs, *into))
            if array is not None and (index >= len(known) or known[index] is None)
        }
        found = [places.get(address_of(cast("Array | None", a))) for a in step.operands]
        addresses = [
            address_of(cast("Array | None", array)) if place is None else None
            for array, place in zip(step.operands, found, strict=True)
        ]
        late = [place for place in found if place is not None]
        return Found(step.steps, addresses, late, step.operands)

    def _known(self, index: int, array: Array | None) -> Array | None:
        """A constant of this call alone."""
        refs = self._invoke.inputs
        is_own = self._alike is None and index < len(refs) and isinstance(refs[index], Constant)
        return array if is_own else None


def _keep(
    kept: OrderedDict[Any, Prepared | None], key: Hashable, found: Prepared | None, most: int
) -> None:
    kept[key] = found
    while len(kept) > most:
        kept.popitem(last=False)


def _are_declared(invoke: Invoke, shapes: Sequence[Shape]) -> bool:
    """Whether results of these shapes are as the plan says of them."""
    return len(shapes) == len(invoke.owned) and all(
        isinstance(slot.type, ArrayType) and _is_declared(slot.type, shape)
        for slot, shape in zip(invoke.owned, shapes, strict=True)
    )


def _is_declared(kind: ArrayType, shape: Shape) -> bool:
    declared = kind.shape
    return declared is None or (
        len(declared) == len(shape)
        and all(d in (n, DYNAMIC) for d, n in zip(declared, shape, strict=True))
    )


def _making(
    program: Program, given: Sequence[int], into: Sequence[ArrayType], held: object
) -> Make:
    """What makes results of these types by a program of such operands, the results among them."""
    late, refused, last = program.late, program.refused, program.last
    go, empty = going(program, held), np.empty
    made = [(kind.static_shape, kind.dtype) for kind in into]
    numbered = tuple(enumerate(given, len(given)))

    def slowly(arrays: Sequence[Any]) -> None:
        held = program.lay([arrays[place] for place in given])
        go()
        del held

    def make_slowly(inputs: Sequence[Any]) -> list[Array]:
        results = [empty(shape, dtype) for shape, dtype in made]
        slowly((*inputs, *results))
        return results

    def make(inputs: Sequence[Any]) -> list[Array]:
        results = [empty(shape, dtype) for shape, dtype in made]
        arrays = (*inputs, *results)
        for index, place in numbered:
            late[index] = id(arrays[place])
        go()
        if refused[last]:
            slowly(arrays)
        return results

    return make_slowly if program.layout is None else make
