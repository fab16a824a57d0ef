"""TorchScript archives changed in the text of their code, in their objects and in their constants."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import script_archives
from xdsl.dialects.builtin import ModuleOp

from mutants import archives, corpus, exported, pickles
from mutants.base import EXTREMES, TEXTS, Format, changed_bytes, how_many
from pyflame_rt import pipelines
from pyflame_rt.frontends.torch.aten.rules import table
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.universe import make_context

TOKEN = re.compile(r"\s+|\w+|\"[^\"\n]*\"|'[^'\n]*'|.", re.S)

LAYERS = """\
class M(Module):
  __parameters__ = ["w", "b", ]
  training : bool
  w : Tensor
  b : Tensor
  n : int
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    w = self.w
    y = torch.linear(x, w, self.b)
    z = torch.relu_(torch.add(y, y, alpha=2))
    if torch.gt(self.n, 2):
      z0 = torch.softmax(z, -1, None)
    else:
      z0 = torch.mul(z, 2.5)
    a, b, = torch.split(z0, 2, 1)
    return torch.cat([a, torch.sum(b, [1], True)], 1)
"""

LOOPS = """\
class M(Module):
  training : bool
  state : Tensor
  def forward(self: __torch__.M,
    x: Tensor) -> Tuple[Tensor, int]:
    _0 = torch.size(x, 0)
    total = torch.zeros([_0], dtype=6)
    names = annotate(Dict[str, int], {"one": 1})
    for i in range(4):
      col = torch.select(x, 1, i)
      _1 = torch.copy_(torch.slice(total, 0, 0, 9223372036854775807, 1), torch.add(total, col))
    n = 0
    going = True
    while going:
      n0 = torch.add(n, 1)
      going0 = torch.lt(n0, 3)
      going, n = going0, n0
    y = (self).helper(total, n, )
    if bool(torch.gt(torch.sum(x), 0)):
      y0 = torch.neg(y)
    else:
      y0 = y
    s = torch.add_(self.state, 1)
    view = torch.view(x, [-1, 2])
    _2 = torch.fill_(torch.select(view, 0, 0), CONSTANTS.c0)
    return (torch.matmul(y0, view), names["one"])
  def helper(self: __torch__.M,
    x: Tensor,
    n: int) -> Tensor:
    if torch.eq(n, 0):
      return torch.unsqueeze(x, 0)
    else:
      z = torch.repeat(torch.unsqueeze(x, 0), [2, 1])
    return torch.slice(torch.transpose(z, 0, 1), 0, 0, 2, 1)
"""

CONV = """\
class M(Module):
  training : bool
  k : Tensor
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    y = torch.conv2d(x, self.k, None, [1, 1], [1, 1], [1, 1], 1)
    p = torch.max_pool2d(torch.relu(y), [2, 2], [2, 2], [0, 0], [1, 1], False)
    u = torch.upsample_nearest2d(p, None, [2., 2.])
    q = torch.avg_pool2d(torch.hardtanh(u, 0., 6.), [2, 2], [2, 2], [0, 0], False, True, None)
    f = torch.flatten(torch.gelu(q), 1, -1)
    m = torch.masked_fill(f, torch.gt(f, 0.5), -inf)
    v, i = torch.max(m, 1, False)
    return torch.index_select(f, 0, torch.clamp(i, 0, 0))
"""


def own() -> Iterator[bytes]:
    """Archives of the project's own: layers, control flow with state, convolutions."""
    generator = np.random.default_rng(0)
    w, b = generator.random((4, 3), np.float32), generator.random(4, np.float32)
    yield script_archives.archive(LAYERS, {"w": w, "b": b, "n": 3})
    state = np.zeros(2, np.float32)
    yield script_archives.archive(LOOPS, {"state": state}, [generator.random((), np.float32)])
    yield script_archives.archive(CONV, {"k": generator.random((2, 3, 3, 3), np.float32)})


