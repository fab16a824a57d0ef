"""Stages as files that workers open: weights once for all of them, where they share a disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyflame_rt import module_files, plugins
from pyflame_rt.dialects.custom.operation import CustomOperation
from pyflame_rt.partition.transports.base import StageProgram

if TYPE_CHECKING:
    from pyflame_rt.partition.plan import Stage

_WEIGHTS = "stages.weights"


def write_stages(
    stages: Sequence[Stage], folder: Path, *, level: int, lowering: int, threads: int, shared: bool
) -> list[StageProgram]:
    """Write a file for each stage to a folder, and say how each is loaded.

    Where workers share the disk, one file has the weights of all and is mapped by each, so that
    what several stages use is in memory once. Elsewhere each file has its own. Raises
    PyFlameRTError when files cannot be written, or a stage's weights are not at hand.
    """
    weights = folder / _WEIGHTS
    if shared:
        from pyflame_rt.weights import write_side_file

        used = [attr.data for s in stages for attr in module_files.used_weights(s.module)]
        write_side_file(weights, used)
    programs: list[StageProgram] = []
    for index, stage in enumerate(stages):
        path = folder / f"stage{index}{'.mlir' if shared else '.pfm'}"
        if shared:
            module_files.write(path, module_files.to_text(stage.module), [])
        else:
            module_files.save(stage.module, path)
        programs.append(
            StageProgram(
                stage.name,
                str(stage.device),
                str(path),
                str(weights) if shared else None,
                len(stage.outputs),
                stage.device.backend,
                level,
                lowering,
                threads,
                operators := _custom_operators(stage),
                tuple(plugins.loadable_names()) if operators else (),
            )
        )
    return programs


def _custom_operators(stage: Stage) -> tuple[str, ...]:
    ops = (op for op in stage.module.walk() if isinstance(op, CustomOperation))
    return tuple(dict.fromkeys(op.SCHEMA.full_name for op in ops))
