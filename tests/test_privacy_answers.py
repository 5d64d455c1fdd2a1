"""The words of a privacy report follow its numbers: yes, no, or undefined with the reason."""

import math

import numpy as np
import pytest

from diffbench.files.estimates import Estimate, undefined
from diffbench.report.tables.privacy import AttackFigures, Privacy
from diffbench.report.tables.privacy_answers import privacy_answers, shown

SIGMA = Estimate(0.2, 0.1, 0.3, 256)
RATE = Estimate(0.25, 0.2, 0.3, 512)


def privacy(auc: Estimate, **scalars: Estimate) -> Privacy:
    """Findings of which the best attack has this AUC, beside one that is worse on the images that choose."""
    attacks = (
        AttackFigures("SimA", best=False, auc=Estimate(0.9, 0.8, 0.95, 512), tpr_at_1_percent=RATE,
                      tpr_at_01_percent=RATE, sigma=SIGMA),
        AttackFigures("PIA", best=True, auc=auc, tpr_at_1_percent=RATE,
                      tpr_at_01_percent=undefined("needs at least 1000 validation images", 512), sigma=SIGMA),
    )  # fmt: skip
    return Privacy(attacks, scalars, None, 4, {"train": 256, "validation": 256})


def shorts(found: Privacy) -> list[str]:
    return [answer.short for answer in privacy_answers(found)]


def nothing() -> dict[str, Estimate]:
    """What held-out images give in the place of training images."""
    return {
        "dataset_inference_p": Estimate(0.4, math.nan, math.nan, 400),
        "dataset_inference_images": undefined("power stays below 0.9 with 256 suspects and as many unseen images", 512),
        "extracted_images": Estimate(1, 0.1, 4, 2048),
        "extracted_images_matched": Estimate(0.3, 0, 3.9, 512),
        "extracted_images_floor": Estimate(0, 0, 3.69, 512),
        "extraction_chao1": Estimate(1, 1, 64, 2048),
        "privacy_epsilon": Estimate(0, 0, math.inf, 256),
        "blind_auc": Estimate(0.51, 0.46, 0.56, 512),
    }


def test_chance_is_told_as_not_shown_though_another_attack_tells_members():
    found = shorts(privacy(Estimate(0.51, 0.46, 0.56, 512), **nothing()))
    assert found == ["Not shown: AUC 0.510 [0.460, 0.560], by PIA", "Not shown: p = 0.400", "1.00", "None"]


def test_a_leak_is_told_as_yes_with_its_numbers():
    leak = nothing() | {
        "dataset_inference_p": Estimate(1e-9, math.nan, math.nan, 400),
        "dataset_inference_images": Estimate(12, 9, 15, 512),
        "extracted_images": Estimate(53, 47, 60, 2048),
        "extracted_images_matched": Estimate(32, 29, 35, 512),
        "privacy_epsilon": Estimate(3.04, 3.04, math.inf, 64),
    }
    answers = privacy_answers(privacy(Estimate(0.98, 0.96, 0.99, 512), **leak))
    assert [answer.short for answer in answers] == [
        "Yes: AUC 0.980 [0.960, 0.990], by PIA",
        "Yes: p = 1.0e−9",
        "53.0, beyond the floor",
        "ε below 3.04",
    ]
    assert "With 12 [9.00, 15.0] images, and as many held-out ones, the test finds it in 90% of cases." in (
        answers[1].sentences
    )
    assert (
        "At a false positive rate of 0.1 %: undefined, needs at least 1000 validation images." in answers[0].sentences
    )


def test_sets_that_differ_without_the_model_prove_nothing_of_it():
    """Whatever rests on a comparison of the two sets says so; copies among samples do not."""
    leak = nothing() | {
        "dataset_inference_p": Estimate(1e-9, math.nan, math.nan, 400),
        "privacy_epsilon": Estimate(3.04, 3.04, math.inf, 64),
    }
    same, differing = (
        privacy_answers(privacy(Estimate(0.9, 0.8, 0.95, 512), **leak | {"blind_auc": blind}))
        for blind in (nothing()["blind_auc"], Estimate(0.8, 0.7, 0.9, 512))
    )
    for at, (one, other) in enumerate(zip(same, differing, strict=True)):
        if at == 2:
            assert one == other
            continue
        assert other.sentences[:-1] == one.sentences
        assert other.sentences[-1].startswith("Training and held-out images differ in distribution")
        assert other.short.startswith("Unclear, the two sets differ: ")
        assert not one.short.startswith("Unclear")


def test_a_bound_of_zero_is_not_said_to_be_chance():
    answer = privacy_answers(privacy(Estimate(0.6, 0.45, 0.7, 20), **nothing()))[3]
    assert answer.sentences[0] == "256 guesses by the best attack are not right often enough to rule out any ε."


@pytest.mark.parametrize("measure", ["dataset_inference_p", "extracted_images", "privacy_epsilon"])
def test_what_was_not_measured_is_undefined_and_says_why(measure):
    scalars = {name: value for name, value in nothing().items() if name != measure}
    found = [answer for answer in privacy_answers(privacy(RATE, **scalars)) if answer.short == "undefined"]
    assert [answer.sentences for answer in found] == [("Not measured.",)]


def test_an_undefined_attack_is_no_denial():
    found = privacy_answers(privacy(undefined("needs at least 4 images of either kind", 5), **nothing()))
    assert found[0].short == "undefined"
    assert found[0].sentences == ("Needs at least 4 images of either kind.",)
    assert shown(undefined("why", 0)) == "undefined"
    assert shown(Estimate(np.inf, 1, np.inf, 3)) == "∞ [1.00, ∞]"
