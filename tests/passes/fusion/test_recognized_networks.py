"""Every attention, layer normalization and Gelu of torch's exports is one op."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pyflame_rt import module_files, pipelines
from pyflame_rt.universe import make_context

NETWORKS = Path(__file__).resolve().parents[2] / "networks"
FILES = json.loads((NETWORKS / "manifest.json").read_text())["networks"]

PIPELINE = (
    "pfrt-canonicalize,pfrt-fold-constants,pfrt-simplify-shapes,pfrt-canonicalize,"
    "pfrt-fold-constants,cse,pfrt-recognize-activations,pfrt-recognize-normalization,"
    "pfrt-recognize-softmax,pfrt-recognize-attention,pfrt-canonicalize"
)
LAYERS = {"attention": 2, "gelu": 2, "layer_normalization": 5}
EXPECTED = {
    "bert_base": LAYERS,
    "gpt2": LAYERS,
    "vit": LAYERS,
    "lstm_tagger": {},
    "mobilenet_v2": {},
    "resnet50": {},
    "unet": {},
}
PARTS = ("div", "erf", "exp", "pow", "reduce_mean", "softmax", "sqrt", "tanh")
"""Ops of which the decomposed forms consist."""


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("network", EXPECTED)
def test_everything_is_recognised(network: str, exporter: str):
    """The expected ops, as often as the network has them, and nothing is left of their parts."""
    ctx = make_context()
    module = module_files.load(str(NETWORKS / FILES[network]["files"][exporter]), ctx)
    pipelines.run(ctx, module, pipelines.parse(PIPELINE), verify=True)
    count = Counter(op.name.removeprefix("pfrt.") for op in module.walk())
    assert {name: count[name] for name in LAYERS if count[name]} == EXPECTED[network]
    if EXPECTED[network]:
        # BERT's pooler has a tanh of its own.
        left = {name: count[name] for name in PARTS if count[name]}
        assert left == ({"tanh": 1} if network == "bert_base" else {})


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("network", ["bert_base", "gpt2", "vit"])
def test_levels_recognise_everything_too(network: str, exporter: str):
    """What other passes of level 2 do before hides nothing; a Gelu may be part of a product."""
    ctx = make_context()
    module = module_files.load(str(NETWORKS / FILES[network]["files"][exporter]), ctx)
    pipelines.run(ctx, module, pipelines.parse("pfrt-optimize{level=2}"), verify=True)
    text = module_files.to_text(module, locations=False)
    gelus = text.count("= pfrt.gelu") + text.count('#pfrt.activation<"gelu"')
    assert gelus == LAYERS["gelu"]
    for name in ("attention", "layer_normalization"):
        assert text.count(f"= pfrt.{name}") == LAYERS[name]
    # On all sides: no heads are taken apart or put together by other ops.
    assert text.count("q_num_heads") == LAYERS["attention"]
