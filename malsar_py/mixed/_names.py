"""Features as users name them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .._labels import show_labels
from .._typing import AnyArray, IntArray


def chosen_features(random: Any, names: AnyArray) -> IntArray | None:
    """Positions of the features with random slopes, None if the data decide."""
    if isinstance(random, str):
        return None
    known = {name: j for j, name in enumerate(names.tolist())}
    found = set()
    for chosen in random:
        if isinstance(chosen, str) and chosen in known:
            found.add(known[chosen])
        elif isinstance(chosen, Integral) and -len(names) <= int(chosen) < len(names):
            found.add(int(chosen) % len(names))
        else:
            raise ValueError(
                f"random names {chosen!r}, which is not one of the {len(names)} features: "
                f"{show_labels(names)}. Give names, or positions as in coef_."
            )
    return np.array(sorted(found), dtype=np.intp)
