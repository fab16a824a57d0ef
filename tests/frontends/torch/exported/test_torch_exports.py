"""torch is the oracle: what torch.export makes of small modules runs as they do, at any size."""

from __future__ import annotations

import importlib
import inspect
import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="programs are exported by torch")

import torch

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.frontends.torch.exported import import_exported

pytestmark = pytest.mark.torch
SCRIPTS = Path(__file__).resolve().parents[4] / "scripts"
F = torch.nn.functional


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """torch warns of its own ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def saved(module: Any, example: Sequence[Any], shapes: Any, *, decomposed: bool = False) -> bytes:
    """The `.pt2` archive of a module."""
    program = torch.export.export(module, tuple(example), dynamic_shapes=shapes)
    if decomposed:
        program = program.run_decompositions()
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def check(module: Any, data: bytes, inputs: Sequence[Sequence[Any]]) -> Any:
    """The module imported, its results compared with torch's."""
    imported = import_exported(data, name="m.pt2")
    imported.verify()
    program = ReferenceBackend().compile(imported, "main")
    for given in inputs:
        with torch.no_grad():
            expected = torch.utils._pytree.tree_leaves(module(*(item.clone() for item in given)))
        actual = program.run([item.numpy() for item in given])
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected, strict=True):
            wanted = theirs.detach().numpy()
            assert (ours.shape, ours.dtype) == (wanted.shape, wanted.dtype)
            scale = max(float(np.abs(wanted).max()), 1e-6)
            assert float(np.abs(ours - wanted).max()) <= 1e-5 * scale
    return imported


class Block(torch.nn.Module):
    """A residual block, with an operator in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm1 = torch.nn.BatchNorm2d(8)
        self.conv2 = torch.nn.Conv2d(8, 8, 3, 1, 1)
        self.down = torch.nn.Conv2d(3, 8, 1, 2)
        self.pool = torch.nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.conv2(y)
        y += self.down(x)
        return self.pool(y.relu_()).flatten(1)


class Attention(torch.nn.Module):
    """Self-attention, as torch.nn has it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=False)[0]


class Tagger(torch.nn.Module):
    """A bidirectional LSTM of two layers, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 6, 2, batch_first=True, bidirectional=True)
        self.linear = torch.nn.Linear(12, 4)

    def forward(self, x: Any) -> Any:
        y, (h, _) = self.lstm(x)
        return self.linear(y), h


class Writes(torch.nn.Module):
    """Views that are written to, and read after."""

    def forward(self, x: Any) -> Any:
        y = x.clone()
        first = y[:, 0]
        y[:, 1:3] = 1.5
        y[:, 0].mul_(2)
        y.t()[3].copy_(first + 1)
        return y, first


class Counter(torch.nn.Module):
    """A buffer that changes with each call."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Any) -> Any:
        self.total.add_(x.sum(0))
        return x + self.total


