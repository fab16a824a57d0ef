"""Vision Transformer (Dosovitskiy et al. 2020), ViT-S/16."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes of a vision transformer."""

    side: int = 224
    patch: int = 16
    hidden: int = 384
    layers: int = 12
    heads: int = 6
    classes: int = 1000


class Block(nn.Module):
    """torch's scaled dot-product attention and a perceptron, each normalized before."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(config.hidden, eps=1e-6)
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)
        self.norm2 = nn.LayerNorm(config.hidden, eps=1e-6)
        self.perceptron = nn.Sequential(
            nn.Linear(config.hidden, 4 * config.hidden),
            nn.GELU(),
            nn.Linear(4 * config.hidden, config.hidden),
        )

    def attention(self, x: Tensor) -> Tensor:
        """Every token looks at every token."""
        batch, tokens, hidden = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, hidden // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.perceptron(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches as tokens, a class token before them, blocks, the class token's logits."""

    def __init__(self, config: Config):
        super().__init__()
        self.patches = nn.Conv2d(3, config.hidden, config.patch, stride=config.patch)
        self.token = nn.Parameter(torch.empty(1, 1, config.hidden))
        count = (config.side // config.patch) ** 2 + 1
        self.positions = nn.Parameter(torch.empty(1, count, config.hidden))
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.hidden, eps=1e-6)
        self.head = nn.Linear(config.hidden, config.classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def build(size: Size) -> Network:
    """The full network has 22 million parameters."""
    config = Config() if size == "full" else Config(32, 8, 24, 2, 3, 10)
    return Network(
        VisionTransformer(config),
        {"images": Input(("batch", 3, config.side, config.side))},
        {"logits": ("batch", config.classes)},
        {"batch": Range(1, 16)},
    )
