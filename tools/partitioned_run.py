"""`pfrt-run --partition`: a model on the devices of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyflame_rt.tools.command import UsageError

if TYPE_CHECKING:
    from pyflame_rt.compiler import Program
    from pyflame_rt.tools.pfrt_run import Options, Report


def check(options: Options) -> None:
    """Raise UsageError for options that a plan has no use for, or that need one."""
    if options.partition is None:
        for name, given in (
            ("--transport", options.transport is not None),
            ("--micro-batches", options.micro_batches is not None),
        ):
            if given:
                raise UsageError(f"{name} goes with --partition", where=options.model)
        return
    if not Path(options.partition).is_file():
        raise UsageError("there is no such plan", where=options.partition)
    excluded = {
        "--device": options.device is not None,
        "--pipeline": options.pipeline is not None,
        "--tune": options.tune,
        "--bisect-passes": options.bisect_passes,
        "--reduce": options.reduce is not None,
    }
    for name, given in excluded.items():
        if given:
            raise UsageError(f"--partition and {name} exclude each other", where=options.model)


class PartitionedModel:
    """A model on the devices of a plan, which runs on arrays in the order of its inputs."""

    def __init__(self, options: Options, program: Program, names: Sequence[str], stack: ExitStack):
        # Solving and transports are nothing that other runs need.
        from pyflame_rt.partition.executor import PartitionedExecutor
        from pyflame_rt.partition.plan import PartitionPlan

        assert options.partition is not None
        self._names = names
        self._executor = stack.enter_context(
            PartitionedExecutor(
                PartitionPlan.load(options.partition),
                program,
                transport=options.transport,
                micro_batches=options.micro_batches,
                level=2 if options.opt_level is None else options.opt_level,
            )
        )

    def run(self, feed: Sequence[Any]) -> list[Any]:
        """Outputs in order. Raises PyFlameRTError."""
        inputs = dict(zip(self._names, feed, strict=True))
        return list(self._executor.execute(inputs).values())

    def profile(self, options: Options, report: Report, feed: Sequence[Any], runs: int) -> None:
        """Tell what stages take in some runs that are in flight together, and write it to a file."""
        from pyflame_rt.partition.stage_profile import table

        assert options.profile is not None
        inputs = dict(zip(self._names, feed, strict=True))
        self._executor.reset_profile()
        for future in [self._executor.execute_async(inputs) for _ in range(runs)]:
            future.result()
        found = self._executor.profile()
        self._executor.write_profile(options.profile)
        report.add("profile", [stage.as_json() for stage in found], *table(found))
