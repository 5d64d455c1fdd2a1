"""What the tests of claim 3 say together, in sentences: copying and bias apart, since they need not agree."""

import math
from collections.abc import Iterable, Mapping, Sequence

from diffbench.summary.claims.following import BIASES, COPYING, GROWTH
from diffbench.summary.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED, THRESHOLDS, ClaimTest, together

GAP_WORDS = {
    SUPPORTED: "the denoising gap grows",
    REFUTED: "the denoising gap does not grow",
    INCONCLUSIVE: "it is open whether the denoising gap grows",
}
MOST = {name: f"{THRESHOLDS[name].value:g}" for name in ("memorized_excess", "bias", "frechet_bias")}
"""What the tests allow: it is not nothing, so no sentence may say that there is nothing."""

COPY_WORDS = {
    SUPPORTED: f"exact copies stay less than {MOST['memorized_excess']} above their floor",
    REFUTED: f"exact copies rise more than {MOST['memorized_excess']} above their floor",
    INCONCLUSIVE: f"it is open whether exact copies rise more than {MOST['memorized_excess']} above their floor",
}
BOTH = f"than {MOST['bias']} (inference-side gap: {MOST['frechet_bias']})"
BIAS_WORDS = {
    SUPPORTED: f"Bias towards training data grows by less {BOTH}",
    REFUTED: f"Bias towards training data grows by more {BOTH}",
    INCONCLUSIVE: f"It is open whether bias towards training data grows by more {BOTH}",
}

Verdicts = Mapping[str, str]
"""Verdict by place."""


def words_of_following(tests: Sequence[ClaimTest]) -> tuple[str, ...]:
    """Sentences: what becomes of gap and copies, then of bias, and which part of the paper's claim that supports."""
    of: dict[str, dict[str, ClaimTest]] = {}
    for test in tests:
        if not test.control:
            statistic = test.name.rpartition("_")[0]
            of.setdefault(statistic, {})[test.place] = test
    if not of:
        return ()
    gap = {place: test.verdict for place, test in of[GROWTH].items()}
    copies = {place: test.verdict for place, test in of[COPYING].items()}
    biases = {bias.words: of[f"{bias.name}_growth"] for bias in BIASES}
    bias = {place: together(tests[place].verdict for tests in biases.values()) for place in gap}
    grown = {place: test.estimate.value for place, test in of[GROWTH].items()}
    return (*_of_copies(gap, copies, grown), *_of_bias(bias, biases), _of_paper(gap, copies, bias))


def _of_copies(gap: Verdicts, copies: Verdicts, grown: Mapping[str, float]) -> Iterable[str]:
    for pair in dict.fromkeys((gap[place], copies[place]) for place in gap):
        places = [place for place in gap if (gap[place], copies[place]) == pair]
        factors = [math.exp(grown[place]) for place in places] if pair[0] == SUPPORTED else []
        by = f" (× {', '.join(f'{factor:.3g}' for factor in factors)})" if factors else ""
        link = ", but" if pair in {(SUPPORTED, SUPPORTED), (REFUTED, REFUTED)} else ", and"
        yield f"At {_listed(places)} {GAP_WORDS[pair[0]]}{by}{link} {COPY_WORDS[pair[1]]}."


def _of_bias(bias: Verdicts, tests: Mapping[str, Mapping[str, ClaimTest]]) -> Iterable[str]:
    for verdict in dict.fromkeys(bias.values()):
        places = [place for place in bias if bias[place] == verdict]
        if verdict == REFUTED:
            places = [
                f"{place} ({', '.join(name for name, of in tests.items() if of[place].verdict == REFUTED)})"
                for place in places
            ]
        yield f"{BIAS_WORDS[verdict]} at {_listed(places)}."


def _of_paper(gap: Verdicts, copies: Verdicts, bias: Verdicts) -> str:
    """Where the gap grows and samples do not follow, and where they do."""
    grows = [place for place, verdict in gap.items() if verdict == SUPPORTED]

    def where(of: Verdicts, verdict: str) -> str:
        return _listed([place for place in grows if of[place] == verdict]) or "no n"

    parts = (
        f"for {name} it is supported at {where(of, SUPPORTED)} and refuted at {where(of, REFUTED)}"
        for name, of in (("copies", copies), ("bias", bias))
    )
    return f"The paper says that samples do not follow the gap: {', '.join(parts)}."


def _listed(places: Sequence[str]) -> str:
    """Places in one phrase, such as: n = 64, 128."""
    return ", ".join(place if index == 0 else place.removeprefix("n = ") for index, place in enumerate(places))
