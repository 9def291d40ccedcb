"""What is said of a comparison."""

from __future__ import annotations

import numpy as np

from malsar_py._compare._result import CHOSEN, MEAN
from malsar_py._compare._text import sentence, uneven
from malsar_py._compare._verdict import verdict

from .report_tables import procedure


def test_a_split_that_decides_a_mean_is_named():
    class Found:
        loss = "poisson"
        procedures = (
            procedure("even", [4.0, 5.0, 4.5, 9.9]),
            procedure("odd", [5.0, 15.6, 4.5, 4.8]),
            procedure("few", [1.0, 9.0]),
            procedure("exact", [0.0, 0.0, 1e-9]),
            procedure(CHOSEN, [5.0, 15.6, 4.5, 4.8], kind="chosen"),
        )

    assert uneven(Found) == (
        "uneven: one split decides the mean of odd (15.6000, median 4.9000): an exponential grows "
        "fast beyond the rows that were fitted"
    )
    Found.loss = "squared"
    assert uneven(Found).endswith("median 4.9000)")
    Found.procedures = Found.procedures[2:]
    assert uneven(Found) == ""


def test_what_the_sentence_says_of_the_mean_alone():
    """Not clear by an interval that knows of shared rows, yet better in every split: look again."""

    def said(scores):
        class Found:
            metric, target, settings = "RMSE", "y", {"repeats": 5}
            procedures = (
                procedure(MEAN, [1.0, 1.02, 1.0, 1.2, 1.5]),
                procedure("MixedEffects", scores, kind="sharing"),
            )
            winner = procedures[1]
            verdicts = (verdict(winner, procedures[0], [(np.arange(40), np.arange(10))] * 5),)

        assert Found.verdicts[0].clear == ""
        return sentence(Found)

    text = (
        "MixedEffects has the smallest RMSE, {}; by these 5 splits sharing is not clearly better "
    )
    assert said([0.8, 1.0, 0.9, 1.1, 1.3]) == (
        text.format("1.0200") + "than the mean alone; more may tell (--repeats 10)."
    )
    assert said([0.5, 1.3, 0.8, 1.3, 1.0]) == (
        text.format("0.9800") + "than the mean alone, so the features say nothing sure about y."
    )