def seeds() -> Iterator[bytes]:
    """The project's own, again and again, and what torch wrote, more where there is a corpus."""
    for _ in range(6):
        yield from own()
    yield from (path.read_bytes() for path in sorted(exported.OWN.glob("*.pt")))
    yield from corpus.files(
        "more_*.pt", "ctl_script.pt", "mlp_[fst]*t*.pt", "cnn_freeze.pt", "rnn_trace.pt"
    )


def read(data: bytes) -> ModuleOp:
    """The verified module of an archive."""
    module = import_torchscript(data, name="m.pt")
    pipelines.run(make_context(), module, (), verify=True)
    return module


@cache
def _operators() -> Sequence[str]:
    return sorted({name for namespace, name in table() if namespace == "aten"})


def changed(data: bytes, draw: random.Random) -> bytes:
    """An archive with its code changed, or its objects or constants."""
    files = archives.members(data)
    codes = [name for name in files if name.endswith(".py")]
    kind = draw.random()
    if not codes or kind < 0.05:
        return archives.changed(data, draw)
    if kind < 0.25:
        name = draw.choice(
            [name for name in files if name.endswith(".pkl") and "traced" not in name]
        )
        files[name] = pickles.changed(files[name], draw)
    else:
        name = draw.choice(codes)
        files[name] = changed_code(files[name].decode(), draw)
    return archives.packed(files)


def changed_code(text: str, draw: random.Random) -> bytes:
    """Code with a few of its tokens or lines changed."""
    for _ in range(how_many(draw)):
        change = _changed_lines if draw.random() < 0.25 else _changed_tokens
        text = change(text, draw)
    if draw.random() < 0.03:
        return changed_bytes(text.encode(), draw)
    return text.encode(errors="replace")


def _changed_lines(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = " " * draw.choice((0, 1, 2, 2, 4, 6, 200)) + lines[at]
        case 4:
            lines[at] = lines[at].lstrip()
        case _:
            # A whole block, once more.
            lines[at:at] = lines[other : other + draw.randrange(2, 12)]
    return "\n".join(lines)


def _changed_tokens(text: str, draw: random.Random) -> str:
    tokens = TOKEN.findall(text)
    words = [i for i, token in enumerate(tokens) if token.isidentifier()]
    numbers = [i for i, token in enumerate(tokens) if token.isdigit()]
    at = draw.randrange(len(tokens) or 1)
    match draw.randrange(9):
        case 0 | 1 if numbers:
            tokens[draw.choice(numbers)] = draw.choice(
                (*map(str, EXTREMES), "1e400", "inf", "2.5", "1.j")
            )
        case 2 | 3 if len(words) > 1:
            tokens[draw.choice(words)] = tokens[draw.choice(words)]
        case 4:
            called = [i for i in words if "".join(tokens[max(i - 2, 0) : i]) == "torch."]
            if called:
                tokens[draw.choice(called)] = draw.choice(_operators())
        case 5:
            del tokens[at : at + draw.choice((1, 1, 3))]
        case 6:
            other = draw.randrange(len(tokens) or 1)
            tokens[at:at] = tokens[other : other + draw.randrange(1, 6)]
        case 7 if words:
            word = draw.choice(words)
            depth = draw.choice((1, 3, 70, 5000))
            tokens[word] = draw.choice((
                "(" * depth + tokens[word] + ")" * depth, "-" * depth + tokens[word],
                tokens[word] + ".a" * depth, f'"{draw.choice(TEXTS)}"', "None", "True", "[]", "CONSTANTS.c0",
            ))  # fmt: skip
        case _:
            other = draw.randrange(len(tokens) or 1)
            tokens[at : at + 1], tokens[other : other + 1] = (
                tokens[other : other + 1],
                tokens[at : at + 1],
            )
    return "".join(tokens)


TORCHSCRIPT = Format("torchscript", seeds, changed, read, 90)
