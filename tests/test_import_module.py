"""Importers that make graphs of files: the weights are the file's, the graph is the caller's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import Graph, InferenceSession
from pyflame_rt.errors import ValidationError
from pyflame_rt.import_module import PyTorchImporter

W = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.array([1, -1], np.float32)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of W and B under names that a parallel training gave them."""
    header = {
        "module.fc.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "module.fc.bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + W.tobytes() + B.tobytes())
    return path


def define(graph: Graph, weights: dict[str, np.ndarray]) -> None:
    graph.add_input("x", ["N", 3], np.float32)
    for name, array in weights.items():
        graph.add_initializer(name, array)
    graph.add_node("", "Gemm", ["x", "fc.weight", "fc.bias"], ["y"], transB=1)
    graph.add_output("y", ["N", 2], np.float32)


def test_a_definer_builds_the_graph_of_a_state_dict(weights: Path):
    result = PyTorchImporter().import_model(weights, define, strip_prefix=True)
    assert result.success, result.error
    assert result.graph is not None
    x = np.ones((1, 3), np.float32)
    (y,) = InferenceSession(result.graph).run(None, {"x": x})
    np.testing.assert_allclose(y, x @ W.T + B)
    stats = result.stats
    assert (stats.node_count, stats.initializer_count, stats.parameter_count) == (1, 2, 8)
    assert stats.import_time_ms > 0


def test_a_definer_may_return_a_graph_of_its_own(weights: Path):
    def own(_: Graph, weights: dict[str, np.ndarray]) -> Graph:
        graph = Graph("own")
        define(graph, weights)
        return graph

    result = PyTorchImporter().import_model(weights, own, strip_prefix=True)
    assert result.graph is not None and result.graph.name == "own"


@pytest.mark.parametrize(
    ("path", "key", "why"),
    [("nope.pt", None, "no such file"), ("m.safetensors", "model", "has nothing under 'model'")],
)
def test_failures_are_results(weights: Path, path: str, key: str | None, why: str):
    result = PyTorchImporter().import_model(weights.parent / path, define, key)
    assert not result.success and result.graph is None
    assert why in result.error


def test_what_a_definer_does_wrong_is_a_result_or_its_own(weights: Path):
    """An invalid graph is a failed import; a bug in the definer is the definer's."""

    def invalid(graph: Graph, weights: dict[str, np.ndarray]) -> None:
        define(graph, weights)
        raise ValidationError("no such layer")

    assert PyTorchImporter().import_model(weights, invalid, strip_prefix=True).error
    with pytest.raises(ZeroDivisionError):
        PyTorchImporter().import_model(weights, lambda *_: 1 / 0)  # pyright: ignore
