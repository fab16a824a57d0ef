"""The plans of a session: one for all shapes, and one each for signatures that come back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeAlias

from pyflame_rt import compiler, logs
from pyflame_rt.compiler import CompiledModel, TensorSpec
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.options import SessionOptions

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

_COUNTED = 256
"""For how many signatures runs are counted."""


class Compile(Protocol):
    """Makes a plan of the optimised model by further passes."""

    def __call__(self, pipeline: str) -> CompiledModel:
        """Raises PyFlameRTError."""
        ...


@dataclass(frozen=True)
class Signature:
    """The shapes that inputs had in some runs.

    `runs` is how many, `specialized` whether there is a plan for them now.
    """

    shapes: Mapping[str, tuple[int, ...]]
    runs: int
    specialized: bool


class _Count:
    """Runs of one signature: all, and those not too far from each other."""

    __slots__ = ("failed", "recent", "runs", "shapes", "special")

    def __init__(self, shapes: Shapes | None = None) -> None:
        self.shapes = shapes
        self.runs = 0
        self.recent = 0
        self.special = False
        """Whether the last of them was on the plan for this signature."""
        self.failed = False


class Plans:
    """Which plan runs an input signature.

    A new signature runs on the dynamic plan. One that has come back often enough, with no more
    others in between than plans are kept, is compiled by a thread of its own; runs go on using the
    dynamic plan until it is done. So a signature that changes in every step, as that of a growing
    cache, never meets the compiler, and no run waits for it.

    A model whose batch alone is open, and whose dynamic plan may be `postponed`, mostly has one
    signature: the first is compiled before its first run, and the dynamic plan when another comes.
    """

    def __init__(
        self,
        compile_plan: Compile,
        options: SessionOptions,
        inputs: Sequence[TensorSpec],
        *,
        postponed: bool = False,
    ):
        self._compile = compile_plan
        self._options = options
        self._inputs = inputs
        self._making = threading.Lock()
        self._dynamic: CompiledModel | None = None
        self.is_static = all(spec.is_static for spec in inputs)
        self._is_first = postponed and options.specialize_after > 0 and has_open_batch(inputs)
        """Whether the next signature is compiled before its first run, as the only one."""
        backend = None if self._is_first else self.dynamic.backend
        self._eager = backend is not None and backend.static_shapes
        """Whether every signature is compiled before its first run."""
        self._special: OrderedDict[Shapes, CompiledModel] = OrderedDict()
        self._counts: OrderedDict[Shapes, _Count] = OrderedDict()
        self._last = _Count()
        self._last_plan: CompiledModel | None = None
        """The plan for the signature of the last run, until another one is kept."""
        self._again: tuple[Shapes, _Count, CompiledModel] | None = None
        """The same, to be read at once without the lock."""
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    @property
    def dynamic(self) -> CompiledModel:
        """The plan for all shapes, made when it is needed. Raises PyFlameRTError."""
        if (found := self._dynamic) is not None:
            return found
        with self._making:
            if self._dynamic is None:
                self._dynamic = self._compile("")
            return self._dynamic

    def find(self, values: Sequence[Any]) -> CompiledModel:
        """The plan of the last run on values of these shapes, as long as it is kept."""
        shapes = _shapes(values)
        with self._lock:
            count = self._counts.get(shapes)
            plan = self._special.get(shapes)
        return self.dynamic if plan is None or (count and not count.special) else plan

    def take(self, values: Sequence[Any]) -> CompiledModel:
        """The plan for a run on these values, which is counted where there may be several plans."""
        if self.is_static:
            return self.dynamic
        shapes = _shapes(values)
        if (again := self._again) is not None and again[0] == shapes:
            # Runs that meet here may be counted once.
            again[1].runs += 1
            return again[2]
        if self._is_first:
            self._make_first(shapes)
        with self._lock:
            self._again = None
            count = self._last
            if count.shapes == shapes:
                count.recent += 1
                if self._last_plan is not None:
                    count.runs += 1
                    return self._last_plan
            else:
                count = self._last = self._count(shapes)
            count.runs += 1
            plan = self._last_plan = self._special.get(shapes)
            if plan is not None:
                count.special = True
                self._special.move_to_end(shapes)
                self._again = shapes, count, plan
                return plan
            count.special = False
            if self._eager:
                pass
            elif count.recent >= self._options.specialize_after and self._may_specialize(count):
                self._worker = threading.Thread(
                    target=self._specialize, args=(shapes,), name="specialize", daemon=True
                )
                self._worker.start()
        return self._made(shapes) if self._eager else self.dynamic

    @property
    def last(self) -> CompiledModel:
        """The plan of the last run."""
        with self._lock:
            plan = self._last_plan
        return plan or self.dynamic

    def signatures(self) -> list[Signature]:
        """The signatures of the last runs, the latest first."""
        names = [spec.name for spec in self._inputs]
        with self._lock:
            return [
                Signature(
                    dict(zip(names, shapes, strict=True)), count.runs, shapes in self._special
                )
                for shapes, count in reversed(self._counts.items())
            ]

    def settle(self) -> None:
        """Wait until no plan is being made."""
        worker = self._worker
        if worker is not None:
            worker.join()

    def _count(self, shapes: Shapes) -> _Count:
        """The count of a signature other than the last run's."""
        near = shapes in islice(reversed(self._counts), self._options.max_specialized_plans)
        count = self._counts.pop(shapes, None) or _Count(shapes)
        count.recent = count.recent + 1 if near else 1
        self._counts[shapes] = count
        if len(self._counts) > _COUNTED:
            self._counts.popitem(last=False)
        return count

    def _may_specialize(self, count: _Count) -> bool:
        wanted = self._options.specialize_after > 0
        return wanted and not count.failed and self._worker is None

    def _make_first(self, shapes: Shapes) -> None:
        """Compile the first signature; runs that come meanwhile wait."""
        with self._making:
            if not self._is_first:
                return
            try:
                self._special[shapes] = self._compile(self._specialization(shapes))
            except PyFlameRTError as error:
                # The run fails, or not, on the dynamic plan.
                self._tell(shapes, error)
                self._counts[shapes] = count = _Count(shapes)
                count.failed = True
            finally:
                self._is_first = False

    def _specialization(self, shapes: Shapes) -> str:
        options = self._options
        return compiler.specialization_pipeline(
            self._inputs, shapes, options.optimization_level, options.skip_passes
        )

    def _tell(self, shapes: Shapes, error: PyFlameRTError) -> None:
        logs.log(1, self._options.log_severity_level, "no plan for %s: %s", shapes, error)

    def _made(self, shapes: Shapes) -> CompiledModel:
        """A plan for a signature, made now. Raises PyFlameRTError when there can be none."""
        plan = self._compile(self._specialization(shapes))
        with self._lock:
            self._keep(shapes, plan)
            self._last_plan = plan
            self._last.special = True
        return plan

    def _specialize(self, shapes: Shapes) -> None:
        plan = None
        try:
            plan = self._compile(self._specialization(shapes))
        except PyFlameRTError as error:
            # Shapes that do not fit each other: the run fails, or not, as it did the first time.
            self._tell(shapes, error)
        finally:
            with self._lock:
                self._keep(shapes, plan)

    def _keep(self, shapes: Shapes, plan: CompiledModel | None) -> None:
        self._worker = None
        self._last_plan = self._again = None
        if plan is not None:
            self._special[shapes] = plan
            while len(self._special) > self._options.max_specialized_plans:
                self._special.popitem(last=False)
        elif shapes in self._counts:
            self._counts[shapes].failed = True


def has_open_batch(inputs: Sequence[TensorSpec]) -> bool:
    """Whether one size alone is open, that of the first dimension of some inputs."""
    symbols: list[object] = []
    for spec in inputs:
        if spec.container is not None or spec.shape is None:
            return False
        if any(not isinstance(dim, int) for dim in spec.shape[1:]):
            return False
        symbols += [dim for dim in spec.shape[:1] if not isinstance(dim, int)]
    return len(symbols) == 1 or (len(set(symbols)) == 1 and None not in symbols)


def _shapes(values: Sequence[Any]) -> Shapes:
    """What decides on which plan values run; containers do not."""
    try:
        return tuple([value.shape for value in values])
    except AttributeError:
        return tuple([getattr(value, "shape", ()) for value in values])
