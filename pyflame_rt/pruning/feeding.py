"""Running a model on recorded inputs, and looking at what its layers are fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt import compiler, feeds
from pyflame_rt.backends.base import find_function, only_block
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import ArgumentTypeError, ValidationError
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]
Feed: TypeAlias = Mapping[str, Array | Tensor]
Feeds: TypeAlias = Feed | Iterable[Feed]
"""What runs are fed, by the names of inputs: of one run, or of several."""


class _SeenEnough(Exception):
    """Ends a run."""


def batches(inputs: Feeds, where: str = "pruning") -> list[dict[str, Array]]:
    """What each run is fed. Raises ValidationError, which says where, when there is none."""
    given = cast("list[Feed]", [inputs] if isinstance(inputs, Mapping) else list(inputs))
    found: list[dict[str, Array]] = []
    for feed in given:
        if not isinstance(cast(object, feed), Mapping):
            raise ArgumentTypeError("inputs are a dict of arrays by name, or several", where=where)
        found.append({name: np.asarray(value) for name, value in feed.items()})
    if not found:
        raise ValidationError("there are no inputs to run on", where=where)
    return found


class Runner:
    """A module that is run on one feed after the other."""

    def __init__(self, module: ModuleOp):
        self._specs = compiler.signature(module)[0]
        self._arguments = only_block(find_function(module, "main")).args
        self._interpreter = ReferenceBackend().compile(module)

    def watch(
        self, feed: Mapping[str, Array], values: Sequence[SSAValue]
    ) -> Iterator[tuple[SSAValue, Array]]:
        """These values of a run that is no longer than it need be; those of regions are not seen."""
        arrays = feeds.prepare(feed, self._specs)
        wanted = dict.fromkeys(values)
        found: dict[SSAValue, Array] = {
            value: array
            for value, array in zip(self._arguments, arrays, strict=True)
            if value in wanted
        }

        def observe(op: PfrtOp, names: tuple[str, ...], results: Sequence[Array]) -> None:
            for value, array in zip(op.results, results, strict=True):
                if value in wanted:
                    found[value] = array
            if len(found) == len(wanted):
                raise _SeenEnough

        if len(found) < len(wanted):
            with suppress(_SeenEnough):
                self._interpreter.run(arrays, observe)
        return iter(found.items())


def each(
    module: ModuleOp,
    inputs: Sequence[Mapping[str, Array]],
    values: Sequence[SSAValue],
    see: Callable[[SSAValue, Array], None],
) -> None:
    """Show these values of all runs, batch by batch."""
    runner = Runner(module)
    for feed in inputs:
        for value, array in runner.watch(feed, values):
            see(value, array)
