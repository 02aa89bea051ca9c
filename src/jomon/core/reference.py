"""The reference of an image: the bins of its columns and how many of the rows that it learned from lie in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jomon.core.binning import Binning
from jomon.core.errors import CorruptError
from jomon.core.table import Ints


@dataclass(frozen=True, eq=False)
class Reference:
    """`counts` int64[K]: rows of the whole fleet before the hold-out in each bin of the flat axis of `binning`.

    Scores are counted of a sample of these rows, and duplicates are not counted.
    """

    binning: Binning
    counts: Ints

    def canonical(self) -> dict[str, Any]:
        """As plain values for canonical JSON; `from_canonical` reads it back."""
        return {**self.binning.canonical(), "counts": self.counts.tolist()}

    @classmethod
    def from_canonical(cls, document: Mapping[str, Any]) -> Reference:
        """The inverse of `canonical`; raises `CorruptError` where the document is not one."""
        try:
            binning = Binning.from_canonical(document)
            counts = np.array(document["counts"], np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptError(
                f"The reference of this image cannot be read ({error}): build it again."
            ) from error
        if counts.shape != (binning.width,):
            raise CorruptError("The reference of this image does not agree with itself: build it again.")
        return cls(binning, counts)
