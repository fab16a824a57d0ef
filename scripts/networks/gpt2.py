"""A decoder in the style of GPT-2 (Radford et al. 2019) that takes and returns its KV cache."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes of a decoder."""

    vocabulary: int = 50257
    positions: int = 1024
    hidden: int = 768
    layers: int = 12
    heads: int = 12


class Attention(nn.Module):
    """Causal self-attention of new tokens over cached and new ones."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)

    def forward(
        self, x: Tensor, past_key: Tensor, past_value: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, tokens, hidden = x.shape
        query, key, value = (
            part.view(batch, tokens, self.heads, hidden // self.heads).transpose(1, 2)
            for part in self.qkv(x).split(hidden, dim=2)
        )
        key = torch.cat([past_key, key], dim=2)
        value = torch.cat([past_value, value], dim=2)
        scores = query @ key.transpose(-1, -2) / math.sqrt(hidden // self.heads)
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
        mixed = torch.softmax(scores, -1) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, hidden)), key, value


class Block(nn.Module):
    """Attention and a two-layer perceptron, each normalized before."""

    def __init__(self, config: Config):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.hidden)
        self.perceptron = nn.Sequential(
            nn.Linear(config.hidden, 4 * config.hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * config.hidden, config.hidden),
        )

    def forward(
        self, x: Tensor, past_key: Tensor, past_value: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        mixed, key, value = self.attention(self.norm1(x), past_key, past_value, visible)
        x = x + mixed
        return x + self.perceptron(self.norm2(x)), key, value


class Gpt2(nn.Module):
    """Token and position embeddings, blocks, logits by the token embedding's transpose.

    `past` are the key and value of each block in turn, and so are all results after the logits.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.hidden)
        self.positions = nn.Embedding(config.positions, config.hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)

    def forward(self, input_ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        start = past[0].shape[2]
        total = start + input_ids.shape[1]
        positions = torch.arange(start, total)
        visible = torch.arange(total)[None, :] <= positions[:, None]
        x = self.words(input_ids) + self.positions(positions)
        present: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x, key, value = block(x, past[2 * i], past[2 * i + 1], visible)
            present += [key, value]
        return (self.norm(x) @ self.words.weight.T, *present)


def build(size: Size) -> Network:
    """The full network has 124 million parameters."""
    config = Config() if size == "full" else Config(61, 48, 24, 2, 3)
    head = config.hidden // config.heads
    parts = [f"{i}.{part}" for i in range(config.layers) for part in ("key", "value")]
    past = Input(("batch", config.heads, "past", head))
    present = ("batch", config.heads, "total", head)
    return Network(
        Gpt2(config),
        {
            "input_ids": Input(("batch", "sequence"), torch.int64, config.vocabulary),
            **{f"past.{part}": past for part in parts},
        },
        {
            "logits": ("batch", "sequence", config.vocabulary),
            **{f"present.{part}": present for part in parts},
        },
        {
            "batch": Range(1, 8),
            "sequence": Range(1, config.positions // 2),
            "past": Range(0, config.positions // 2),
        },
    )
