"""What sessions cost beside their operators: overhead of a run, threads, memory.

    python benchmarks/sessions.py [--only overhead,threads,throughput,memory] [--json]

* overhead: CPU time of `run` on a model of one operator, against onnxruntime's, in turn;
* threads: 8 threads x 1,000 runs of the digits' CNN on one session, every answer compared;
* throughput: images a second of two threads on a network like ResNet-50, against one thread;
* memory: resident size over 500 sessions made and dropped, and over 1,000 input shapes.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import pyflame_rt as rt

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def one_operator(batch: object) -> bytes:
    """z = x + y on a few floats."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 8]) for name in "xyz"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "y"], ["z"])], "g", values[:2], values[2:]
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def resnet_like() -> bytes:
    """Bottleneck blocks of ResNet-50's sizes, batch normalisation folded, random weights."""
    rng = np.random.default_rng(0)
    nodes, weights, value, channels = [], [], "images", 3

    def conv(out: int, kernel: int, stride: int = 1, relu: bool = True) -> None:
        nonlocal value, channels
        index = len(weights)
        scale = (2 / (channels * kernel * kernel)) ** 0.5
        w = rng.standard_normal((out, channels, kernel, kernel)).astype(np.float32) * scale
        weights.append(numpy_helper.from_array(w, f"w{index}"))
        nodes.append(
            helper.make_node(
                "Conv", [value, f"w{index}"], [f"c{index}"],
                pads=[kernel // 2] * 4, strides=[stride] * 2,
            )
        )  # fmt: skip
        value, channels = f"c{index}", out
        if relu:
            nodes.append(helper.make_node("Relu", [value], [f"r{index}"]))
            value = f"r{index}"

    conv(64, 7, 2)
    nodes.append(helper.make_node("MaxPool", [value], ["pooled"], kernel_shape=[3, 3], pads=[1] * 4,
                                  strides=[2, 2]))  # fmt: skip
    value = "pooled"
    for stage, (width, blocks) in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            entry, entry_channels = value, channels
            conv(width, 1)
            conv(width, 3, stride)
            conv(4 * width, 1, relu=False)
            main = value
            if not block:
                value, channels = entry, entry_channels
                conv(4 * width, 1, stride, relu=False)
                entry = value
            name = f"block{stage}_{block}"
            nodes.append(helper.make_node("Add", [main, entry], [f"{name}_sum"]))
            nodes.append(helper.make_node("Relu", [f"{name}_sum"], [name]))
            value, channels = name, 4 * width
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["y"]))
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2048, 1, 1])], weights,
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def warmed(session: rt.InferenceSession, feed: dict[str, np.ndarray]) -> rt.InferenceSession:
    """The session with its plan for this signature made."""
    for _ in range(4):
        session.run(None, feed)
        session.settle()
    return session


def overhead(rounds: int = 15, runs: int = 1000) -> dict[str, Any]:
    """Microseconds of CPU time a run, with onnxruntime's beside it where it is installed."""
    try:
        import onnxruntime as ort
    except ImportError:
        ort = None
    figures: dict[str, Any] = {}
    x = np.ones((1, 8), np.float32)
    feed = {"x": x, "y": x}
    for name, batch in (("static", 1), ("dynamic", "N")):
        data = one_operator(batch)
        runners: dict[str, Callable[[], object]] = {}
        ours = warmed(rt.InferenceSession(data), feed)
        runners["us"] = lambda session=ours: session.run(None, feed)
        if ort is not None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            theirs = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            runners["onnxruntime us"] = lambda session=theirs: session.run(None, feed)
        times: dict[str, list[float]] = {key: [] for key in runners}
        for _ in range(rounds):
            for key, run in runners.items():
                start = time.process_time_ns()
                for _ in range(runs):
                    run()
                times[key].append((time.process_time_ns() - start) / runs / 1000)
        figures[name] = {key: statistics.median(values) for key, values in times.items()}
        if ort is not None:
            pairs = zip(times["us"], times["onnxruntime us"], strict=True)
            figures[name]["ratio"] = statistics.median(a / b for a, b in pairs)
    return figures


def threads(count: int = 8, runs: int = 1000) -> dict[str, Any]:
    """Wrong answers of concurrent runs on several signatures of one session."""
    images = np.load(DIGITS / "test.npz")["images"]
    session = rt.InferenceSession(DIGITS / "cnn.onnx")
    expected = session.run(None, {"images": images[:64]})[0]
    wrong: list[int] = []

    def work(index: int) -> None:
        for k in range(runs):
            batch, start = 1 + (index + k) % 4, (7 * index + k) % 56
            (found,) = session.run(None, {"images": images[start : start + batch]})
            if not np.allclose(found, expected[start : start + batch], rtol=1e-3, atol=1e-3):
                wrong.append(start)

    began = time.perf_counter()
    together([threading.Thread(target=work, args=(index,)) for index in range(count)])
    return {"runs": count * runs, "wrong": len(wrong), "seconds": time.perf_counter() - began}


def together(workers: list[threading.Thread]) -> None:
    """Run threads to their end."""
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def throughput(rounds: int = 5, runs: int = 3) -> dict[str, Any]:
    """Images a second with one thread and with two, each with one thread of BLAS."""
    options = rt.SessionOptions()
    options.num_threads = 1
    feed = {"images": np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)}
    session = warmed(rt.InferenceSession(resnet_like(), options), feed)

    def rate(count: int) -> float:
        def work() -> None:
            for _ in range(runs):
                session.run(None, feed)

        began = time.perf_counter()
        together([threading.Thread(target=work) for _ in range(count)])
        return count * runs / (time.perf_counter() - began)

    rate(2)
    pairs = [(rate(1), rate(2)) for _ in range(rounds)]
    return {
        "one": statistics.median(one for one, _ in pairs),
        "two": statistics.median(two for _, two in pairs),
        "ratio": statistics.median(two / one for one, two in pairs),
    }


def resident() -> int:
    """Resident bytes of this process, without what the C library keeps of what was given back."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory(sessions: int = 500, shapes: int = 1000) -> dict[str, Any]:
    """Resident size after a fifth of the work, and at its end."""
    images = np.load(DIGITS / "test.npz")["images"]

    def one_session(index: int) -> None:
        session = rt.InferenceSession(DIGITS / "cnn.onnx")
        session.run(None, {"images": images[:1]})

    lasting = rt.InferenceSession(DIGITS / "cnn.onnx")
    wide = np.concatenate([images[:1]] * (shapes + 1))
    # In no order: larger shapes take more memory.
    sizes = np.random.default_rng(0).permutation(shapes) + 1

    def one_shape(index: int) -> None:
        lasting.run(None, {"images": wide[: sizes[index]]})

    figures = {}
    for name, count, work in (("sessions", sessions, one_session), ("shapes", shapes, one_shape)):
        for index in range(count // 5):
            work(index)
        before = resident()
        for index in range(count // 5, count):
            work(index)
        after = resident()
        figures[name] = {
            "MB before": before / 1e6,
            "MB after": after / 1e6,
            "ratio": after / before,
        }
    return figures


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "overhead": overhead,
    "threads": threads,
    "throughput": throughput,
    "memory": memory,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    figures = {name: PARTS[name]() for name in args.only.split(",")}
    if args.json:
        print(json.dumps(figures))
        return
    for name, values in figures.items():
        print(name)
        for key, value in values.items():
            print(f"  {key:10} {shown(value)}")


def shown(value: object) -> str:
    """A figure, or a row of them."""
    if isinstance(value, dict):
        return "  ".join(f"{key} {shown(item)}" for key, item in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
