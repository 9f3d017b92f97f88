"""How many partitions may fail before nothing more of a plan is started: a number, or a share of them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from recoup.model.errors import UsageError
from recoup.model.keys import quoted

_EVERYTHING: Final = 100


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """`5`, or `10%` of the partitions that a plan runs; at least one."""

    text: str
    amount: float
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> FailureLimit:
        """UsageError for what is no number above zero, or more than all of them."""
        match = re.fullmatch(r"\s*(\d+)\s*|\s*(\d+(?:\.\d+)?)\s*%\s*", text)
        amount = float(match[1] or match[2]) if match else 0.0
        is_share = bool(match and match[2])
        if not amount or (is_share and amount > _EVERYTHING):
            message = f"--stop-after {quoted(text)} is no number of partitions, and no share of them"
            raise UsageError(message, "write --stop-after 5, or --stop-after 10%")
        return cls(text.strip(), amount, is_share)

    def of(self, partitions: int) -> int:
        """How many of so many must fail."""
        return max(math.ceil(partitions * self.amount / _EVERYTHING), 1) if self.is_share else int(self.amount)
