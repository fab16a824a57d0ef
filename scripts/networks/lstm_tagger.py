"""A sequence tagger: embedding, two bidirectional LSTM layers, a label for every token."""

from __future__ import annotations

import torch
from networks.network import Input, Network, Range, Size
from torch import Tensor, nn


class Tagger(nn.Module):
    """Log-probabilities of the labels of each token."""

    def __init__(self, vocabulary: int, hidden: int, labels: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.lstm = nn.LSTM(hidden, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.labels = nn.Linear(2 * hidden, labels)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.words(tokens))
        return torch.log_softmax(self.labels(states), -1)


def build(size: Size) -> Network:
    """The full network has 6.3 million parameters."""
    vocabulary, hidden, labels = (20000, 200, 17) if size == "full" else (97, 12, 5)
    return Network(
        Tagger(vocabulary, hidden, labels),
        {"tokens": Input(("batch", "sequence"), torch.int64, vocabulary)},
        {"labels": ("batch", "sequence", labels)},
        {"batch": Range(1, 16), "sequence": Range(1, 64)},
    )
