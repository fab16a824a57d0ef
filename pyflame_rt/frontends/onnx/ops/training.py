"""Rules for the operators of training."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

DOMAIN = "ai.onnx.preview.training"

_MOMENTUM = "alpha: float!, beta: float!, mode: string!, norm_coefficient: float!"
_ADAGRAD = "decay_factor: float, epsilon: float, norm_coefficient: float"
_ADAM = (
    "alpha: float, beta: float, epsilon: float, norm_coefficient: float, "
    "norm_coefficient_post: float"
)

RULES: tuple[Rule, ...] = (
    row("Adagrad", 1, _ADAGRAD, domain=DOMAIN),
    row("Adam", 1, _ADAM, domain=DOMAIN),
    row("Momentum", 1, _MOMENTUM, domain=DOMAIN),
)
"""The rules of this family."""
