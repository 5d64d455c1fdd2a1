"""Which images a study is about, and how they are split."""

from pydantic import Field

from diffbench.settings.base import MOST, Seed, Size, Strict


class DataSettings(Strict):
    """Which images, and how they are split. The split has a seed of its own: all seeds of a study share it.

    Which of the optional keys a data set takes stands in diffbench/data/sources.py.
    """

    name: str = Field(default="digits", description="Name of a data set in diffbench/data/sources.py.")
    path: str | None = Field(
        default=None, description="File or folder of the data set; relative to the working directory."
    )
    images: str | None = Field(default=None, description="Name of the array of images in a file.")
    labels: str | None = Field(default=None, description="Name of the array of class labels in a file.")
    resize: Size | None = Field(
        default=None, description="Side in pixels that images are reduced to, by area averaging."
    )
    held_out: str | None = Field(
        default=None,
        description="File or folder of held-out images like those of path, all of which then are the training pool.",
    )
    points: int | None = Field(
        default=None, ge=4, le=100_000_000, description="Points of the plane to draw, for planar sets."
    )
    noise: float | None = Field(default=None, ge=0, description="Standard deviation added to points of the plane.")
    validation: int = Field(
        default=512,
        ge=2,
        le=MOST,
        description="Number of held-out images, class-balanced; at most so many of held_out.",
    )
    split_seed: Seed = Field(
        default=0, description="Seed of the split into validation and training pool, or of the draw."
    )

    @property
    def files_given(self) -> dict[str, str]:
        """Paths of the files or folders that images are read from, by the keys that name them."""
        given = {"path": self.path, "held_out": self.held_out}
        return {key: path for key, path in given.items() if path is not None}
