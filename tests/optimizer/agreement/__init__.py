"""Whether optimised models give the same answers: the rule, and the runs that it needs."""

from __future__ import annotations

from agreement.judging import Judge
from agreement.promotion import NotPromotable, promoted

__all__ = ["Judge", "NotPromotable", "promoted"]
