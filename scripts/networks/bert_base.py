"""BERT-base (Devlin et al. 2018): the encoder with its pooler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes of an encoder."""

    vocabulary: int = 30522
    positions: int = 512
    hidden: int = 768
    layers: int = 12
    heads: int = 12


class Attention(nn.Module):
    """Multi-head self-attention in plain matrix products."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(config.hidden, config.hidden) for _ in range(4)
        )

    def split(self, x: Tensor) -> Tensor:
        """batch x sequence x hidden to batch x heads x sequence x head."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        query, key, value = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        mixed = torch.softmax(scores + bias, -1) @ value
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """Attention and a two-layer perceptron, each normalized after its shortcut."""

    def __init__(self, config: Config):
        super().__init__()
        self.attention = Attention(config)
        self.norm1 = nn.LayerNorm(config.hidden, eps=1e-12)
        self.widen = nn.Linear(config.hidden, 4 * config.hidden)
        self.narrow = nn.Linear(4 * config.hidden, config.hidden)
        self.norm2 = nn.LayerNorm(config.hidden, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, bias))
        return self.norm2(x + self.narrow(nn.functional.gelu(self.widen(x))))


class Bert(nn.Module):
    """Embeddings of words, positions and segments; layers; the first token's pooled state."""

    def __init__(self, config: Config):
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.hidden)
        self.positions = nn.Embedding(config.positions, config.hidden)
        self.segments = nn.Embedding(2, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.pooler = nn.Linear(config.hidden, config.hidden)
        self.register_buffer("ids", torch.arange(config.positions)[None], persistent=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        positions = self.positions(self.ids[:, : input_ids.shape[1]])
        x = self.norm(self.words(input_ids) + positions + self.segments(token_type_ids))
        bias = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, bias)
        return x, torch.tanh(self.pooler(x[:, 0]))


def build(size: Size) -> Network:
    """The full network has 109 million parameters."""
    config = Config() if size == "full" else Config(89, 40, 24, 2, 3)
    tokens = ("batch", "sequence")
    return Network(
        Bert(config),
        {
            "input_ids": Input(tokens, torch.int64, config.vocabulary),
            "attention_mask": Input(tokens, torch.int64, 2),
            "token_type_ids": Input(tokens, torch.int64, 2),
        },
        {"last_hidden_state": (*tokens, config.hidden), "pooled": ("batch", config.hidden)},
        {"batch": Range(1, 8), "sequence": Range(1, config.positions)},
    )
