"""What a study's data can be checked against before any job starts."""

from diffbench.data.raw_images import Facts
from diffbench.data.sources import source
from diffbench.settings.data import DataSettings
from diffbench.settings.granularity import Granularity


def facts(spec: DataSettings) -> Facts:
    """What is known of the data set that `spec` names. DiffbenchError names the wrong key, and file."""
    return source(spec).facts(spec)


def outlook(spec: DataSettings) -> list[str]:
    """Lines on how many images are read and used, as far as that is known before they are, and on their classes."""
    return source(spec).outlook(spec)


def bad_train_size(spec: DataSettings, known: Facts, size: int) -> str | None:
    """What is wrong with a training subset of `size` images, if anything."""
    if size > known.pool:
        return f"{size} is beyond the {known.pool} images that '{spec.name}' leaves to train on"
    if known.equidistant and known.pool % size:
        return (
            f"{size} equidistant training points cannot be chosen among {2 * known.pool}; "
            f"make data.points a multiple of {2 * size}"
        )
    return None


def _remedy(spec: DataSettings) -> str:
    """How a set of the user's own could have classes."""
    return {
        "file": "; name its array of labels as data.labels",
        "folder": "; put its images into a sub-folder per class",
    }.get(spec.name, "")


def bad_granularity(spec: DataSettings, known: Facts, name: str, train_size: int) -> str | None:
    """What is wrong with a granularity for a training subset of `train_size` images, if anything."""
    granularity = Granularity.parse(name)
    kind, count = granularity.kind, granularity.count
    if kind in ("classes", "groups") and known.classes == 0:
        return f"'{spec.name}' has no classes{_remedy(spec)}, use none, kmeans-K, unique or random-K"
    if kind == "given" and known.conditions is None:
        return f"'{spec.name}' has no conditions that are vectors; name their array as data.conditions"
    if kind == "groups" and count > known.classes:
        return f"'{spec.name}' has only {known.classes} classes to group"
    if count > train_size:
        return f"{count} labels are beyond the train_size {train_size} that it is combined with"
    return None
