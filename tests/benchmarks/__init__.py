"""Speed of the library beside its peers, at equal certified accuracy.

``python -m tests.benchmarks`` runs it all, ``--help`` lists the rest. One file per peer
(``peer_*.py``), each run in a process and a virtual environment of its own (``peers/*.txt``, made
on demand in the user's cache folder), so that every peer gets the versions it needs and all of them
take turns in one session.

A peer runs at the loosest tolerance whose *returned* coefficients pass the gap function of
``gaps.py``, which no peer and no part of ``malsar_py`` has a hand in. Only the call of fit is
timed, in CPU seconds on one thread, after fits that compile and warm everything up.

The BLAS of every process is printed: numpy wheels before 2.0 may take a new CPU for an old one.
``OPENBLAS_CORETYPE`` is handed on to the peers and puts that right.
"""
