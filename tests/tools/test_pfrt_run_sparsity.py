"""`pfrt-run --inspect --sparsity`: what of the weights is 0, and what that changed."""

from __future__ import annotations

import json
from pathlib import Path

from pyflame_rt import InferenceSession, module_files
from pyflame_rt.pruning import PruningConfig, WeightPruner
from pyflame_rt.tools import pfrt_run

CNN = Path(__file__).resolve().parents[2] / "examples" / "digits" / "cnn.onnx"


def pruned(folder: Path) -> str:
    """A file of the digits' network with the pattern 2:4."""
    graph = WeightPruner(PruningConfig.nm_sparsity(2, 4)).prune(InferenceSession(CNN).graph())
    module_files.save(graph.program().module, folder / "m.pfm")
    return str(folder / "m.pfm")


def test_layers_with_zeros_patterns_and_bytes(tmp_path, capsys):
    """One line a layer, and how much it is in all."""
    assert pfrt_run.main([pruned(tmp_path), "--inspect", "--sparsity"]) == 0
    out = capsys.readouterr().out
    assert "widen.0.weight: 24x16x3x3, 50.0% zeros, 2:4, 13,824 bytes, 7,344 in a .pfm" in out
    assert "stem.0.weight: 16x1x3x3, 0.0% zeros, 576 bytes" in out
    assert "zeros       49.6% of the weights of layers" in out


def test_beside_the_model_before_with_measured_latency(tmp_path, capsys):
    """Parameters, bytes, flops and the time of a run of both."""
    command = [pruned(tmp_path), "--inspect", "--sparsity", "--before", str(CNN), "--json"]
    assert pfrt_run.main(command) == 0
    found = json.loads(capsys.readouterr().out)["sparsity"]
    assert found["before"]["nonzero"] == 19306
    assert found["after"]["nonzero"] == 19306 - 9336
    assert found["after"]["stored"] < 0.6 * found["before"]["stored"]
    assert found["before"]["flops"] == found["after"]["flops"] == 1066602
    assert found["latency"]["after"] > 0
    assert found["latency"]["speedup"] == found["latency"]["before"] / found["latency"]["after"]


def test_options_that_need_each_other(capsys):
    """A usage error, exit code 2."""
    assert pfrt_run.main([str(CNN), "--sparsity"]) == 2
    assert "--sparsity and --before go with --inspect and a model" in capsys.readouterr().err
    assert pfrt_run.main([str(CNN), "--inspect", "--before", str(CNN)]) == 2
    assert "--before goes with --sparsity" in capsys.readouterr().err
