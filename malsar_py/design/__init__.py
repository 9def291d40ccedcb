"""How X meets W, for every way tasks can share rows: one file a kind.

Solvers and objectives ask a :class:`Design` for products and for what tasks have in common
(``one_x``, ``same_weights``); no one outside this package looks at X itself, or at a design's type.
"""

from ._base import Design as Design
from ._by_feature import FeatureRows as FeatureRows
from ._coupled import Coupled as Coupled
from ._make import one_x as one_x
from ._make import own_rows as own_rows
from ._one_x import Masked as Masked
from ._one_x import Shared as Shared
from ._ragged import BLAS_BLOCK as BLAS_BLOCK
from ._ragged import Ragged as Ragged
from ._ragged import from_rows as from_rows
from ._repeated import Repeated as Repeated
