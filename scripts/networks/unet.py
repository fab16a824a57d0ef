"""U-Net (Ronneberger et al. 2015) with padding, for images of any size that can be halved."""

from __future__ import annotations

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with batch normalization and ReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down by max pooling, up by transposed convolutions, and bilinearly at the last level."""

    def __init__(self, width: int, levels: int, classes: int):
        super().__init__()
        widths = [width << level for level in range(levels + 1)]
        self.stem = double(3, width)
        self.down = nn.ModuleList(double(widths[i], widths[i + 1]) for i in range(levels))
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for level in reversed(range(levels)):
            wide, narrow = widths[level + 1], widths[level]
            self.up.append(
                nn.ConvTranspose2d(wide, narrow, 2, stride=2)
                if level > 0
                else nn.Sequential(
                    nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(wide, narrow, 1)
                )
            )
            self.merge.append(double(2 * narrow, narrow))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(x)
            x = down(nn.functional.max_pool2d(x, 2))
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return self.head(x)


def build(size: Size) -> Network:
    """The full network has 31 million parameters."""
    levels, classes = (4, 2) if size == "full" else (2, 3)
    step = 1 << levels
    sides = Range(step, 16 * step, step)
    return Network(
        UNet(64 if size == "full" else 6, levels, classes),
        {"images": Input(("batch", 3, "height", "width"))},
        {"logits": ("batch", classes, "height", "width")},
        {"batch": Range(1, 8), "height": sides, "width": sides},
    )
