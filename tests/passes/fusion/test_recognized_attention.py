"""An attention that was recognised computes what the chain did: masks, scales, types, guards."""

from __future__ import annotations

from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.universe import make_context

Array = npt.NDArray[Any]

LOWEST = -3.4028234663852886e38
MASKS = {
    "none": ("", ""),
    "added": ("tensor<2x1x5x7x$f>", "%m = pfrt.add %d, %mask : ($S, $M) -> $S"),
    "a key for all": ("tensor<5x1x$f>", "%m = pfrt.add %mask, %d : ($M, $S) -> $S"),
    "hiding": (
        "tensor<5x7xi1>",
        "%low = pfrt.constant dense<$low> : tensor<$f>\n"
        "%m = pfrt.where %mask, %low, %d : ($M, tensor<$f>, $S) -> $S",
    ),
    "showing": (
        "tensor<2x1x1x7xi1>",
        "%low = pfrt.constant dense<$low> : tensor<$f>\n%not = pfrt.not %mask : $M -> $M\n"
        "%m = pfrt.where %not, %low, %d : ($M, tensor<$f>, $S) -> $S",
    ),
    "twice": (
        "tensor<5x7xi1>",
        "%low = pfrt.constant dense<$low> : tensor<$f>\n"
        "%bias = pfrt.constant dense<0.5> : tensor<5x7x$f>\n"
        "%b = pfrt.add %d, %bias : ($S, tensor<5x7x$f>) -> $S\n"
        "%m = pfrt.where %mask, %b, %low : ($M, $S, tensor<$f>) -> $S",
    ),
}
"""The type of a mask, and how it is applied."""

CHAIN = """
func.func @main(%q: $Q, %k: $K, %v: $K $argument) -> $Q {
  %c = pfrt.constant dense<$scale> : tensor<$f>
  %t = pfrt.transpose %k {perm = array<i64: 0, 1, 3, 2>} : $K -> $T
  %s = pfrt.matmul %q, %t : $Q, $T -> $S
  %d = pfrt.mul %c, %s : (tensor<$f>, $S) -> $S
  $applied
  %p = pfrt.softmax $scores {axis = 3 : i64} : $S -> $S
  %y = pfrt.matmul %p, %v : $S, $K -> $Q
  func.return %y : $Q
}
"""


def chain(mask: str, dtype: str, scale: str, low: float = LOWEST) -> ModuleOp:
    """An attention of 5 queries and 7 keys as an exporter writes it."""
    kind, applied = MASKS[mask]
    text = Template(CHAIN).substitute(
        argument=f", %mask: {kind}" if kind else "",
        applied=applied,
        scores="%m" if kind else "%d",
        **{name: f"${name}" for name in ("Q", "K", "T", "S", "f", "scale")},
    )
    shapes = {"Q": "5x4", "K": "7x4", "T": "4x7", "S": "5x7"}
    types = {name: f"tensor<2x3x{shape}x{dtype}>" for name, shape in shapes.items()}
    types["M"] = Template(kind).substitute(f=dtype)
    text = Template(text).substitute(types, f=dtype, scale=scale, low=low)
    return module_files.parse(text.encode(), make_context(), "attention.mlir")


def run(module: ModuleOp, arrays: list[Array]) -> Array:
    return ReferenceBackend().compile(module, "main").run(arrays)[0]


def recognise(module: ModuleOp) -> list[str]:
    """The ops after the pass."""
    pipelines.run(make_context(), module, pipelines.parse("pfrt-recognize-attention"), verify=True)
    return [op.name for op in module.walk()]


@pytest.mark.parametrize("scale", ["0.5", "0.3"])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_mean_the_same(mask: str, scale: str):
    """Compared with float64; one query sees nothing, and weighs all keys alike as it did."""
    random = np.random.default_rng(1)
    feed: list[Array] = [random.standard_normal((2, 3, n, 4)) for n in (5, 7, 7)]
    if kind := MASKS[mask][0]:
        shape = [int(n) for n in kind.removeprefix("tensor<").split("x")[:-1]]
        feed.append(random.random(shape) > 0.4 if "i1" in kind else random.standard_normal(shape))
        if "i1" in kind:
            feed[-1][0] = mask == "hiding"
    exact = run(chain(mask, "f64", scale), feed)
    module = chain(mask, "f32", scale)
    single = [a.astype(np.float32) if a.dtype == np.float64 else a for a in feed]
    before = run(module, single)
    assert "pfrt.softmax" not in recognise(module)
    after = run(module, single)
    allowed = max(2 * np.max(np.abs(before - exact)), 4 * np.spacing(np.float32(np.max(exact))))
    assert np.max(np.abs(after - exact)) <= allowed


def test_a_scale_of_f64_is_not_rounded():
    """0.3 is no f32, and the op has no other: the chain stays. 1 / 2 = 1 / sqrt 4 is the usual one."""
    assert "pfrt.attention" not in recognise(chain("none", "f64", "0.3"))
    assert "pfrt.attention" in recognise(chain("none", "f64", "0.5"))


def test_numbers_beside_which_scores_count_are_no_mask():
    """Lowest of f16 is not: adding a score to it gives another number in f32."""
    assert "pfrt.attention" not in recognise(chain("hiding", "f32", "0.5", low=-65504.0))
    assert "pfrt.attention" in recognise(chain("hiding", "f32", "0.5"))
