"""Quality measures against analytic cases, other libraries and their definitions written out."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, special, stats
from scipy.spatial.distance import cdist

from diffbench.conventions import DiffbenchError
from diffbench.measures.frechet import distance_at_one_size, frechet_distance, gaussian
from diffbench.measures.likelihood import _log_density, feature_likelihood
from diffbench.measures.quality import kernel_distance, manifold


def features(seed, count, dimensions=8, mean=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(mean, scale, (count, dimensions))


def test_frechet_distance_equals_the_matrix_root_form_and_pot():
    x, y = features(0, 300) @ features(1, 8), features(2, 400, mean=0.3) @ features(3, 8)
    s1, s2 = np.cov(x.T), np.cov(y.T)
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(s1 + s2 - 2 * np.real(linalg.sqrtm(s1 @ s2)))
    distance = frechet_distance(gaussian(x), gaussian(y))
    assert distance == pytest.approx(expected, rel=1e-9)
    root = np.asarray(ot.gaussian.bures_wasserstein_distance(x.mean(0), y.mean(0), s1, s2))
    assert distance == pytest.approx(float(root) ** 2, rel=1e-6)
    assert frechet_distance(gaussian(y), gaussian(x)) == pytest.approx(distance)


def test_frechet_distance_of_isotropic_gaussians():
    """FD of N(0, 1) and N(m, s^2) is m^2 + (1 - s)^2 in each dimension."""
    x, y = features(0, 200_000, 4), features(1, 200_000, 4, mean=0.5, scale=2.0)
    assert frechet_distance(gaussian(x), gaussian(y)) == pytest.approx(4 * (0.25 + 1), rel=0.02)
    assert frechet_distance(gaussian(x), gaussian(x)) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_with_fewer_images_than_dimensions():
    x, y = features(0, 10, 40), features(1, 12, 40)
    a, b = (x - x.mean(0)) / 3, (y - y.mean(0)) / math.sqrt(11)  # S1 = a'a, S2 = b'b, and the root's trace is |a b'|_*
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")
    assert frechet_distance(gaussian(x), gaussian(y)) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_frechet_distance_under_moving_turning_and_scaling(seed, scale):
    rng = np.random.default_rng(seed)
    x, y, shift = rng.normal(size=(30, 5)), rng.normal(1, 2, size=(40, 5)), rng.normal(size=5)
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    plain = frechet_distance(gaussian(x), gaussian(y))
    moved = frechet_distance(
        gaussian(scale * x @ rotation + shift), gaussian(rng.permutation(scale * y @ rotation + shift))
    )
    assert moved == pytest.approx(scale**2 * plain, rel=1e-8)


def test_distance_at_one_size_is_the_mean_distance_of_sets_of_that_size():
    """Of fresh samples as of validation images in their place, also where sets share neither size nor images."""
    pairs = [distance_at_one_size(features(3 * s, 130, 4), features(3 * s + 1, 100, 4), s) for s in range(80)]
    fresh = [frechet_distance(gaussian(features(s, 50, 4)), gaussian(features(s + 999, 50, 4))) for s in range(400)]
    *of_size, ratios = zip(*pairs, strict=True)
    assert np.mean([each.low <= 1 <= each.high for each in ratios]) >= 0.92
    assert np.mean([each.value for each in ratios]) == pytest.approx(1, abs=0.05)
    for estimates in of_size:
        values = np.array([each.value for each in estimates])
        assert values.mean() == pytest.approx(np.mean(fresh), abs=4 * values.std() / math.sqrt(80))
        covered = np.mean([each.low <= np.mean(fresh) <= each.high for each in estimates])
        assert covered >= 0.92
        assert {each.n for each in estimates} == {50}


def test_kernel_distance_equals_its_definition():
    x, y = features(5, 60), features(6, 90, mean=0.5)

    def kernel(a, b):
        return (a @ b.T / 8 + 1) ** 3

    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    expected = (xx.sum() - np.trace(xx)) / (60 * 59) + (yy.sum() - np.trace(yy)) / (90 * 89) - 2 * xy.mean()
    kid = kernel_distance(x, y, 0)
    assert kid.squared.value == pytest.approx(expected)
    assert kid.squared.low > 0
    variance = np.trace(yy) / 90 - (yy.sum() - np.trace(yy)) / (90 * 89)
    assert kid.standardized.value == pytest.approx(expected / variance)
    assert kernel_distance(y, x, 0).squared.value == pytest.approx(expected)
    assert kernel_distance(x, np.ones((40, 8)), 0).standardized.reason == "the real images are all alike"


def test_kernel_distance_is_unbiased_and_its_interval_covers():
    kids = [kernel_distance(features(2 * s, 80), features(2 * s + 1, 80), s) for s in range(150)]
    for estimates in ([kid.squared for kid in kids], [kid.standardized for kid in kids]):
        values = np.array([e.value for e in estimates])
        assert abs(values.mean()) < 3 * values.std() / math.sqrt(150)
        assert np.mean([e.low <= 0 <= e.high for e in estimates]) >= 0.9


@pytest.mark.parametrize("m", [5, 20])
def test_so_many_images_drawn_over_and_over_lie_one_over_their_number_away(m):
    """What the scale of the standardized distance means, whatever the scale of the features."""
    values = [
        kernel_distance(np.tile(3 * features(s, m), (400 // m, 1)), 3 * features(s + 500, 300), s).standardized.value
        for s in range(50)
    ]
    assert np.mean(values) == pytest.approx(1 / m, abs=4 * float(np.std(values)) / math.sqrt(50))
    assert np.std(values) / math.sqrt(50) < 0.15 / m, "the mean is told well enough for that to mean something"


def test_the_interval_of_a_standardized_distance_covers():
    """Of another law: its true value is that of many images."""
    x, y = features(1, 2500, mean=0.3), features(2, 2500)
    kernels = [(a @ b.T / 8 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    of_x, of_y, between = (each.mean() for each in kernels)  # of images with themselves, 1 of 2500 is no matter
    truth = (of_x + of_y - 2 * between) / (np.trace(kernels[1]) / 2500 - of_y)
    told = [kernel_distance(features(s + 10, 80, mean=0.3), features(s + 900, 80), s).standardized for s in range(100)]
    assert np.mean([each.low <= truth <= each.high for each in told]) >= 0.9


def written_out(generated, real):
    """Precision, recall, density and coverage from all distances."""

    def reach(points, k):
        return np.sort(cdist(points, points), axis=1)[:, k]

    between = cdist(generated, real)
    inside = between <= reach(real, 5)[None, :]
    return (
        (between <= reach(real, 3)[None, :]).any(axis=1).mean(),
        (between <= reach(generated, 3)[:, None]).any(axis=0).mean(),
        inside.sum() / (5 * len(generated)),
        (between.min(axis=0) <= reach(real, 5)).mean(),
    )


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.5, 0.6), (0.5, 1.6)])
def test_manifold_equals_its_definition(mean, scale):
    generated, real = features(7, 150, mean=mean, scale=scale), features(8, 200)
    fidelity = manifold(generated, real, 0)
    values = (fidelity.precision.value, fidelity.recall.value, fidelity.density.value, fidelity.coverage.value)
    assert values == pytest.approx(written_out(generated, real))


def test_manifold_equals_prdc():
    prdc = pytest.importorskip("prdc")
    generated, real = features(9, 150, mean=0.5, scale=0.8), features(10, 200)
    fidelity = manifold(generated, real, 0)
    three, five = (prdc.compute_prdc(real, generated, nearest_k=k) for k in (3, 5))
    assert fidelity.precision.value == pytest.approx(three["precision"])
    assert fidelity.recall.value == pytest.approx(three["recall"])
    assert fidelity.density.value == pytest.approx(five["density"])
    assert fidelity.coverage.value == pytest.approx(five["coverage"])


def test_balls_are_closed_where_those_of_prdc_are_open():
    """On a grid most images lie at exactly the radius of others: the papers' <= counts them, the package's < not."""
    prdc = pytest.importorskip("prdc")
    grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 4), axis=-1).reshape(-1, 4) * 0.3
    real = np.concatenate([grid, np.zeros_like(grid[:, :2]).repeat(4, axis=1)], axis=1)  # 12 values: no k-d tree
    generated = real[np.random.default_rng(0).permutation(len(real))[:60]]
    fidelity = manifold(generated, real, 0)
    between, within = (np.rint(cdist(each, real, "sqeuclidean") / 0.09) for each in (generated, real))  # whole numbers
    fifth = np.sort(within, axis=1)[:, 5]
    assert fidelity.density.value == pytest.approx((between <= fifth).sum() / (5 * len(generated)))
    opened = (between < fifth).sum() / (5 * len(generated))
    assert prdc.compute_prdc(real, generated, nearest_k=5)["density"] < 0.8 * fidelity.density.value
    assert opened < 0.8 * fidelity.density.value


def test_generated_comes_first():
    """Samples that collapse onto a part of the real images are precise but do not recall or cover them."""
    real, collapsed = features(11, 300), features(12, 300, scale=0.2)
    fidelity = manifold(collapsed, real, 0)
    assert fidelity.precision.low > 0.95
    assert fidelity.recall.high < 0.3
    assert fidelity.density.value > 1
    assert fidelity.coverage.high < 0.5
    swapped = manifold(real, collapsed, 0)
    assert swapped.precision.value == fidelity.recall.value
    assert fidelity.precision.value == swapped.recall.value


def test_copies_of_the_real_images_are_perfect():
    real = features(13, 100)
    fidelity = manifold(real, real, 0)
    assert fidelity.precision.value == fidelity.recall.value == fidelity.coverage.value == 1


def by_adam(centers, targets):
    """Log variances as the authors' code fits them: Adam at rate 0.5, 50 steps on all targets at once."""
    c, x = torch.from_numpy(centers), torch.from_numpy(targets)
    d = x.shape[1]
    squared = torch.cdist(x, c) ** 2
    logs = ((squared.min(dim=0).values + 1e-3) / d).log().requires_grad_()
    base = torch.zeros((), dtype=torch.float64, requires_grad=True)
    to_mean = 0.81 * ((x - x.mean(dim=0)) ** 2).sum(dim=1, keepdim=True)
    adam = torch.optim.Adam([logs, base], lr=0.5)
    for _ in range(50):
        adam.zero_grad()
        kernels = -squared / (2 * logs.exp()) - d / 2 * (logs + math.log(2 * math.pi)) - math.log(len(c))
        broad = -to_mean / (2 * base.exp()) - d / 2 * (base + math.log(2 * math.pi))
        (-torch.logsumexp(torch.cat([kernels, broad], dim=1), dim=1).mean() / d).backward()
        adam.step()
        logs.data.clamp_(-40, 20)
    return logs.detach().exp().numpy()


