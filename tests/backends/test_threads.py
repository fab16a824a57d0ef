"""Plans cut into pieces for several threads compute what whole ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import ExecutionMode, InferenceSession, SessionOptions, pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.plan.ops import CallOp, ParallelOp
from pyflame_rt.errors import PassFailed
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.universe import make_context


class Graph:
    """An ONNX graph that is built node by node; operands are names, weights drawn arrays."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.inputs: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(seed)

    def fed(self, *shape: int) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = self._rng.standard_normal(shape).astype(np.float32)
        return name

    def known(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        drawn = self._rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[1:])))
        self.weights.append(numpy_helper.from_array(drawn.astype(np.float32), name))
        return name

    def add(self, op: str, *operands: str, count: int = 1, **attributes: Any) -> str:
        names = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, operands, names, **attributes))
        return names[0]

    def model(self, *outputs: str) -> bytes:
        fed = [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape)
            for n, a in self.inputs.items()
        ]
        made = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", fed, made, self.weights)
        opsets = [helper.make_opsetid("", 24)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def run(
    graph: Graph, output: str, threads: int, layout: str = "pfrt-layout", options: str = ""
) -> tuple[np.ndarray, list[str]]:
    """The result on so many threads, and the algorithms of the pieces; 0: as a whole."""
    split = f",plan-split{{threads={threads} worth=0{options}}}" if threads else ""
    module = import_onnx(graph.model(output))
    lowering = f"pfrt-optimize{{level=2}},{layout},convert-pfrt-to-plan{split},plan-allocate"
    passes = pipelines.parse(lowering)
    pipelines.run(make_context(), module, passes, verify=True)
    parallel = [op for op in module.walk() if isinstance(op, ParallelOp)]
    assert all(len(op.lanes) <= threads for op in parallel)
    cut = [c.algorithm for op in parallel for c in op.walk() if isinstance(c, CallOp)]
    executable = NumpyBackend().compile(module, "main")
    inputs = list(graph.inputs.values())
    # What a first run leaves in the arena must not matter.
    executable.run([np.full_like(a, np.nan) for a in inputs])
    (result,) = executable.run(inputs)
    for _ in range(3):
        assert np.array_equal(executable.run(inputs)[0], result)
    return result, cut


def agree(
    graph: Graph, output: str, threads: int, layout: str = "pfrt-layout", options: str = ""
) -> list[str]:
    """The algorithms of the pieces, whose results are those of a plan that is not cut."""
    whole, _ = run(graph, output, 0, layout)
    result, cut = run(graph, output, threads, layout, options)
    np.testing.assert_allclose(result, whole, rtol=1e-5, atol=2e-5)
    return cut


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_convolutions(data: st.DataObject) -> None:
    """Along batches or rows, whatever their windows see of the rows around."""
    draw = data.draw
    batch, threads = draw(st.sampled_from([1, 1, 2, 5])), draw(st.integers(2, 3))
    kind = draw(st.sampled_from(["dense", "dense", "depthwise", "grouped"]))
    channels = draw(st.sampled_from([3, 32])) if kind == "dense" else 8
    features = draw(st.sampled_from([5, 32])) if kind == "dense" else 8
    group = {"dense": 1, "depthwise": 8, "grouped": 2}[kind]
    rank = draw(st.integers(1, 2))
    kernel = draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank))
    if kind == "dense" and rank == 2 and draw(st.booleans()):
        kernel = [3, 3]
    graph = Graph()
    sizes = draw(st.lists(st.integers(7, 13), min_size=rank, max_size=rank))
    x = graph.add("Relu", graph.fed(batch, channels, *sizes))
    attributes: dict[str, Any] = {
        "strides": draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank)),
        "dilations": draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank)),
        "group": group,
    }
    if draw(st.booleans()):
        attributes["pads"] = draw(st.lists(st.integers(0, 3), min_size=2 * rank, max_size=2 * rank))
    else:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    w, b = graph.known(features, channels // group, *kernel), graph.known(features)
    y = graph.add("Conv", x, w, b, **attributes)
    if draw(st.booleans()):
        y = graph.add("Relu", graph.add("Add", y, graph.add("Neg", y)))
    agree(graph, y, threads)


@pytest.mark.parametrize(
    ("kernel", "channels", "group", "algorithm"),
    [
        (1, 16, 1, "conv_gemm_1x1_nhwc"),
        (3, 64, 1, "conv_winograd_nhwc"),
        (5, 16, 1, "conv_im2col_nhwc"),
        (3, 32, 32, "conv_depthwise_nhwc"),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_each_algorithm_of_convolutions(
    kernel: int, channels: int, group: int, algorithm: str, batch: int
) -> None:
    """Is cut, for one image along rows, for several along these."""
    graph = Graph()
    half = kernel // 2
    y = graph.fed(batch, channels, 17, 19)
    for _ in range(2):
        w = graph.known(channels, channels // group, kernel, kernel)
        y = graph.add("Conv", y, w, graph.known(channels), group=group, pads=[half] * 4)
        y = graph.add("Relu", y)
    for threads in (2, 3, 5):
        cut = agree(graph, y, threads, "pfrt-layout{target=nhwc}")
        assert cut.count(algorithm) >= (threads if batch == 1 else min(batch, threads))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_pools(data: st.DataObject) -> None:
    draw = data.draw
    graph = Graph()
    x = graph.fed(draw(st.sampled_from([1, 3])), 8, *draw(st.tuples(*[st.integers(6, 12)] * 2)))
    w = graph.known(8, 8, 1, 1)
    x = graph.add("Conv", x, w)
    kernel = draw(st.lists(st.integers(2, 3), min_size=2, max_size=2))
    attributes: dict[str, Any] = {"kernel_shape": kernel, "ceil_mode": draw(st.integers(0, 1))}
    attributes["strides"] = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    attributes["pads"] = draw(st.lists(st.integers(0, 1), min_size=4, max_size=4))
    op = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    if op == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    y = graph.add("Conv", graph.add(op, x, **attributes), w)
    agree(graph, graph.add("GlobalAveragePool", y), draw(st.integers(2, 3)))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_products(data: st.DataObject) -> None:
    """Rows, matrices of a batch, and the columns of a few rows; with what follows in the same call."""
    draw = data.draw
    graph = Graph()
    rows, columns = draw(st.sampled_from([1, 2, 7, 40])), draw(st.sampled_from([10, 128, 320]))
    leading = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    x = graph.add("Neg", graph.fed(*leading, rows, 24))
    if not leading and draw(st.booleans()):
        transposed = draw(st.integers(0, 1))
        w = graph.known(*((columns, 24) if transposed else (24, columns)))
        y = graph.add("Gemm", x, w, graph.known(columns), transB=transposed)
    else:
        batched = leading if draw(st.booleans()) else ()
        w = graph.known(*batched, 24, columns) if draw(st.booleans()) else graph.fed(24, columns)
        y = graph.add("MatMul", x, w)
        if draw(st.booleans()):
            y = graph.add("Add", y, graph.known(columns))
    if draw(st.booleans()):
        y = graph.add(draw(st.sampled_from(["Gelu", "Relu", "Tanh"])), y)
    if draw(st.booleans()):
        y = graph.add("Add", y, graph.known(*leading, rows, columns))
    agree(graph, y, draw(st.integers(2, 3)))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_attention(data: st.DataObject) -> None:
    """Along the batch, or along heads, which lie side by side in a row."""
    draw = data.draw
    graph = Graph()
    batch, heads = draw(st.sampled_from([1, 1, 3])), draw(st.sampled_from([2, 3, 4]))
    group, queries, keys = draw(st.integers(1, 2)), draw(st.sampled_from([1, 5])), 6
    sizes = [(queries, heads * group), (keys, heads), (keys, heads)]
    is_packed = draw(st.booleans())
    if is_packed:
        q, k, v = (graph.add("Neg", graph.fed(batch, n, h * 8)) for n, h in sizes)
    else:
        q, k, v = (graph.add("Neg", graph.fed(batch, h, n, 8)) for n, h in sizes)
    masks: list[tuple[int, ...]] = [(), (queries, keys), (1, 1, queries, keys)]
    masks += [(batch, heads * group, queries, keys), (heads * group, 1, keys)]
    mask = draw(st.sampled_from(masks))
    attributes = {"q_num_heads": heads * group, "kv_num_heads": heads} if is_packed else {}
    extra = [graph.fed(*mask)] if mask else []
    y = graph.add("Attention", q, k, v, *extra, **attributes)
    agree(graph, y, draw(st.integers(2, 3)))


def test_attention_with_a_past() -> None:
    """Keys and values with their past are results too."""
    graph = Graph()
    q, k, v = (graph.add("Neg", graph.fed(1, 4, 1, 8)) for _ in range(3))
    past = [graph.fed(1, 4, 6, 8) for _ in range(2)]
    graph.add("Attention", q, k, v, "", *past, count=3)
    y, key, value = graph.nodes[-1].output
    joined = graph.add("Concat", y, key, value, axis=2)
    assert agree(graph, joined, 2).count("attention") == 2


@pytest.mark.parametrize("batch", [1, 3])
def test_attention_with_lengths(batch: int) -> None:
    """The lengths of keys are those of a batch: heads have none of their own."""
    graph = Graph()
    q, k, v = (graph.add("Neg", graph.fed(batch, 4, 6, 8)) for _ in range(3))
    lengths = numpy_helper.from_array(np.arange(3, 3 + batch), "lengths")
    graph.weights.append(lengths)
    y = graph.add("Attention", q, k, v, "", "", "", "lengths")
    assert agree(graph, y, 2).count("attention") == 2


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_rows_and_elements(data: st.DataObject) -> None:
    """Normalizations, elementwise ops that broadcast, moves and reductions, one after the other."""
    draw = data.draw
    graph = Graph()
    shape = (draw(st.sampled_from([1, 4])), draw(st.integers(2, 6)), 12)
    y = graph.fed(*shape)
    for op in draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6)):
        y = STEPS[op](graph, y, shape)
    agree(graph, y, draw(st.integers(2, 3)))


STEPS: dict[str, Any] = {
    # The epsilon keeps rows of nearly equal elements from being blown up, and their rounding with them.
    "norm": lambda g, y, s: g.add("LayerNormalization", y, g.known(12), g.known(12), epsilon=1.0),
    "softmax": lambda g, y, s: g.add("Softmax", y),
    "columns": lambda g, y, s: g.add("Softmax", y, axis=1),
    "vector": lambda g, y, s: g.add("Mul", y, g.known(12)),
    "column": lambda g, y, s: g.add("Add", y, g.known(1, s[1], 1)),
    "gelu": lambda g, y, s: g.add("Gelu", y),
    "mean": lambda g, y, s: g.add("Sub", y, g.add("ReduceMax", y, keepdims=1)),
    "turn": lambda g, y, s: g.add(
        "Transpose", g.add("Transpose", y, perm=[0, 2, 1]), perm=[0, 2, 1]
    ),
    "join": lambda g, y, s: g.add("ReduceSum", g.add("Concat", y, y, axis=0), keepdims=1),
    "twice": lambda g, y, s: g.add("Sigmoid", g.add("Add", y, g.add("Exp", g.add("Neg", y)))),
}
STEPS["join"] = lambda g, y, s: g.add(
    "Slice", g.add("Concat", y, g.add("Neg", y), axis=2), *_indices(g)
)


def _indices(graph: Graph) -> list[str]:
    """Elements 3 to 15 of the last axis."""
    names: list[str] = []
    for value in (3, 15, 2):
        names.append(f"w{len(graph.weights)}")
        graph.weights.append(numpy_helper.from_array(np.array([value]), names[-1]))
    return names


@pytest.mark.parametrize("batch", [1, 6])
def test_a_network(batch: int) -> None:
    """A residual network; with a batch, each thread goes through all of it without waiting."""
    graph = Graph()
    y = graph.fed(batch, 3, 20, 20)
    y = graph.add("Conv", y, graph.known(32, 3, 3, 3), pads=[1] * 4, strides=[2, 2])
    for _ in range(2):
        z = graph.add("Relu", graph.add("Conv", y, graph.known(32, 32, 3, 3), pads=[1] * 4))
        z = graph.add("Conv", z, graph.known(32, 32, 1, 1))
        y = graph.add("Relu", graph.add("Add", y, z))
    y = graph.add("Flatten", graph.add("GlobalAveragePool", y))
    y = graph.add("Gemm", y, graph.known(32, 10))
    cut = agree(graph, y, 2)
    assert batch == 1 or ("gemm" in cut and "global_average_pool_nhwc" in cut)
    agree(graph, y, 3)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_branches(data: st.DataObject) -> None:
    """Of graphs that are drawn: any two earlier values, or a matrix that no thread can cut."""
    draw = data.draw
    graph = Graph()
    values = [graph.fed(4, 5), graph.fed(4, 5)]
    for _ in range(draw(st.integers(3, 14))):
        a, b = (draw(st.sampled_from(values[-4:])) for _ in range(2))
        match draw(st.sampled_from(["one", "two", "matrix", "turned"])):
            case "one":
                values.append(graph.add("Tanh", a))
            case "two":
                values.append(graph.add("Sub", a, b))
            case "matrix":
                values.append(graph.add("Softmax", a, axis=0))
            case _:
                turned = graph.add("Transpose", a, perm=[1, 0])
                values.append(graph.add("Transpose", graph.add("Relu", turned), perm=[1, 0]))
    last = graph.add("Concat", *values[-3:], axis=0)
    agree(graph, last, draw(st.integers(2, 3)), options=" branches=true")


def test_branches_of_a_network() -> None:
    """Convolutions of different windows on the same input, joined: one thread each."""
    graph = Graph()
    x = graph.add("Relu", graph.add("Conv", graph.fed(1, 8, 12, 12), graph.known(8, 8, 1, 1)))
    parts = [
        graph.add("Conv", x, graph.known(8, 8, k, k), pads=[k // 2] * 4, strides=[2, 2])
        for k in (3, 5, 7)
    ]
    y = graph.add("Conv", graph.add("Concat", *parts, axis=1), graph.known(8, 24, 1, 1))
    one = agree(graph, y, 3, options=" branches=true")
    every = agree(graph, y, 3)
    # Not in three pieces each.
    assert 0 < one.count("conv_im2col_nhwc") < every.count("conv_im2col_nhwc")


def test_sessions_run_branches_if_they_are_to() -> None:
    for mode, expected in (
        (ExecutionMode.ORT_PARALLEL, True),
        (ExecutionMode.ORT_SEQUENTIAL, False),
    ):
        options = SessionOptions()
        options.num_threads, options.execution_mode = 2, mode
        graph = Graph()
        session = InferenceSession(graph.model(graph.add("Relu", graph.fed(2, 3))), options)
        assert ("branches=true" in session.pipeline) == expected
        session.run(None, graph.inputs)


def test_there_is_at_least_one_thread() -> None:
    graph = Graph()
    module = import_onnx(graph.model(graph.add("Relu", graph.fed(2, 3))))
    with pytest.raises(PassFailed, match="threads = 0 is less than 1"):
        pipelines.run(make_context(), module, pipelines.parse("plan-split{threads=0}"))
