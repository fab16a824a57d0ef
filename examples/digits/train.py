"""Trains the two digit classifiers of this folder and writes every file beside it.

    python examples/digits/train.py

Needs torch, onnx and scikit-learn, takes about fifteen seconds on one core, and is seeded: one
version of torch gives the same files every time. The data are the 1,797 handwritten digits that
scikit-learn ships (8 x 8 grey scans of 43 people's writing); the test set is 450 of them, with
the digits in equal proportion.
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent
TEST_IMAGES = 450
SEED = 2


def unit(inputs: int, outputs: int) -> nn.Sequential:
    """3 x 3 convolution and batch normalization; the activation is the caller's."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    """relu(x + unit(relu(unit(x)))): a residual block that keeps its shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = unit(channels, channels)
        self.second = unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Cnn(nn.Module):
    """Two residual stages on 8 x 8 and 4 x 4 pixels, global average, linear classifier."""

    def __init__(self):
        super().__init__()
        self.stem = unit(1, 16)
        self.block1 = Residual(16)
        self.widen = unit(16, 24)
        self.block2 = Residual(24)
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block1(torch.relu(self.stem(x)))
        x = self.block2(torch.relu(self.widen(self.pool(x))))
        return self.classifier(torch.flatten(self.average(x), 1))


class Mlp(nn.Module):
    """Two hidden layers on the flattened pixels; dropout is the identity once trained."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 96),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(96, 48),
            nn.ReLU(),
            nn.Linear(48, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, test images and labels; images N x 1 x 8 x 8, 0 to 1, f32."""
    data = load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    parts = train_test_split(
        images, data.target, test_size=TEST_IMAGES, random_state=0, stratify=data.target
    )
    train_images, test_images, train_labels, test_labels = map(torch.from_numpy, parts)
    return train_images, train_labels, test_images, test_labels


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """The images moved by up to one pixel in each direction, each by its own draw."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(images), 2), generator=generator).tolist()
    return torch.stack([padded[i, :, y : y + 8, x : x + 8] for i, (y, x) in enumerate(offsets)])


def train(model: nn.Module, images: Tensor, labels: Tensor, *, epochs: int, shift: bool) -> None:
    """AdamW with a cosine schedule over batches of 64; leaves the model in evaluation mode.

    `shift` moves the training images about, which helps convolutions and confuses the MLP.
    """
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            inputs = shifted(images[batch], generator) if shift else images[batch]
            loss = nn.functional.cross_entropy(model(inputs), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()


def correct(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """How many images the model classifies rightly."""
    with torch.no_grad():
        return int((model(images).argmax(1) == labels).sum())


def save_torchscript(model: nn.Module, example: Tensor, path: Path) -> None:
    """Save the traced model without its debug records, which hold this machine's paths."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, example), buffer)
    buffer.seek(0)
    reader = torch._C.PyTorchFileReader(buffer)
    writer = torch._C.PyTorchFileWriter(str(path))
    own = ("version", "byteorder", ".data/serialization_id")
    for name in reader.get_all_records():
        if name not in own and not name.endswith(".debug_pkl"):
            data = reader.get_record(name)
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def write(name: str, model: nn.Module, example: Tensor) -> None:
    """name.onnx (batch normalization kept as nodes), name.pt (TorchScript), name.pth (weights)."""
    save_torchscript(model, example, FOLDER / f"{name}.pt")
    torch.save(model.state_dict(), FOLDER / f"{name}.pth")
    torch.onnx.export(
        model,
        (example,),
        FOLDER / f"{name}.onnx",
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": {0: "N"}, "logits": {0: "N"}},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        dynamo=False,
    )


def main() -> None:
    """Train, measure and write both models."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)
    train_images, train_labels, test_images, test_labels = digits()
    np.savez_compressed(FOLDER / "test.npz", images=test_images.numpy(), labels=test_labels.numpy())
    record: dict[str, object] = {"images": TEST_IMAGES}
    for name, factory, shift in (("cnn", Cnn, True), ("mlp", Mlp, False)):
        torch.manual_seed(SEED)
        model = factory()
        train(model, train_images, train_labels, epochs=60, shift=shift)
        write(name, model, test_images[:2])
        right = correct(model, test_images, test_labels)
        record[name] = {"correct": right, "accuracy": round(right / TEST_IMAGES, 6)}
        print(f"{name}: {right} of {TEST_IMAGES} test images right")
    (FOLDER / "accuracy.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
