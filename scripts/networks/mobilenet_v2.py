"""MobileNetV2 (Sandler et al. 2018): inverted residuals with depthwise convolutions and ReLU6."""

from __future__ import annotations

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn

STAGES = (
    # expansion, channels, blocks, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
TINY_STAGES = ((1, 4, 1, 1), (6, 6, 2, 2), (4, 8, 2, 2), (4, 16, 1, 2), (4, 24, 1, 1))


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalization, ReLU6."""
    padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *([unit(inputs, hidden, 1)] if expansion > 1 else []),
            unit(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class MobileNetV2(nn.Module):
    """Stem, stages of inverted residuals, 1 x 1 convolution, global average, classifier."""

    def __init__(
        self, stem: int, stages: tuple[tuple[int, int, int, int], ...], last: int, classes: int
    ):
        super().__init__()
        layers: list[nn.Module] = [unit(3, stem, 3, stride=2)]
        channels = stem
        for expansion, outputs, blocks, stride in stages:
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(InvertedResidual(channels, outputs, step, expansion))
                channels = outputs
        layers.append(unit(channels, last, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        return self.classifier(torch.flatten(x, 1))


def build(size: Size) -> Network:
    """The full network has 3.5 million parameters."""
    if size == "full":
        module, side, classes = MobileNetV2(32, STAGES, 1280, 1000), 224, 1000
    else:
        module, side, classes = MobileNetV2(4, TINY_STAGES, 48, 10), 48, 10
    return Network(
        module,
        {"images": Input(("batch", 3, side, side))},
        {"logits": ("batch", classes)},
        {"batch": Range(1, 16)},
    )
