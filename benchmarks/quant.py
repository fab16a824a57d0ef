"""Speed of quantized networks beside our floats and beside onnxruntime's integers.

    python benchmarks/quant.py [--models resnet50 bert_base] [--forms native numpy] [--threads 1 2]
                               [--rounds 9] [--clock wall|cpu] [--folder FOLDER] [--json FILE]

ResNet-50 as onnxruntime's `quantize_static` makes it (QDQ, a scale a channel), BERT-base, 128 tokens,
as its `quantize_dynamic` does; batch 1. Networks are made by scripts/make_networks.py (which needs
torch) unless the folder has them, quantized ones in a folder of their own (`--quantized`), once.

Each measurement is a process of its own (benchmarks/quant_child.py), in which four sessions take
turns: ours of integers, of floats, and of floats stored as fp16, and onnxruntime's of integers. `native` is
machine code (PYFLAME_RT_JIT=1), `numpy` without. Figures are medians over rounds, and quartiles, of ratios
of one round. Rounds during which something else used the processors are dropped; where that leaves
none, `--clock cpu` counts processor time, which is right for one thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from cpu_models import MODELS, make

CHILD = Path(__file__).with_name("quant_child.py")
PINNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

WANTED: Mapping[tuple[str, str, int], tuple[str, float]] = MappingProxyType(
    {
        ("resnet50", "native", 1): ("onnxruntime int8 / int8", 0.9),
        ("resnet50", "native", 2): ("onnxruntime int8 / int8", 0.85),
        ("bert_base", "native", 1): ("onnxruntime int8 / int8", 1.0),
        ("bert_base", "native", 2): ("onnxruntime int8 / int8", 0.95),
        **{
            (name, "numpy", threads): ("int8 / float", 1.15)
            for name in ("resnet50", "bert_base")
            for threads in (1, 2)
        },
    }
)
"""What is aimed at: at least so much of a ratio beside onnxruntime, at most beside our floats."""


def main() -> None:
    """Measure and print."""
    names = list(dict.fromkeys(name for name, _, _ in WANTED))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--forms", nargs="+", choices=("native", "numpy"), default=["native", "numpy"]
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    temporary = Path(tempfile.gettempdir())
    parser.add_argument("--folder", type=Path, default=temporary / "pyflame_rt_networks")
    parser.add_argument("--quantized", type=Path, default=temporary / "pyflame_rt_quantized")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    make(args.folder, args.models)
    reports: list[dict[str, Any]] = []
    for name, form, threads in itertools.product(args.models, args.forms, args.threads):
        floats = next(m for m in MODELS if m.name == name).path(args.folder)
        integers = args.quantized / f"{name}.int8.onnx"
        if not integers.exists():
            _quantize(name, floats, integers)
        task = {
            "model": name, "form": form, "threads": threads, "rounds": args.rounds,
            "clock": args.clock, "folder": str(args.folder), "integers": str(integers),
        }  # fmt: skip
        reports.append(_measured(task))
        _print(reports[-1])
        if args.json is not None:
            args.json.write_text(json.dumps(reports, indent=1) + "\n")


def _quantize(name: str, floats: Path, integers: Path) -> None:
    """What onnxruntime makes of a network."""
    import logging

    from onnxruntime import quantization

    logging.disable(logging.WARNING)
    integers.parent.mkdir(parents=True, exist_ok=True)
    partial = integers.with_suffix(".partial")
    if name == "bert_base":
        quantization.quantize_dynamic(floats, partial)
    else:
        model = next(m for m in MODELS if m.name == name)

        class Reader(quantization.CalibrationDataReader):
            """Two batches."""

            def __init__(self) -> None:
                feed = model.feed(floats.parent, 1)
                self._feeds = iter([feed, {k: np.tanh(v) for k, v in feed.items()}])

            def get_next(self) -> dict[str, Any] | None:
                return next(self._feeds, None)

        quantization.quantize_static(
            floats, partial, Reader(), per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
    partial.rename(integers)


def _measured(task: dict[str, Any]) -> dict[str, Any]:
    """What a child reports."""
    environment = {key: value for key, value in os.environ.items() if key not in PINNED}
    environment["OPENBLAS_NUM_THREADS"] = str(task["threads"])
    environment["PYFLAME_RT_JIT"] = "1" if task["form"] == "native" else "0"
    command = [sys.executable, str(CHILD), json.dumps(task)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _print(report: dict[str, Any]) -> None:
    name, form, threads = (report[key] for key in ("model", "form", "threads"))
    times = ", ".join(f"{key} {ms:.2f} ms" for key, ms in report["milliseconds"].items())
    quiet = f"{report['rounds'] - report['dropped']} of {report['rounds']} rounds quiet"
    print(f"{name} {form} threads={threads} ({report['clock']}): {times}; {quiet}")
    aim, bound = WANTED.get((name, form, threads), ("", 0.0))
    for key, (low, middle, high) in report["ratios"].items():
        said = f", wanted {'at least' if 'onnxruntime' in key else 'at most'} {bound}"
        print(f"    {key:26} {middle:.2f} ({low:.2f} to {high:.2f}){said if key == aim else ''}")
    print(f"    SQNR beside onnxruntime's  {min(report['sqnr']):.0f} dB")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
