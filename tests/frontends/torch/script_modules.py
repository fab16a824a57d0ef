"""Modules for `test_script_torch.py`: what people write, and what makes importers stumble.

No annotations from the future: torch compiles these sources and reads their types.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Tuple  # noqa: UP035

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="needs torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch import Tensor, nn  # noqa: E402

# ruff: noqa: B007, E741, RET505, RUF100, SIM108, UP006, UP045


@dataclass(frozen=True)
class Case:
    """A module, what it is called with, how often in a row, and what the importer is told."""

    module: type
    inputs: tuple[Any, ...]
    runs: int
    options: dict[str, Any]


CASES: dict[str, Case] = {}
_GENERATOR = torch.Generator().manual_seed(0)


def case(*inputs: Any, runs: int = 1, **options: Any) -> Callable[[type], type]:
    def note(module: type) -> type:
        CASES[module.__name__] = Case(module, inputs, runs, options)
        return module

    return note


def randn(*shape: int) -> Any:
    return torch.randn(*shape, generator=_GENERATOR)


def integers(limit: int, *shape: int) -> Any:
    return torch.randint(0, limit, shape, generator=_GENERATOR)


@case(randn(3, 4))
class InplaceSlice(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[0] = 1.0
        y[:, 1:3] += 2
        y[1, 2] = 7
        z = y[2]
        z.mul_(3)
        y.add_(1)
        return y, z


@case(randn(3, 4))
class ViewChain(nn.Module):
    def forward(self, x):
        y = x.clone()
        v = y.view(12)
        w = v[2:8].view(2, 3)
        w.t()[0].fill_(5.0)
        v[0] = 9
        return y, v, w


@case(randn(3, 4))
class SplitWrite(nn.Module):
    def forward(self, x):
        y = x.clone()
        a, b = torch.split(y, [1, 3], 1)
        a.zero_()
        b[:, 0].neg_()
        p, q, r = y.unbind(0)
        q.add_(p)
        return y, a, b, r


@case(randn(3, 4))
class DynIf(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            y = x * 2
        else:
            y = x - 1
        return y + 1


@case(randn(3, 4))
class DynIfInplace(nn.Module):
    def forward(self, x):
        y = x.clone()
        z = y[0]
        if bool(x.sum() > 0):
            y.mul_(2)
        else:
            z.add_(10)
        return y, z


@case(randn(3, 4))
class DynIfList(nn.Module):
    def forward(self, x):
        out = [x]
        if bool(x.sum() > 0):
            out.append(x * 2)
        else:
            out.append(x - 1)
        return torch.stack(out)


@case(randn(3, 4))
class DynIfListLen(nn.Module):
    def forward(self, x):
        out = [x]
        if bool(x.sum() > 0):
            out.append(x * 2)
        return torch.cat(out), len(out)


@case(randn(3, 4))
class EarlyReturn(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            return x * 2
        if bool(x.max() > 1):
            return x + 1
        return x


@case(randn(3, 4))
class WhileDyn(nn.Module):
    def forward(self, x):
        i = 0
        while bool(x.abs().max() > 0.1):
            x = x * 0.5
            i += 1
        return x, i


@case(randn(3, 4))
class WhileInplace(nn.Module):
    def forward(self, x):
        y = x.clone()
        r = y[0]
        i = 0
        while bool(y.abs().max() > 0.1):
            y.mul_(0.5)
            r.sub_(0.001)
            i += 1
        return y, i, r


@case(randn(5, 4))
class LoopRows(nn.Module):
    def forward(self, x):
        outs = []
        h = torch.zeros(4)
        for i in range(x.size(0)):
            h = torch.tanh(x[i] + h)
            outs.append(h)
        return torch.stack(outs), h


@case(randn(5, 4))
class LoopAssign(nn.Module):
    def forward(self, x):
        y = torch.zeros_like(x)
        for i in range(x.size(0)):
            y[i] = x[i] * i
        return y


@case(randn(5, 4))
class BreakContinue(nn.Module):
    def forward(self, x):
        acc = x
        for i in range(10):
            if i == 3:
                continue
            if i > 6:
                break
            if bool(acc.sum() > 100):
                break
            acc = acc + i
        return acc


@case(randn(3, 4), runs=3)
class StateTensor(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", torch.zeros(3, 4))
        self.n = 0

    def forward(self, x):
        self.h = self.h * 0.5 + x
        self.n += 1
        return self.h * 2, self.n


@case(randn(3, 4), runs=3)
class StateInplace(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", torch.zeros(3, 4))

    def forward(self, x):
        self.h.mul_(0.5).add_(x)
        self.h[0] = 1
        return self.h * 2


@case(randn(3, 4), runs=2)
class Scratch(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = torch.zeros(1)

    def forward(self, x):
        self.last = x * 2
        return self.last + 1


@case(randn(3, 4))
class OptArg(nn.Module):
    def forward(self, x, m: Optional[Tensor] = None, s: float = 2.0):
        if m is not None:
            x = x * m
        return x * s


class NT(NamedTuple):
    a: Tensor
    b: Tensor


@case(randn(3, 4))
class Named(nn.Module):
    def f(self, x):
        return NT(x, x + 1)

    def forward(self, x):
        t = self.f(x)
        return {"sum": t.a + t.b, "pair": t.a}


@case(randn(3, 4))
class OptDyn(nn.Module):
    def forward(self, x):
        y: Optional[Tensor] = None
        if bool(x.sum() > 0):
            y = x * 2
        if y is not None:
            return y + 1
        return x


@case(randn(3, 4))
class SizesArith(nn.Module):
    def forward(self, x):
        n, m = x.shape
        y = x.view(n * m // 2, 2).reshape(m, -1)
        z = x.new_zeros(n + 1, m * 2)
        p = F.pad(x, [0, m % 3])
        return y, z, p, float(n) / m


@case(randn(3, 4))
class AliasList(nn.Module):
    def forward(self, x):
        y = x.clone()
        l = [y, y]
        l[0].add_(1)
        d = {"a": y}
        d["a"].mul_(2)
        return l[1], y


@case(randn(3, 4))
class Where(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[y < 0] = 0.0
        z = x.clone()
        idx = torch.tensor([0, 2])
        z[idx] = 1.0
        z[:, idx] += 3.0
        return y, z


@case(randn(3, 4))
class IntOps(nn.Module):
    def forward(self, x):
        n = int(x.sum().item() * 10)
        return x * n, n // 3, n % 3, -n, abs(n), n > 3 and n < 100


@case(randn(3, 4))
class ItemIf(nn.Module):
    def forward(self, x):
        v = x.max().item()
        if v > 0.5:
            s = 1.5
        else:
            s = 0.5
        return x * s


@case(randn(3, 4))
class StrFlag(nn.Module):
    def __init__(self):
        super().__init__()
        self.mode = "mean"

    def forward(self, x):
        if self.mode == "mean":
            return x.mean(1)
        elif self.mode == "sum":
            return x.sum(1)
        raise RuntimeError("bad mode " + self.mode)


@case(randn(3, 4))
class AssertShape(nn.Module):
    def forward(self, x):
        assert x.size(0) == 3, "three rows"
        if x.size(1) != 4:
            raise ValueError(f"got {x.size(1)}")
        return x + 1


@case(randn(3, 4))
class TupleState(nn.Module):
    def forward(self, x, s: Tuple[Tensor, Tensor] = (torch.zeros(1), torch.zeros(1))):
        return x + s[0], s[1]


@case(randn(2, 4), [randn(2, 4), randn(2, 4)])
class ListIn(nn.Module):
    def forward(self, x, l: List[Tensor]):
        return x + l[0] + l[1], len(l)


@case(randn(2, 4), (randn(2, 4), randn(2, 4)))
class TupleIn(nn.Module):
    def forward(self, x, l: Tuple[Tensor, Tensor]):
        return x + l[0] * l[1]


@case(randn(2, 4), 3, 0.5, True)
class ScalarsIn(nn.Module):
    def forward(self, x, n: int, s: float, b: bool):
        if b:
            x = x * s
        for i in range(n):
            x = x + i
        return x.repeat(1, n), n * 2


@case(randn(4, 4))
class MaybeAlias(nn.Module):
    def forward(self, x):
        y = x.clone()
        z = y.reshape(16)
        z.add_(1)
        return z


@case(randn(3, 4))
class DictLoop(nn.Module):
    def forward(self, x):
        d: Dict[str, Tensor] = {}
        for k in ["a", "b"]:
            d[k] = x + len(d)
        return d


@case(randn(3, 4))
class Nested(nn.Module):
    def forward(self, x):
        i = 0
        while bool(x.sum() < 50):
            for j in range(x.size(0)):
                if bool(x[j].sum() > 3):
                    x = x + 0.5
                else:
                    x = x + 1
            i += 1
        return x, i


@case(randn(3, 4), runs=3)
class StateConditional(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", torch.zeros(3, 4))

    def forward(self, x):
        if bool(x.sum() > 0):
            self.h = x * 2
        return self.h + 1


@case(randn(3, 4), runs=3)
class StateLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", torch.zeros(4))
        self.calls = 0

    def forward(self, x):
        for i in range(x.size(0)):
            self.h = self.h * 0.5 + x[i]
            self.calls += 1
        return self.h, self.calls


@case(randn(3, 4))
class SameTensorTwice(nn.Module):
    def forward(self, x):
        y = x.clone()
        a = y
        b = y.view(4, 3)
        a += 1
        b *= 2
        c = b.t()
        y -= 3
        return a, b, c, y


@case(randn(3, 4))
class IntLoop(nn.Module):
    def forward(self, x):
        total = 0
        scale = 1.0
        found = False
        for i in range(x.size(0)):
            if bool(x[i].sum() > 0):
                total += i
                found = True
            scale = scale * 2.0
        return x * scale, total, found


@case(randn(3, 4))
class Shadowed(nn.Module):
    def forward(self, x):
        y = x
        x = x + 1
        x += y
        y = y * 2
        return x, y


@case(randn(3, 4))
class Booleans(nn.Module):
    def forward(self, x):
        a = bool(x.sum() > 0)
        b = x.size(0) > 2
        c = a and b
        d = a or not b
        e = not a
        r = 0
        if c:
            r += 1
        if d and not e:
            r += 2
        return c, d, e, r


@case(randn(3, 4))
class Strings(nn.Module):
    def forward(self, x):
        s = "a,b"
        n = 0
        for part in s.split(","):
            if part == "b":
                n += 10
            n += len(part)
        if s.startswith("a"):
            n += 100
        return x * n


@case(randn(3, 4))
class Fill(nn.Module):
    def forward(self, x):
        y = torch.empty(3, 4)
        y.fill_(2.0)
        y[:, 0] = x[:, 1]
        y[1:, 2:] = x[:2, :2]
        y[..., -1] *= 3
        z = torch.zeros(4, dtype=torch.long)
        z[1] = 5
        return y, z


@case(randn(3, 4))
class OutArg(nn.Module):
    def forward(self, x):
        y = torch.zeros(3, 4)
        torch.add(x, 1.0, out=y)
        y.clamp_(0, 1)
        return y


@case(randn(3, 4))
class LoopView(nn.Module):
    def forward(self, x):
        y = x.clone()
        for i in range(x.size(0)):
            row = y[i]
            row.mul_(i + 1)
        return y
