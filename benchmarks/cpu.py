"""Time of a run beside onnxruntime's and, where they are installed, OpenVINO's and torch's.

    python benchmarks/cpu.py [--models resnet50 …] [--batches 1 8] [--threads 1 2] [--rounds 15]
                             [--folder FOLDER] [--clock wall|cpu] [--json FILE]

The networks are made by scripts/make_networks.py (which needs torch) unless the folder has them.
Each measurement is a process of its own (benchmarks/cpu_child.py), in which the peers take turns;
figures are medians over rounds, and quartiles of the ratio: a peer's time over ours, so that 1 is as
fast and more is faster. Rounds during which something else used the processors are dropped; where
that leaves none, `--clock cpu` counts processor time, which is right for one thread.

Some environments pin OPENBLAS_CORETYPE to an older processor's kernels, which halves NumPy's speed:
the measurements are made without it, and where it is set, once more with it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cpu_models import MODELS, make

CHILD = Path(__file__).with_name("cpu_child.py")
PINNED = "OPENBLAS_CORETYPE"


def main() -> None:
    """Measure and print."""
    names = [model.name for model in MODELS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--peers", nargs="+", default=["onnxruntime", "openvino", "torch"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=_default_folder())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    make(args.folder, args.models)
    reports: list[dict[str, Any]] = []
    for task in _tasks(args):
        report = _measured(task)
        reports.append(report)
        _print(report)
        if args.json is not None:
            args.json.write_text(json.dumps(reports, indent=1) + "\n")


def _default_folder() -> Path:
    return Path(tempfile.gettempdir()) / "pyflame_rt_networks"


def _tasks(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    settings = itertools.product(
        dict.fromkeys(("", os.environ.get(PINNED, ""))), args.models, args.batches, args.threads
    )
    for pinned, name, batch, threads in settings:
        yield {
            "model": name, "batch": batch, "threads": threads, "pinned": pinned,
            "rounds": args.rounds, "clock": args.clock, "peers": args.peers,
            "folder": str(args.folder),
        }  # fmt: skip


def _measured(task: dict[str, Any]) -> dict[str, Any]:
    """What a child reports."""
    environment = {key: value for key, value in os.environ.items() if key != PINNED}
    if task["pinned"]:
        environment[PINNED] = task["pinned"]
    environment["OPENBLAS_NUM_THREADS"] = str(task["threads"])
    command = [sys.executable, str(CHILD), json.dumps(task)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "pinned": task["pinned"]}


def _print(report: dict[str, Any]) -> None:
    peers = dict(report["peers"])
    own = peers.pop("pyflame_rt")
    quiet = f"{report['rounds'] - report['dropped']} of {report['rounds']} rounds quiet"
    print(
        f"{report['model']} N={report['batch']} threads={report['threads']} "
        f"blas={report['blas'] or 'unknown'}{' (pinned)' if report['pinned'] else ''}: "
        f"{own['ms']:.3f} ms, {report['fraction_of_peak']:.0%} of the peak of "
        f"{report['peak_gflops']:.0f} GFLOP/s; {quiet}; error {report['error']:.0e}"
    )
    for name, peer in peers.items():
        low, high = peer["quartiles"]
        print(
            f"    {name:12} {peer['ms']:10.3f} ms   ratio {peer['ratio']:.2f} ({low:.2f} to {high:.2f})"
        )
    for step in report["steps"][:6]:
        print(f"        {step['algorithm']:32} {step['calls']:4} calls {step['ms']:9.3f} ms")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
