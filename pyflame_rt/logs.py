"""Severities: ONNX Runtime's numbers, the documentation's names, logging's levels."""

from __future__ import annotations

import logging

from pyflame_rt.errors import ValidationError

LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
"""Logging's level of each severity, 0 (verbose) to 4 (fatal)."""
NAMES = {"verbose": 0, "debug": 0, "info": 1, "warning": 2, "error": 3, "fatal": 4}
"""Severities by the documentation's names."""
DEFAULT = -1
"""The severity that means: as set for all."""


def name_of(severity: int) -> str:
    """The documentation's name of a severity; "warning" for the default."""
    return next((name for name, number in NAMES.items() if number == severity), "warning")


def severity_of(name: str) -> int:
    """The severity of a documented name. Raises ValidationError for another."""
    if name not in NAMES:
        raise ValidationError(f'log_level "{name}" is none of {", ".join(NAMES)}')
    return NAMES[name]


def log(severity: int, threshold: int, text: str, *values: object) -> None:
    """Log to `pyflame_rt`: what the logger itself lets through, or, with a threshold of its own,
    what is at least that severe."""
    logger = logging.getLogger("pyflame_rt")
    if threshold == DEFAULT:
        logger.log(LEVELS[severity], text, *values)
    elif severity >= threshold:
        level = LEVELS[severity]
        logger.handle(logger.makeRecord(logger.name, level, "", 0, text, values, None))