class Sizes(torch.nn.Module):
    """Arithmetic on sizes known at run time."""

    def forward(self, x: Any, y: Any) -> Any:
        n, m = x.shape
        z = torch.cat([x, x[:, : m // 2]], 1).reshape(n * (m + m // 2))
        scale = (n * m) ** -0.5
        mask = torch.arange(m)[None] < torch.arange(n)[:, None]
        return z * scale, torch.where(mask, x, y.expand(n, m)), x.new_ones(n, 1).sum() * m


class Branches(torch.nn.Module):
    """A condition on values, in which there is one on sizes."""

    def forward(self, x: Any) -> Any:
        def more(v: Any) -> Any:
            return v.cos() + v.shape[0]

        def less(v: Any) -> Any:
            return v.sin()

        return torch.cond(x.sum() > 0, more, less, (x,))


DIM = torch.export.Dim.DYNAMIC


@pytest.mark.parametrize("decomposed", [False, True], ids=["as written", "decomposed"])
@pytest.mark.parametrize(
    ("kind", "shapes", "dynamic"),
    [
        (Block, [(2, 3, 8, 8)], {0: DIM}),
        (Attention, [(2, 5, 16)], {0: DIM, 1: DIM}),
        (Tagger, [(3, 4, 5)], {0: DIM}),
        (Writes, [(4, 6)], {0: DIM}),
        (Sizes, [(4, 6), (6,)], {0: DIM, 1: DIM}),
        (Branches, [(4, 6)], {0: DIM}),
    ],
)
def test_modules_at_two_sizes(kind: Any, shapes: Any, dynamic: Any, decomposed: bool) -> None:
    """A module exported with dynamic sizes, run at those of the example and at others."""
    torch.manual_seed(0)
    module = kind().eval()
    example = [torch.randn(shape) for shape in shapes]
    axes = [
        {axis: DIM for axis in range(len(s)) if len(shapes) == 1 and axis in dynamic}
        for s in shapes
    ]
    if len(shapes) > 1:
        axes = [dynamic, {0: DIM}]
    larger = [
        torch.randn([n + 3 * (axis in rows) for axis, n in enumerate(shape)])
        for shape, rows in zip(shapes, axes, strict=True)
    ]
    with torch.no_grad():
        data = saved(module, example, tuple(axes), decomposed=decomposed)
    check(module, data, [example, larger, [-item for item in example]])


@pytest.mark.parametrize("decomposed", [False, True], ids=["as written", "decomposed"])
def test_changing_buffers_are_state(decomposed: bool) -> None:
    """A buffer that a program changes is an argument with a default, and a result."""
    module = Counter().eval()
    data = saved(module, [torch.ones(2, 3)], None, decomposed=decomposed)
    imported = import_exported(data)
    (function,) = imported.ops
    row = function.arg_attrs.data[1].data
    assert row["pfrt.state"].data == "total"
    assert "pfrt.default" in row
    assert function.res_attrs.data[1].data["pfrt.state"].data == "total"
    program = ReferenceBackend().compile(imported, "main")
    state = np.zeros(3, np.float32)
    for step in range(1, 4):
        y, state = program.run([np.ones((2, 3), np.float32), state])
        np.testing.assert_array_equal(state, np.full(3, 2 * step))
        np.testing.assert_array_equal(y, np.full((2, 3), 1 + 2 * step))


@pytest.mark.parametrize("decomposed", [False, True], ids=["as written", "decomposed"])
@pytest.mark.parametrize("name", ["bert_base", "gpt2", "mobilenet_v2", "resnet50", "unet", "vit"])
def test_networks(name: str, decomposed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's networks, tiny, at two choices of every dynamic size."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    before = set(sys.modules)
    try:
        network = importlib.import_module(f"networks.{name}").build("tiny")
        importlib.import_module("networks.network").randomize(network.module, 7)
    finally:
        for loaded in set(sys.modules) - before:
            if loaded.partition(".")[0] == "networks":
                del sys.modules[loaded]
    dims: dict[str, Any] = {}
    for symbol, limits in network.dims.items():
        low, high = limits.low // limits.step, limits.high // limits.step
        one = torch.export.Dim(f"{symbol}_steps", min=low, max=high)
        dims[symbol] = one if limits.step == 1 else limits.step * one
    shapes = [
        {axis: dims[dim] for axis, dim in enumerate(given.shape) if isinstance(dim, str)}
        for given in network.inputs.values()
    ]
    parameters = inspect.signature(network.module.forward).parameters.values()
    single = sum(row.kind is not row.VAR_POSITIONAL for row in parameters)
    rest = (tuple(shapes[single:]),) if single < len(shapes) else ()

    def draw(more: int) -> list[Any]:
        generator = torch.Generator().manual_seed(more)
        sizes = {
            symbol: (limits.low // limits.step + more + index) * limits.step
            for index, (symbol, limits) in enumerate(network.dims.items())
        }
        return [given.example(sizes, generator) for given in network.inputs.values()]

    data = saved(network.module, draw(2), (*shapes[:single], *rest), decomposed=decomposed)
    check(network.module, data, [draw(2), draw(4)])
