"""Options of a session, under the names of the documentation and of ONNX Runtime."""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path


class OptLevel(IntEnum):
    """The documentation's names for optimization levels."""

    NONE = 0
    BASIC = 1
    EXTENDED = 2
    ALL = 3


class GraphOptimizationLevel(IntEnum):
    """ONNX Runtime's names for optimization levels, and its integer values."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class SessionOptions:
    """How a session compiles and runs a model.

    `optimization_level` is 0-3 (default 2); `graph_optimization_level` is the same setting in ONNX
    Runtime's spelling, and the last one set wins. `specialize_after` is the number of runs with one
    input signature before the model is compiled for it (0: never; a new signature runs on the
    dynamic plan at once). `max_specialized_plans` bounds how many such plans are kept; the least
    recently used is dropped, and made again only when its signature comes back a hundred times as
    often.

    `skip_passes` are passes of the level that are left out (`cse`, or the documentation's `CSEPass`);
    `verbose_optimization` says what each pass did; `validate_after_pass` verifies the model after
    each pass; `optimized_model_filepath` is a `.mlir` file that the optimised model is saved to.
    """

    def __init__(self) -> None:
        self._optimization_level = 2
        self.device = "cpu"
        self.specialize_after = 2
        self.max_specialized_plans = 8
        self.skip_passes: list[str] = []
        self.verbose_optimization = False
        self.validate_after_pass = False
        self.optimized_model_filepath: str | os.PathLike[str] = ""

    @property
    def optimization_level(self) -> int:
        """0: none, 1: folding and cleanup, 2: with common subexpressions and fusion, 3: everything."""
        return self._optimization_level

    @optimization_level.setter
    def optimization_level(self, level: int) -> None:
        self._optimization_level = int(level)

    @property
    def graph_optimization_level(self) -> GraphOptimizationLevel:
        """The level in ONNX Runtime's spelling; level 3 reads as ORT_ENABLE_ALL."""
        if self._optimization_level == 3:
            return GraphOptimizationLevel.ORT_ENABLE_ALL
        return GraphOptimizationLevel(self._optimization_level)

    @graph_optimization_level.setter
    def graph_optimization_level(self, level: GraphOptimizationLevel) -> None:
        self._optimization_level = min(int(level), 3)

    def validate(self) -> list[str]:
        """What is wrong with the values, one sentence each; empty when they are fine."""
        from pyflame_rt.passes import optimization_levels

        problems: list[str] = []
        if self.device != "cpu":
            problems.append(f'device "{self.device}" is not available; available: cpu')
        if self._optimization_level not in range(4):
            problems.append(f"optimization_level {self._optimization_level} is not in 0..3")
        if self.specialize_after < 0:
            problems.append(f"specialize_after {self.specialize_after} is negative")
        if self.max_specialized_plans < 1:
            problems.append(f"max_specialized_plans {self.max_specialized_plans} is below 1")
        if isinstance(self.skip_passes, str):
            problems.append(f'skip_passes is a list of names, not the string "{self.skip_passes}"')
        else:
            problems += optimization_levels.problems(0, self.skip_passes)
        return problems + self._problems_of_file()

    def _problems_of_file(self) -> list[str]:
        path = os.fspath(self.optimized_model_filepath)
        if not path or Path(path).suffix.lower() == ".mlir":
            return []
        kind = Path(path).suffix or "no extension"
        return [f"optimized_model_filepath {path} must end in .mlir; {kind} cannot be written yet"]
