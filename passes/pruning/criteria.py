"""How much a weight matters: a score for each, the smallest go first.

Arguments are matrices of outputs x inputs, results the same in f64.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def magnitude(w: Array) -> Array:
    """|w|: Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural
    Networks", NeurIPS 2015."""
    return np.abs(w.astype(np.float64))


def lamp(w: Array) -> Array:
    """w_u^2 / sum of w_v^2 over all v with |w_v| >= |w_u|: Lee, Park, Mo, Ahn, Shin,
    "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021.

    Scores of different layers can be compared: in each, the largest is 1.
    """
    squares = np.square(w.astype(np.float64)).reshape(-1)
    order = np.argsort(squares, kind="stable")
    ordered = squares[order]
    rest = np.cumsum(ordered[::-1])[::-1]
    scores = np.empty_like(squares)
    scores[order] = np.divide(ordered, rest, out=np.zeros_like(rest), where=rest > 0)
    return scores.reshape(w.shape)


def random(w: Array, generator: np.random.Generator) -> Array:
    """Any number: what every other criterion has to be better than."""
    return generator.random(w.shape)


def movement(w: Array, gradient: Array) -> Array:
    """-w dL/dw, of gradients summed over the steps of a training: Sanh, Wolf, Rush, "Movement
    Pruning: Adaptive Sparsity by Fine-Tuning", NeurIPS 2020.

    What moves towards zero has a negative score and goes, whatever its magnitude.
    """
    return -w.astype(np.float64) * gradient.astype(np.float64)


def taylor(w: Array, gradient: Array) -> Array:
    """(w dL/dw)^2, the square of the first-order change of the loss when w is 0: Molchanov,
    Mallya, Tyree, Frosio, Kautz, "Importance Estimation for Neural Network Pruning", CVPR 2019."""
    return np.square(w.astype(np.float64) * gradient.astype(np.float64))


def taylor_of_output(w: Array, energy: Array) -> Array:
    """w^2 E[x^2] / 2, the second-order change of the layer's squared error when w is 0, without
    terms of two weights: LeCun, Denker, Solla, "Optimal Brain Damage", NeurIPS 1989.

    At a layer's own output the first order is 0, so that no gradients are needed. `energy` is the
    sum of squares of each input.
    """
    return np.square(w.astype(np.float64)) * energy / 2


def wanda(w: Array, energy: Array) -> Array:
    """|w| ||x||_2, compared within each output: Sun, Liu, Bair, Kolter, "A Simple and Effective
    Pruning Approach for Large Language Models", ICLR 2024. `energy` is ||x||^2 of each input."""
    return np.abs(w.astype(np.float64)) * np.sqrt(energy)


def saliency(w: Array, inverse_diagonal: Array) -> Array:
    """w^2 / [H^-1]_qq, the squared error at the layer's output when w is 0 and all others of its
    row make up for it as well as they can: Hassibi, Stork, "Second order derivatives for network
    pruning: Optimal Brain Surgeon", NeurIPS 1992."""
    return np.square(w.astype(np.float64)) / inverse_diagonal
