"""Norms of rows, as the kernels know them."""

from __future__ import annotations

from .. import _kernels
from .._protocols import Penalty, Structure
from ..objective import Objective


def norm_code(structure: Structure) -> int | None:
    """The code of its row norm in ``_kernels.row_norms``; None for one that does not separate."""
    name = structure.row_norm
    if name is None:
        return None
    codes = _kernels.row_norms.CODES
    if name not in codes:
        raise ValueError(
            f"{type(structure).__name__}.row_norm={name!r}: the kernels know {', '.join(codes)}. "
            "Leave it at None for another norm of rows: prox and dual_norm say all that is needed."
        )
    return codes[name]


def over_rows(penalty: Penalty) -> bool:
    """Whether the penalty is a sum over the rows of W, up to a ridge."""
    structure = penalty.structure
    return (
        structure is not None and structure.row_norm is not None and not penalty.quadratic.coupled
    )


def kernel_terms(objective: Objective) -> tuple[int, float]:
    """The code of the row norm, and the ridge."""
    structure = objective.penalty.structure
    assert structure is not None
    code = norm_code(structure)
    assert code is not None
    return code, objective.penalty.quadratic.ridge


def by_entries(objective: Objective) -> bool:
    """Whether the norm is a sum over the entries of W, not over its rows."""
    structure = objective.penalty.structure
    return structure is not None and structure.row_norm == "L1"
