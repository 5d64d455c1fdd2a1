"""The five claims, from the tests of each."""

from collections.abc import Mapping, Sequence

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import undefined
from diffbench.study.study import Study
from diffbench.summary.claims.bump import bump_tests
from diffbench.summary.claims.cells import CONTROL_SIZE
from diffbench.summary.claims.following import following_tests
from diffbench.summary.claims.trajectories import trajectory_tests
from diffbench.summary.claims.trends import trend_tests
from diffbench.summary.claims.words import words_of_following
from diffbench.summary.lookup import Lookup
from diffbench.summary.verdicts import Claim, ClaimTest


def judge(
    study: Study,
    lookup: Lookup,
    parameters: Mapping[str, int],
    known: Facts,
    laboratory: Sequence[ClaimTest] = (),
) -> tuple[Claim, ...]:
    """The five claims.

    parameters: number of weights of each model, which orders models by size; known: of the data; laboratory: the tests
    of the 2D laboratory, if the study has one.
    """
    following = tuple(following_tests(study, lookup, known))
    return (
        Claim(
            1,
            "The train/validation denoising gap is a bump at intermediate noise levels and about 0 at both ends.",
            tuple(bump_tests(study, lookup, known)),
        ),
        Claim(
            2,
            "The gap's peak grows with training time, model size and finer conditions, and falls with dataset size.",
            tuple(trend_tests(study, lookup, parameters, known)),
        ),
        Claim(
            3,
            "Samples do not follow while the denoising gap grows: no copies of training images, no bias towards them.",
            _with_power(following),
            words_of_following(following),
        ),
        Claim(
            4,
            "Where the gap peaks, sampling trajectories overlap little with noised training data.",
            _with_power(tuple(trajectory_tests(study, lookup, known))),
        ),
        Claim(
            5,
            "In 2D the optimal flow localizes around training points; model error or dense data suppress exact recall.",
            tuple(laboratory) or (_no_laboratory(),),
        ),
    )


def _with_power(tests: tuple[ClaimTest, ...]) -> tuple[ClaimTest, ...]:
    """The tests, and an undefined control where the study has none: nothing shows then that they could have failed."""
    if any(test.control for test in tests):
        return tests
    missing = undefined(f"the study has none; add train_size {CONTROL_SIZE} or model optimal beside its centre", 0)
    statement = "a cell whose samples are copies by design"
    return (*tests, ClaimTest("control", statement, missing, "memorized_excess", False, control=True, place="none"))


def _no_laboratory() -> ClaimTest:
    missing = undefined("the study has no 2D laboratory", 0)
    return ClaimTest("laboratory", "exact recall in the 2D laboratory", missing, "recall_lost", above=True)
