"""Files of public data sets: fetched once into the user's cache, with their SHA-256 checked."""

from dataclasses import dataclass
from pathlib import Path

from diffbench.data.raw_images import mistake
from diffbench.files.output import unwritable


@dataclass(frozen=True)
class Download:
    """Where the files of a data set are fetched from."""

    base_url: str
    sha256: dict[str, str]
    """File name -> checksum."""


MNIST = Download(
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)
FASHION_MNIST = Download(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)
CIFAR10 = Download(
    "https://www.cs.toronto.edu/~kriz/",
    {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
)
CIFAR100 = Download(
    "https://www.cs.toronto.edu/~kriz/",
    {"cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
)


def fetch(name: str, download: Download) -> Path:
    """The cache folder of a data set, once all its files are there and right. Nothing is fetched twice."""
    import pooch
    from requests import RequestException

    folder = Path(pooch.os_cache("diffbench")) / name
    for file, checksum in download.sha256.items():
        url = f"{download.base_url}{file}"
        try:
            pooch.retrieve(url, f"sha256:{checksum}", fname=file, path=folder)
        except RequestException as error:
            raise mistake(
                "name",
                f"'{name}' is not on this machine and {url} cannot be fetched ({type(error).__name__}); "
                f"put its files in {folder} or give their folder as data.path",
            ) from None
        except ValueError as error:
            raise mistake(
                "name", f"'{name}': {url}: not the file that is meant ({' '.join(str(error).split())})"
            ) from None
        except OSError as error:
            problem = unwritable(folder, error, remedy="set XDG_CACHE_HOME to a folder of yours on a disk with room")
            raise mistake("name", f"'{name}': {problem}") from None
    return folder