def published(generated, train, validation):
    """FLD by the formulas of Jiralerspong et al., with as many kernels as half of the training images."""
    mean, scale = validation.mean(axis=0), validation.std(axis=0, ddof=1)
    g, t, v = ((x - mean) / scale for x in (generated, train, validation))
    half = len(t) // 2

    def loss(centers, variances):
        logs = -cdist(v, centers, "sqeuclidean") / (2 * variances) - v.shape[1] / 2 * np.log(2 * np.pi * variances)
        likelihood = np.asarray(special.logsumexp(logs, axis=1)) - math.log(len(centers))
        return -100 / v.shape[1] * likelihood.mean()

    return loss(g, by_adam(g, t)) - loss(t[:half], by_adam(t[:half], t[half:]))


def faces(seed, count):
    """Features that vary most along four directions."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(4, 16))
    return rng.normal(size=(count, 4)) * [3, 2, 1.5, 1] @ mixing + 0.5 * rng.normal(size=(count, 16))


def test_feature_likelihood_equals_the_authors_arithmetic():
    train, validation, fresh = faces(0, 400), faces(1, 500), faces(2, 200)
    own = feature_likelihood(fresh, train, validation, 0)
    assert own.fld.value == pytest.approx(published(fresh, train, validation), abs=3)  # other halves, another optimizer
    assert abs(own.fld.value) < 3
    noisy = train[:200] + 0.1 * faces(3, 200) / 3
    own = feature_likelihood(noisy, train, validation, 0)
    assert own.fld.value == pytest.approx(published(noisy, train, validation), rel=0.1)
    assert own.fld.low > 100
    part = train[:200]  # the others are not copied: without the base measure they would keep all kernels wide
    for value in (feature_likelihood(part, train, validation, 0).fld.low, published(part, train, validation)):
        assert value > 1e8


def test_feature_likelihood_of_fresh_images_is_about_0_at_every_training_size():
    validation = faces(1, 500)
    for n in (40, 100, 1000):
        values = [
            feature_likelihood(faces(9 * s + n, 400), faces(s + 500, n), validation, s).fld.value for s in range(8)
        ]
        assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(8) + 0.5, n


def test_log_density_equals_scipy():
    points, centers, variances = features(16, 20, 3), features(17, 5, 3), np.array([0.1, 0.5, 1, 2, 3])
    terms = [stats.norm.pdf(points, c, math.sqrt(v)).prod(axis=1) for c, v in zip(centers, variances, strict=True)]
    np.testing.assert_allclose(_log_density(points, centers, variances), np.log(np.mean(terms, axis=0)))


def test_feature_likelihood_orders_samples_and_sees_copies():
    train, validation, good = features(18, 400), features(19, 300), features(20, 200)
    fair = feature_likelihood(good, train, validation, 0)
    assert abs(fair.fld.value) < 3  # as many kernels as the baseline has
    poor = feature_likelihood(features(21, 200, mean=1.0), train, validation, 0)
    assert poor.fld.low > fair.fld.high
    copies = feature_likelihood(train[:200] + 0.01 * good, train, validation, 0)
    assert copies.gap.low > 50
    assert copies.fld.low > fair.fld.high
    assert abs(fair.gap.value) < 10


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-6, 6))
def test_feature_likelihood_ignores_units(seed, exponent):
    rng = np.random.default_rng(seed)
    g, t, v = (rng.normal(0, 1, (40, 3)) for _ in range(3))
    plain = feature_likelihood(g, t, v, 0)
    g, t, v = (x * 2.0**exponent + 3 for x in (g, t, v))
    scaled = feature_likelihood(g, t, v, 0)
    assert scaled.fld.value == pytest.approx(plain.fld.value, rel=1e-5, abs=1e-5)


@pytest.mark.usefixtures("shapes_unchecked")
def test_bad_features_are_named():
    good = features(22, 50)
    with pytest.raises(DiffbenchError, match="8 and 7 dimensions"):
        manifold(good, good[:, :7], 0)
    with pytest.raises(DiffbenchError, match="8 and 7 dimensions"):
        frechet_distance(gaussian(good), gaussian(good[:, :7]))
    with pytest.raises(DiffbenchError, match="real: NaN"):
        kernel_distance(good, good * np.nan, 0)
    with pytest.raises(DiffbenchError, match=r"validation: .* at least 40"):
        distance_at_one_size(good, good[:30], 0)
    with pytest.raises(DiffbenchError, match="generated"):
        feature_likelihood(good[:2], good, good, 0)
