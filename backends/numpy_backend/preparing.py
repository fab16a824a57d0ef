"""Preparing the calls of a plan by several threads: constants are packed and kernels compiled without
the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pyflame_rt.backends.numpy_backend.program import Constant, Instruction, Invoke

T = TypeVar("T")

_WORTH = 1 << 22
"""Bytes of constants: fewer are packed by one thread before another one has begun."""
_COMPILED = 2
"""Calls that become machine code, which may have to be compiled: LLVM works on one while the next is
written."""
_THREADS = 4


def at_once(
    prepare: Callable[[Instruction], T], instructions: Sequence[Instruction]
) -> Iterator[T]:
    """What each instruction becomes, in their order. Raises what the first that fails raises."""
    cores = _cores()
    if cores < 2 or not _is_worth_it(instructions):
        yield from map(prepare, instructions)
        return
    with ThreadPoolExecutor(min(cores, _THREADS), thread_name_prefix="prepare") as pool:
        # The others say what calls are prepared with, and take no time.
        calls = {i: pool.submit(prepare, x) for i, x in enumerate(instructions) if _is_call(x)}
        try:
            for index, instruction in enumerate(instructions):
                call: Future[T] | None = calls.get(index)
                yield prepare(instruction) if call is None else call.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _is_call(instruction: Instruction) -> bool:
    return isinstance(instruction, Invoke) and bool(instruction.into)


def _is_worth_it(instructions: Sequence[Instruction]) -> bool:
    calls = [call for call in instructions if isinstance(call, Invoke)]
    if sum(call.schedule is not None for call in calls) >= _COMPILED:
        return True
    constants = (ref for call in calls for ref in call.inputs if isinstance(ref, Constant))
    return sum(ref.array.nbytes for ref in constants) >= _WORTH


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return os.cpu_count() or 1 if usable is None else len(usable(0))
