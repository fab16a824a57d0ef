"""Networks for `test_script_torch.py`, and the layers of torch's that they are made of."""

from typing import List  # noqa: UP035

import torch
import torch.nn.functional as F
from script_modules import case, integers, randn
from torch import Tensor, nn

# ruff: noqa: B007, E741, UP006


@case(randn(2, 6, 8))
class Attn(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(8, 24)
        self.h = 2

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.q(x).split(C, dim=2)
        q = q.view(B, T, self.h, C // self.h).transpose(1, 2)
        k = k.view(B, T, self.h, C // self.h).transpose(1, 2)
        v = v.view(B, T, self.h, C // self.h).transpose(1, 2)
        a = (q @ k.transpose(-2, -1)) * (1.0 / (k.size(-1) ** 0.5))
        mask = torch.tril(torch.ones(T, T)).view(1, 1, T, T)
        a = a.masked_fill(mask == 0, float("-inf")).softmax(-1)
        return (a @ v).transpose(1, 2).contiguous().view(B, T, C)


@case(randn(2, 6, 8))
class MHA(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.m(x, x, x)[0]


@case(randn(2, 6, 8))
class Enc(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

    def forward(self, x):
        return self.m(x)


@case(randn(2, 6, 8), randn(2, 3, 8))
class Dec(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x, mem):
        return self.m(x, mem)


@case(randn(5, 2, 8))
class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.LSTM(8, 6, 2, bidirectional=True)

    def forward(self, x):
        o, (h, c) = self.m(x)
        return o, h, c


@case(randn(2, 5, 8), randn(1, 2, 6))
class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.GRU(8, 6, batch_first=True)

    def forward(self, x, h):
        return self.m(x, h)


@case(randn(5, 2, 8))
class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.LSTMCell(8, 6)

    def forward(self, x):
        h = torch.zeros(x.size(1), 6)
        c = torch.zeros(x.size(1), 6)
        o = []
        for i in range(x.size(0)):
            h, c = self.m(x[i], (h, c))
            o += [h]
        return torch.stack(o, 0)


@case(randn(2, 3, 16, 16))
class Mob(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(inplace=True),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8),
            nn.Hardswish(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        self.c = nn.Linear(8, 5)

    def forward(self, x):
        x = self.f(x)
        x = torch.flatten(x, 1)
        return self.c(F.dropout(x, 0.5, self.training))


@case(randn(2, 3, 16, 16))
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.d = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
        self.u = nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x):
        skips: List[Tensor] = []
        x = F.relu(self.a(x))
        for l in self.d:
            skips.append(x)
            x = F.max_pool2d(F.relu(l(x)), 2)
        for i in range(len(skips)):
            x = (
                F.interpolate(
                    self.u(x), size=skips[-1 - i].shape[-2:], mode="bilinear", align_corners=False
                )
                + skips[-1 - i]
            )
        return x


@case(integers(10, 2, 5), integers(2, 2, 5), input_types={"mask": "int64"})
class Emb(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(10, 4)

    def forward(self, ids, mask):
        x = self.e(ids)
        m = mask.unsqueeze(-1).to(x.dtype)
        return (x * m).sum(1) / m.sum(1).clamp(min=1)


@case(randn(2, 3, 8))
class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.LayerNorm(8)
        self.b = nn.BatchNorm1d(3)
        self.c = nn.GroupNorm(1, 3)
        self.d = nn.InstanceNorm1d(3)

    def forward(self, x):
        return self.d(self.c(self.b(self.a(x))))


@case(randn(5, 2, 8))
class CellTuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.LSTMCell(8, 6)

    def forward(self, x):
        state = (torch.zeros(x.size(1), 6), torch.zeros(x.size(1), 6))
        o: List[Tensor] = []
        for t in range(x.size(0)):
            state = self.m(x[t], state)
            o.append(state[0])
        return torch.stack(o, 1), state


@case(randn(4, 6), input_shapes={"x": [None, 6]})
class Unpacked(nn.Module):
    def forward(self, x):
        a, b = x.chunk(2, 1)
        c, d = torch.max(a, 1)
        (e, f), g = (c, d), b
        return e + 1, f, g


@case(randn(2, 3, 4))
class Interfaces(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})

    def forward(self, x):
        for i, layer in enumerate(self.l):
            x = layer(x) * (i + 1)
        for name, layer in self.d.items():
            x = layer(x)
        return x
