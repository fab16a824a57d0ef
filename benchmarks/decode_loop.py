"""A decode loop whose cache of keys and values grows by one a step: every step has a new signature.

    python benchmarks/decode_loop.py [--steps 256] [--loops 3] [--width 4] [--json]

The model is examples/sessions/generate_tokens.py's. Steps are timed in CPU time of the process, so
that a background compilation would count; the same steps with static shapes are sessions in which
the length of the cache has been fixed. `--width` multiplies the heads.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import pyflame_rt as rt

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "sessions" / "generate_tokens.py"
REPEATS = 15


def example(width: int) -> ModuleType:
    """The example as a module, its network `width` times as wide."""
    spec = importlib.util.spec_from_file_location("generate_tokens", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    import sys

    arguments, sys.argv = sys.argv, sys.argv[:1]
    spec.loader.exec_module(module)
    sys.argv = arguments
    module.HEADS *= width
    module.WIDTH = module.HEADS * module.SIZE
    return module


def feed(module: ModuleType, past: int) -> dict[str, np.ndarray]:
    """What a step is fed after `past` others."""
    cache = np.zeros((1, module.HEADS, past, module.SIZE), np.float32)
    caches = {f"past_{part}": cache for part in module.parts()}
    return {"token": np.array([[past % module.VOCABULARY]]), **caches}


def loop(module: ModuleType, session: rt.InferenceSession, steps: int) -> list[float]:
    """Milliseconds of each step."""
    caches = [np.zeros((1, module.HEADS, 0, module.SIZE), np.float32)] * (2 * module.LAYERS)
    names, token, times = [f"past_{part}" for part in module.parts()], 1, []
    for _ in range(steps):
        values = {"token": np.array([[token]]), **dict(zip(names, caches, strict=True))}
        start = time.process_time_ns()
        logits, *caches = session.run(None, values)
        times.append((time.process_time_ns() - start) / 1e6)
        token = int(logits[0, -1].argmax())
    return times


def alternately(*runs: Any) -> list[float]:
    """Least milliseconds of each function, run in turn."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(REPEATS):
        for run, found in zip(runs, times, strict=True):
            start = time.process_time_ns()
            run()
            found.append((time.process_time_ns() - start) / 1e6)
    return [statistics.median(found) for found in times]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--loops", type=int, default=3)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    module = example(args.width)
    model = module.Network().model()
    session = rt.InferenceSession(model)
    loop(module, session, 16)
    times = [loop(module, session, args.steps) for _ in range(args.loops)]
    steps = [time for one in times for time in one]
    middle = statistics.median(steps)
    pairs: list[tuple[float, float]] = []
    for past in range(16, args.steps, max(16, args.steps // 8)):
        options = rt.SessionOptions()
        options.add_free_dimension_override_by_name("past", past)
        static, values = rt.InferenceSession(model, options), feed(module, past)
        other = rt.SessionOptions()
        other.specialize_after = 0
        dynamic = rt.InferenceSession(model, other)
        for one in (static, dynamic):
            one.run(None, values)
        pairs.append(
            tuple(
                alternately(
                    lambda s=dynamic, v=values: s.run(None, v),
                    lambda s=static, v=values: s.run(None, v),
                )
            )
        )
    figures = {
        "steps": len(steps),
        "median ms": middle,
        "slowest ms": max(steps),
        "slowest / median": max(steps) / middle,
        "loop / static shapes": sum(d for d, _ in pairs) / sum(s for _, s in pairs),
        "plans made": sum(s.specialized for s in session.signatures()),
    }
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:22} {value:.3f}" if isinstance(value, float) else f"{name:22} {value}")


if __name__ == "__main__":
    main()
