"""Cases for the rules of torch's operators, one family a module. They need torch."""

from __future__ import annotations

from importlib import import_module

from aten_cases.case import Case

FAMILIES = (
    "activations",
    "arithmetic",
    "choosing",
    "layers",
    "making",
    "networks",
    "reducing",
    "shaping",
)
"""The modules of this package that have `CASES`."""


def all_cases() -> tuple[Case, ...]:
    """Every case, those of a family together."""
    modules = (import_module(f"{__name__}.{family}") for family in FAMILIES)
    return tuple(case for module in modules for case in module.CASES)
