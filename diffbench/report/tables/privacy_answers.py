"""What was found of one model, in words: whether it knows an image, or the set of images, and what it gives away."""

import math

import numpy as np

from diffbench.files.estimates import Estimate
from diffbench.measures.blind_baseline import note
from diffbench.measures.dataset_inference import LEVEL, POWER
from diffbench.report.tables.answers import Answer
from diffbench.report.tables.format import count, interval, level, number
from diffbench.report.tables.privacy import AttackFigures, Privacy


def privacy_answers(privacy: Privacy) -> list[Answer]:
    """Answers to what is asked of a model that was trained on private images."""
    return [_one_image(privacy), _the_set(privacy), _copies(privacy), _bound(privacy)]


def _one_image(privacy: Privacy) -> Answer:
    question, best = "Can it be told whether one image was trained on?", privacy.best
    if math.isnan(best.auc.value):
        return Answer(question, "undefined", (f"{best.auc.reason.capitalize()}.",))
    told = best.auc.low > 0.5
    short = f"{_verdict(privacy, told)}: AUC {shown(best.auc)}, by {best.name}"
    sentences = [
        f"The attack that is best on one half of the images, {best.name} at noise level {level(best.sigma.value)}, has"
        f" AUC {shown(best.auc)} on the other half; 0.5 is chance.",
        _rate(best.tpr_at_1_percent, "1 %"),
        _rate(best.tpr_at_01_percent, "0.1 %"),
        *_differing(privacy),
    ]
    return Answer(question, short, tuple(sentences))


def _differing(privacy: Privacy) -> list[str]:
    """A sentence where the two sets differ without the model: what attacks tell may then be the images' alone."""
    return list(filter(None, [note(privacy.of("blind_auc"))]))


def _verdict(privacy: Privacy, told: bool) -> str:
    """What was found, or not; chance is no proof of absence."""
    if not told:
        return "Not shown"
    return "Unclear, the two sets differ" if _differing(privacy) else "Yes"


def _rate(tpr: Estimate, rate: str) -> str:
    if math.isnan(tpr.value):
        return f"At a false positive rate of {rate}: undefined, {tpr.reason}."
    return f"At a false positive rate of {rate} it names {shown(tpr)} of the training images."


def _the_set(privacy: Privacy) -> Answer:
    question = "Can it be told that this set of images was trained on?"
    p, least = privacy.of("dataset_inference_p"), privacy.of("dataset_inference_images")
    if math.isnan(p.value):
        return Answer(question, "undefined", (f"{p.reason.capitalize()}.",))
    short = f"{_verdict(privacy, p.value < LEVEL)}: p = {number(p.value)}"
    sentences = [
        "All attacks together, fitted on some images and tested on others. Were training images no more like members"
        f" than held-out ones, a difference as large would have a chance of {number(p.value)}; asked is {LEVEL:g}."
    ]
    if math.isnan(least.value):
        sentences.append(f"How many images that takes is undefined: {least.reason}.")
    else:
        text = f"{count(least.value)} {interval(least.low, least.high)}".strip()
        sentences.append(f"With {text} images, and as many held-out ones, the test finds it in {POWER:.0%} of cases.")
    return Answer(question, short, (*sentences, *_differing(privacy)))


def _copies(privacy: Privacy) -> Answer:
    question = "How many training images do its samples give away?"
    found, chao1 = privacy.of("extracted_images"), privacy.of("extraction_chao1")
    matched, floor = privacy.of("extracted_images_matched"), privacy.of("extracted_images_floor")
    if math.isnan(found.value):
        return Answer(question, "undefined", (f"{found.reason.capitalize()}.",))
    sentences = [f"Copies among {count(found.n)} samples are of {shown(found)} different training images."]
    if math.isnan(matched.value) or math.isnan(floor.value):
        sentences.append(f"A floor is undefined: {matched.reason or floor.reason}.")
    else:
        size = count(min(matched.n, floor.n))
        sentences.append(f"Of {size} each: samples {shown(matched)}, held-out images as if generated {shown(floor)}.")
    sentences.append(f"However many samples: at least {shown(chao1)} (Chao1).")
    beyond = bool(matched.low > floor.high)
    return Answer(question, f"{number(found.value)}{', beyond the floor' if beyond else ''}", tuple(sentences))


def _bound(privacy: Privacy) -> Answer:
    question, epsilon = "What privacy does training rule out?", privacy.of("privacy_epsilon")
    if math.isnan(epsilon.value):
        return Answer(question, "undefined", (f"{epsilon.reason.capitalize()}.",))
    indicative = "Indicative: the theorem asks for members drawn by a coin's toss, and here their number is fixed."
    if epsilon.value == 0:
        few = f"{count(epsilon.n)} guesses by the best attack are not right often enough to rule out any ε."
        return Answer(question, "None", (few, indicative))
    text = f"{count(epsilon.n)} guesses by the best attack are right too often for training with a smaller ε."
    short = f"ε below {number(epsilon.value)}"
    if differing := _differing(privacy):
        short = f"Unclear, the two sets differ: {short}"
    return Answer(question, short, (text, indicative, *differing))


def attack_rows(privacy: Privacy) -> list[tuple[AttackFigures, tuple[str, ...]]]:
    """Each attack with its figures as text: AUC, TPR at 1 % and at 0.1 %, level."""
    fields = ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "sigma")
    return [(attack, tuple(shown(getattr(attack, field)) for field in fields)) for attack in privacy.attacks]


def shown(estimate: Estimate) -> str:
    """A value with its interval."""
    if np.isnan(estimate.value):
        return "undefined"
    return f"{number(estimate.value)} {interval(estimate.low, estimate.high)}".strip()
