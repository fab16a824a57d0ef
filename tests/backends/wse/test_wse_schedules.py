"""Several images, pipelines, streamed weights, and what is left to the host because there is no room for it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import module_files
from pyflame_rt.backends.wse.csl.tensors import tensors_of
from pyflame_rt.backends.wse.runs import WseReport
from pyflame_rt.universe import make_context

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits"


def ran(model: Any, x: Any, name: str, **options: str) -> WseReport:
    """Run a model on the wafer and on NumPy, compare, and give the report."""
    (expected,) = rt.InferenceSession(model).run(None, {name: x})
    session = rt.InferenceSession(model, device="wse2", provider_options=[options])
    (actual,) = session.run(None, {name: x})
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()
    return session.wse_report()


def digits(model: str, count: int, **options: str) -> WseReport:
    """A digits network on the first images."""
    images = np.load(DIGITS / "test.npz")["images"][:count]
    return ran(DIGITS / model, images, "images", **options)


def dense(*sizes: int, rows: int = 1) -> tuple[rt.Graph, Any]:
    """Dense layers, and an input for them."""
    rng = np.random.default_rng(0)
    graph = rt.Graph()
    graph.add_input("x", [rows, sizes[0]])
    last = "x"
    for n, (a, b) in enumerate(pairwise(sizes)):
        graph.add_initializer(f"w{n}", (rng.standard_normal((a, b)) / a**0.5).astype(np.float32))
        graph.add_node(f"product{n}", "MatMul", [last, f"w{n}"], [f"h{n}"])
        last = f"h{n}"
    graph.add_output(last, [rows, sizes[-1]])
    return graph, rng.standard_normal((rows, sizes[0])).astype(np.float32)


def network(images: int) -> tuple[rt.Graph, Any]:
    """A convolution, a pool and a dense layer, and images for them."""
    rng = np.random.default_rng(2)
    graph = rt.Graph()
    graph.add_input("x", [images, 2, 8, 8])
    graph.add_initializer("w", rng.standard_normal((4, 2, 3, 3)).astype(np.float32))
    graph.add_node("conv", "Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1])
    graph.add_node("pool", "MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2])
    graph.add_node("flatten", "Flatten", ["b"], ["c"])
    graph.add_initializer("v", rng.standard_normal((64, 5)).astype(np.float32))
    graph.add_node("dense", "MatMul", ["c", "v"], ["y"])
    graph.add_output("y", [images, 5])
    return graph, rng.standard_normal((images, 2, 8, 8)).astype(np.float32)


@pytest.mark.slow
def test_images_of_a_batch():
    """Convolutions take image after image in one run, as long each as alone; steps are those of one."""
    one, three = (ran(*network(count), "x", grid="3x2") for count in (1, 3))
    (part,) = three.parts
    assert (part.images, one.parts[0].interval) == (3, None)
    assert part.interval == pytest.approx(one.cycles, rel=0.06)
    assert sum(step.cycles for step in part.steps) * 3 == pytest.approx(three.cycles, rel=0.01)
    assert three.predicted == pytest.approx(three.cycles, rel=0.15)
    assert any("3 images" in line for line in three.lines())


def test_images_in_several_runs():
    """More images than a PE has room for go in runs of some, whose results follow each other."""
    rng = np.random.default_rng(1)
    graph = rt.Graph()
    graph.add_input("x", [4, 2, 64, 64])
    graph.add_node("pool", "AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    graph.add_output("y", [4, 2, 16, 16])
    x = rng.standard_normal((4, 2, 64, 64)).astype(np.float32)
    report = ran(graph, x, "x", grid="2x1")
    assert report.parts[0].images == 4
    assert report.predicted == pytest.approx(report.cycles, rel=0.15)


def test_pipeline_of_dense_layers():
    """Strips of columns work at once: images follow each other faster than one passes."""
    report = digits("mlp.onnx", 4, grid="8x8", schedule="pipeline")
    (part,) = report.parts
    assert part.images == 4
    alone = digits("mlp.onnx", 1, grid="8x8").cycles
    assert part.interval is not None
    assert part.interval < 0.7 * alone
    assert part.predicted == pytest.approx(part.interval, rel=0.25)
    assert {"transfer", "sent"} <= {step.kind for step in part.steps}
    assert report.lines()[-1].endswith("f32, pipeline")
    assert report.as_json()["schedule"] == "pipeline"


@pytest.mark.slow
def test_pipeline_of_convolutions():
    """A network with residuals is cut where one value passes; it is faster than layer by layer."""
    pipeline, layer = (
        digits("cnn.onnx", 8, grid="8x8", schedule=schedule).parts[0].interval
        for schedule in ("pipeline", "layer")
    )
    assert pipeline is not None
    assert layer is not None
    assert pipeline < 0.9 * layer


@pytest.mark.slow
def test_weights_from_the_edge():
    """Weights that no PE has room for are streamed, which the table says; predicted within 15 %."""
    graph, x = dense(150, 160, 20)
    report = ran(graph, x, "x", grid="1x2")
    kinds = [step.kind for step in report.parts[0].steps]
    assert kinds == ["streamed product", "product"]
    assert report.predicted == pytest.approx(report.cycles, rel=0.15)


@pytest.mark.slow
def test_weights_from_the_edge_for_several_rows():
    """Also where rows of a batch share them."""
    graph, x = dense(150, 160, 20, rows=3)
    report = ran(graph, x, "x", grid="2x1")
    assert "streamed product" in [step.kind for step in report.parts[0].steps]


@pytest.mark.slow
def test_layer_without_room():
    """What does not fit is left to the host; the layers before and after stay on the wafer."""
    report = digits("cnn.onnx", 1, grid="2x1")
    assert len(report.parts) == 2
    assert len({step.name for part in report.parts for step in part.steps}) > 4


def test_image_without_room():
    """One whose activations are too large alone goes alone, and the tool says why."""
    rng = np.random.default_rng(1)
    graph = rt.Graph()
    graph.add_input("x", [1, 4, 96, 96])
    graph.add_initializer("w", rng.standard_normal((4, 4, 3, 3)).astype(np.float32))
    graph.add_node("conv", "Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1])
    graph.add_node("pool", "MaxPool", ["a"], ["b"], kernel_shape=[8, 8], strides=[8, 8])
    graph.add_output("b", [1, 4, 12, 12])
    x = rng.standard_normal((1, 4, 96, 96)).astype(np.float32)
    report = ran(graph, x, "x", grid="2x2")
    assert [step.kind for part in report.parts for step in part.steps] in ([], ["pool"])


@pytest.mark.parametrize(
    ("op", "why"),
    [
        (
            'wse.stream %w to @p::@b by %i launch @p::@f until "sent" :'
            " tensor<6xf32>, tensor<2x1x1x3xi32>",
            "weights in rounds",
        ),
        ('wse.run @p on "wse2" images 2 runs 3', "images in several runs"),
    ],
)
def test_host_program_in_csl_is_for_one_run(op: str, why: str):
    """What `run.py` does not do yet is an error, not a program that computes something else."""
    text = f"""func.func @main(%w: tensor<6xf32>, %i: tensor<2x1x1x3xi32>) {{
  {op}
  %j = pfrt.constant dense<0> : tensor<1x1x6xi32>
  wse.scatter %w to @p::@b by %j : tensor<6xf32>, tensor<1x1x6xi32>
  func.return
}}"""
    module = module_files.parse(text, make_context(), "host")
    with pytest.raises(rt.PyFlameRTError, match=f"run.py: sends no {why}"):
        tensors_of(module)


def test_tool_says_what_has_no_room(capsys: pytest.CaptureFixture[str]):
    """`pfrt-run --device wse2 --compare numpy` of a network that fits in part."""
    from pyflame_rt.tools.pfrt_run import main

    arguments = [
        str(DIGITS / "cnn.onnx"), "--device", "wse2", "--grid", "2x1", "--compare", "numpy",
    ]  # fmt: skip
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "on the host: pfrt.conv" in output
    assert "bytes of a PE's 44976" in output
    assert "numpy: agrees" in output
