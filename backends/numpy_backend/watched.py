"""Runs of a frame's steps that are watched: the loop that runs only when somebody watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyflame_rt.backends.numpy_backend.compiled.steps import code_of
from pyflame_rt.backends.numpy_backend.program import (
    Branch,
    External,
    Instruction,
    Invoke,
    Loop,
    Ref,
    Subroutine,
)
from pyflame_rt.backends.runtime import failure
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.errors import BackendError

if TYPE_CHECKING:
    from pyflame_rt.backends.numpy_backend.frame import Frame, Steps


class Watching:
    """Who watches the run of a frame, if anyone; shared by the frame and all of its steps."""

    __slots__ = ("frame", "watch")

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.frame: Frame | None = None


class Synchronized(Watch):
    """A watch that is told of steps from several threads, one after the other."""

    def __init__(self, watch: Watch):
        self._watch = watch
        self._lock = threading.Lock()

    def enter(self, step: Step) -> None:
        with self._lock:
            self._watch.enter(step)

    def leave(self, step: Step) -> None:
        with self._lock:
            self._watch.leave(step)


def run_watched(steps: Steps, watching: Watching) -> None:
    """As `Steps.run`, with the watch told of each step that computes something."""
    watch, frame = watching.watch, watching.frame
    assert watch is not None
    assert frame is not None
    if not steps.described:
        steps.described = [
            _described(i, frame.values_of, code_of(call))
            for i, call in zip(steps.instructions, steps.calls, strict=True)
        ]
    for call, step, place in zip(steps.calls, steps.described, steps.places, strict=True):
        try:
            if step is None:
                call()
                continue
            watch.enter(step)
            call()
            watch.leave(step)
        except BackendError as error:
            if error.where is not None:
                raise
            # The watch's own: it does not know the step's place.
            raise type(error)(error.message, where=place, hint=error.hint) from error
        except Exception as error:
            raise failure(place, error) from error


def _described(
    instruction: Instruction,
    read: Callable[[Sequence[Ref | None]], Callable[[], Sequence[Any]]],
    code: str,
) -> Step | None:
    """The step of an instruction; None for one that only moves values about."""
    match instruction:
        case Invoke(callee, inputs, into, _, owned, params, where):
            known = ALGORITHMS.get(callee)
            op = f"pfrt.{callee}" if known is None else known.op
            return Step(callee, op, where, params, read(inputs), read((*into, *owned)), code)
        case Branch(condition, owned):
            return Step("if", "pfrt.if", instruction.where, {}, read((condition,)), read(owned))
        case Loop(_, _, carried, owned):
            return Step("loop", "pfrt.loop", instruction.where, {}, read(carried), read(owned))
        case Subroutine(inputs, _, owned):
            return Step("call", "", instruction.where, {}, read(inputs), read(owned))
        case External(inputs, owned):
            return Step("part", "", instruction.where, {}, read(inputs), read(owned))
        case _:
            return None
