"""The four laws, from the tests of each."""

import pandas as pd

from diffbench.data.raw_images import Facts
from diffbench.study.study import Study
from diffbench.summary.laws.guidance import guidance_tests
from diffbench.summary.laws.labels import label_tests
from diffbench.summary.laws.pairs import pair_tests
from diffbench.summary.laws.scaling import scaling_tests
from diffbench.summary.lookup import Lookup
from diffbench.summary.verdicts import Claim


def judge_laws(study: Study, lookup: Lookup, scales: pd.DataFrame, known: Facts) -> tuple[Claim, ...]:
    """The four laws, inconclusive with a reason where a study does not vary what they need.

    scales: the table of time scales; known: of the data.
    """
    return (
        Claim(
            1,
            "Random labels memorize like true ones, and unique ones most.",
            tuple(label_tests(study, lookup, known)),
        ),
        Claim(
            2,
            "The time until samples are copies is proportional to the training set, that of the best samples constant.",
            tuple(scaling_tests(study, scales.to_dict("records"))),
        ),
        Claim(
            3,
            "Models trained on disjoint images draw more alike samples from many of them than from few, and copy less.",
            tuple(pair_tests(study, lookup)),
        ),
        Claim(
            4,
            "The effect of guidance on memorization is not monotone in its weight.",
            tuple(guidance_tests(study, lookup)),
        ),
    )
