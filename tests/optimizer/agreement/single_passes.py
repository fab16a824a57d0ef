"""Passes one by one: how each is run on a graph, and what is wrong with what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from agreement.judging import Judge
from agreement.ways import optimised
from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.passes import optimization_levels
from pyflame_rt.universe import PFRT_UNIVERSE

OTHERWISE = {
    "convert-pfrt-to-plan": "lowers: every plan that is run has been through it",
    "convert-pfrt-to-wse": "lowers: the tests of the wafer compare what it makes with NumPy",
    "convert-plan-integers-to-native": "is not for pfrt: tests/backends/native compares what it makes of plans",
    "convert-plan-to-native": "is not for pfrt: tests/backends/native compares what it makes of plans",
    "convert-wse-to-csl": "is not for pfrt: prints programs for the wafer",
    "pfrt-extract": "cuts a part out: it is not meant to give the same results",
    "pfrt-partition": "searches for seconds, and adds sums up in another order: tests/partition",
    "pfrt-quantize": "rounds on purpose: tests/passes/quantization compares what it makes",
    "pfrt-prune": "changes what is computed, which is what it is for",
    "pfrt-record-ranges": "needs a file of ranges, and changes nothing but attributes",
    "pfrt-specialize-shapes": "needs the shapes: plans for one feed have been through it",
    "pfrt-tune": "needs a file of times: tests/test_tuning.py runs every choice",
    "plan-allocate": "is not for pfrt: every plan for one feed has been through it",
    "plan-fuse-elementwise": "is not for pfrt: tests/backends/native compares what it makes of plans",
    "plan-split": "is not for pfrt: tests/backends/test_threads.py compares what it makes of plans",
    "wse-fit": "needs a machine and a grid: the tests of the wafer run it",
    "wse-lower-tiles": "lowers what wse-route leaves to a program for the wafer",
    "wse-place": "needs a machine and a grid: the tests of the wafer run it",
    "wse-prepare": "is the first step of the wafer's lowering, whose tests compare results",
    "wse-route": "goes on from wse-place",
    "wse-verify": "is for programs for the wafer, and changes nothing",
}
"""Passes that are not run alone, and why."""

SPELLED = {
    "pfrt-layout": tuple(
        f"pfrt-layout{{target={target}}}" for target in ("auto", "nhwc", "nchw", "nc4hw4")
    ),
    "pfrt-optimize": tuple(f"pfrt-optimize{{level={level}}}" for level in range(4)),
}
"""Passes that are run with options, in every way that there is."""


def spellings() -> list[str]:
    """Every registered pass of ours that can be run alone, with its options."""
    names = [name for name in sorted(PFRT_UNIVERSE.all_passes) if name not in OTHERWISE]
    return [text for name in names for text in SPELLED.get(name, (name,))]


CLEAN = compiler.optimization_pipeline(1)
"""What a pass may expect to have been done: canonical forms are what patterns look for."""


def complaints(
    module: ModuleOp, feeds: Sequence[Sequence[Any]], passes: Sequence[str | ModulePass]
) -> list[str]:
    """What is wrong after each of the passes alone: on the module as it is, and when cleaned up."""
    backend = get_backend("reference")
    reference = backend.compile(module)
    judges = [Judge(module, feed, [reference.run(feed)]) for feed in feeds]
    found: list[str] = []
    starts = {"": module}
    try:
        starts[f"{CLEAN}, then "] = optimised(module, CLEAN)
    except Exception as error:
        found.append(f"{CLEAN}: {type(error).__name__}: {error}")
    for start, before in starts.items():
        for one in passes:
            name = one if isinstance(one, str) else one.name
            pipeline = pipelines.parse(one) if isinstance(one, str) else (one,)
            try:
                after = optimised(before, pipeline)
                if after.is_structurally_equivalent(before):
                    continue
                executable = backend.compile(after)
                found += [
                    f"{start}{name} on {[getattr(a, 'shape', ()) for a in judge.feed]}: {why}"
                    for judge in judges
                    if (why := judge.complain(executable.run(judge.feed)))
                ]
            except Exception as error:
                found.append(f"{start}{name}: {type(error).__name__}: {error}")
    return found


def culprit(module: ModuleOp, feed: Sequence[Any], level: int = 3) -> str:
    """The first pass of a level after which the interpreter fails or disagrees, "" for none."""
    backend = get_backend("reference")
    judge = Judge(module, feed, [backend.compile(module).run(feed)])
    current = module
    for one in optimization_levels.passes(level):
        try:
            current = optimised(current, (one,))
            why = judge.complain(backend.compile(current).run(feed))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            return f"{pipelines.to_text((one,))}: {why}"
    return ""
