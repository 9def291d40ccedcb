"""The scalar problem behind the squared spectral box norm."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def box_theta(s, total, low, high, shift, theta):
    """Solve ``theta_i = clip(s_i * u - shift, low, high)``, ``sum(theta) = total`` for u; return u.

    ``s >= 0`` descends and has a positive entry. The sum is piecewise linear and nondecreasing in
    u: walk through the points where an entry leaves ``low`` or reaches ``high``. Entries with s = 0
    stay at ``low``. If even u = infinity does not reach ``total``, every positive entry is at
    ``high`` and inf is returned.
    """
    m = s.shape[0]
    n_positive = 0
    for i in range(m):
        if s[i] > 0.0:
            n_positive += 1
    # s descends, so both kinds of points come in order: merge them.
    entered = 0
    left = 0
    reached = m * low
    slope = 0.0
    at = 0.0
    u = np.inf
    for _ in range(2 * n_positive):
        entering = entered < n_positive and (low + shift) * s[left] <= (high + shift) * s[entered]
        point = (low + shift) / s[entered] if entering else (high + shift) / s[left]
        grown = reached + slope * (point - at)
        if slope > 0.0 and grown >= total:
            u = at + (total - reached) / slope
            break
        reached = grown
        at = point
        if entering:
            slope += s[entered]
            entered += 1
        else:
            slope = max(slope - s[left], 0.0)
            left += 1
    if u != np.inf:
        # The running slope has rounding left over from entries that came and went: solve the
        # segment afresh.
        fixed = 0.0
        slope = 0.0
        for i in range(m):
            value = s[i] * u - shift
            if s[i] <= 0.0 or value <= low:
                fixed += low
            elif value >= high:
                fixed += high
            else:
                slope += s[i]
                fixed -= shift
        if slope > 0.0:
            u = (total - fixed) / slope
    for i in range(m):
        if s[i] <= 0.0:
            theta[i] = low
        elif u == np.inf:
            theta[i] = high
        else:
            theta[i] = min(max(s[i] * u - shift, low), high)
    return u
