"""A user's own split: all images of one set train, those of another are held out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import seed_of
from diffbench.data.raw_images import Contents, RawImages, digests, mistake, without_duplicates
from diffbench.data.scaling import fitted_scaling
from diffbench.data.subsets import Split


def given_split(pool: RawImages, held_out: RawImages, validation: int, seed: int) -> Split:
    """The whole pool and at most `validation` held-out images, both in orders that keep the proportions of classes.

    Exact duplicates within either set are dropped, since a copy hides near copies. DiffbenchError if a held-out image
    is in the pool too: losses and distances of images that were trained on would pass for those of unseen ones.
    """
    if (pool.images.dtype.kind == "f") != (held_out.images.dtype.kind == "f"):
        types = f"{held_out.images.dtype}, but the training images are of {pool.images.dtype}"
        raise mistake("held_out", f"its images are of type {types}; give both on one scale")
    dtype = np.promote_types(pool.images.dtype, held_out.images.dtype)
    pool, held_out = (
        without_duplicates(RawImages(each.images.astype(dtype, copy=False), each.classes, each.class_count))
        for each in (pool, held_out)
    )
    trained = set(digests(pool.images))
    if leaked := [index for index, digest in enumerate(digests(held_out.images)) if digest in trained]:
        raise mistake(
            "held_out",
            f"{len(leaked)} of its {len(held_out.images)} distinct images are training images too; remove them",
        )
    if len(pool.images) < 2 or len(held_out.images) < 2:
        raise mistake("held_out", "at least two distinct images are needed on either side of the split")
    chosen = held_out.take(whole_order(held_out.classes, seed)[:validation])
    ordered = pool.take(whole_order(pool.classes, seed))
    return Split(ordered, chosen, fitted_scaling(ordered.images))


def whole_order(classes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All indices, of which every prefix has the classes in the proportions of the whole.

    Rounds of one image of each class would hold them equally often at first, and then run out of the small ones: the
    mix would change with the training size, and held-out images that are cut short would not be those of the pool.
    """
    rng = np.random.default_rng(seed_of("given split", seed))
    places = np.empty(len(classes))
    for kind in np.unique(classes):
        members = np.flatnonzero(classes == kind)
        places[members] = (rng.permutation(len(members)) + 0.5) / len(members)  # spread evenly over the order
    return np.lexsort((rng.random(len(classes)), places))


def check_alike(held_out: Contents, pool: Contents) -> None:
    """Refuse held-out images of another shape, or of classes, by name, that the pool does not have."""
    if held_out.shape != pool.shape:
        shapes = f"its images have shape {held_out.shape}, the training images {pool.shape}"
        raise mistake("held_out", f"{shapes}; make all alike")
    if bool(held_out.class_names) != bool(pool.class_names):
        some, none = ("held-out", "training") if held_out.class_names else ("training", "held-out")
        raise mistake("held_out", f"the {some} images have classes, the {none} images do not; label both or neither")
    if unknown := sorted(set(held_out.class_names) - set(pool.class_names)):
        raise mistake("held_out", f"no training image is of class {', '.join(unknown)}; leave such images out")


def renumbered(held_out: RawImages, names: Sequence[str], pool_names: Sequence[str]) -> RawImages:
    """Held-out images whose classes, numbered by `names`, are numbered as those of the pool."""
    if not names:
        return held_out
    numbers = np.array([pool_names.index(name) for name in names], np.int64)
    return RawImages(held_out.images, numbers[held_out.classes], len(pool_names))
