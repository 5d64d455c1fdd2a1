"""Results of a study as an RO-Crate: a zip that describes each of its files, what made them, and how to make them anew.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5): one action, the study's run, made the files from the study file.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.model.file import File
from rocrate.model.person import Person
from rocrate.rocrate import ROCrate

from diffbench.files.output import atomic
from diffbench.publishing.citation import DOI, SPDX, Author, Citation
from diffbench.study import layout
from diffbench.summary.manifest import read_manifest
from diffbench.verification.asked import Asked
from diffbench.verification.origins import ALONE, Origins

VERSION = "1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
"""Terms beside those of RO-Crate 1.1, `sha256` among them."""

FORMATS = {
    ".h5": "application/x-hdf5",
    ".pt": "application/octet-stream",
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".log": "text/plain",
    ".yaml": "application/yaml",
}

KINDS = {
    layout.DATA: "images and their split into training pool and validation images",
    layout.PIXELS: "decoded training and validation images",
    layout.FEATURES: "feature space in which the quality of samples is measured",
    layout.CONDITIONS: "training subset and its labels",
    layout.OPTIMUM: "denoising losses of the closed-form optimum and of the best linear filter",
    layout.CHECKPOINT: "EMA weights (torch.load with weights_only=True)",
    layout.DENOISE: "denoising losses, gap, skill and attacks over the noise level",
    layout.EQUIVALENT: "error as that of a closed form in the plane",
    layout.SAMPLES: "samples",
    layout.TRAJECTORIES: "sampling trajectories",
    layout.DECODED: "decoded samples",
    layout.MEMORIZATION: "memorization and quality among the samples",
    layout.OVERLAP: "overlap of sampling trajectories with noised data",
    layout.CONSISTENCY: "samples of a run against those of its twin",
    layout.TOPIC: "topic of the 2D laboratory",
}
"""What results of a stage hold."""

BESIDE = {
    layout.MANIFEST: "study, user's files, versions and digests that the summary vouches for",
    layout.CLAIMS: "verdicts on the claims of arXiv 2603.13419",
    layout.LAWS: "verdicts on laws of the field",
    layout.PLAN: "what the study was expected to take",
    layout.page("index"): "report, to be opened in a browser",
}
"""What files hold of which a study has one."""

FOLDERS = {
    "logs/": "log of a job",
    "summary/": "tidy table of the summary",
    "report/data/": "table behind the report",
    "report/": "page of the report",
    f"{layout.FIGURES}/": "chart of the report, or its rows",
}
"""What other files in a folder hold."""


def write_crate(
    out: Path, asked: Asked, results: Path, files: Iterable[str], citation: Citation, origins: Origins, complete: str
) -> int:
    """Write the crate of `files` inside `results`, which were verified, and return their number.

    complete: how much of the study there is, in words. UnwritableError where the zip cannot be written.
    """
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(TERMS)
    manifest = read_manifest(results)
    study_file = File(
        crate,
        io.StringIO(yaml.safe_dump(manifest["study"], sort_keys=False)),
        layout.STUDY_FILE,
        properties={
            "name": "study file",
            "description": "All settings: `snakemake --configfile` with it makes these results anew.",
            "encodingFormat": FORMATS[".yaml"],
        },
    )
    crate.add(study_file)
    parts = [_add_file(crate, results, path) for path in sorted(files)]
    authors = [_add_author(crate, author, f"#author-{place}") for place, author in enumerate(citation.authors, 1)]
    _describe(crate, asked, citation, authors, complete)
    crate.root_dataset["mentions"] = crate.add_action(
        _add_software(crate, origins),
        "#run",
        object=_one_or_all([study_file, *_add_own_files(crate, manifest["contents"])]),
        result=parts,
        properties={
            "name": f"run of study {asked.study.name}",
            "description": _where(origins),
            "agent": _one_or_all(authors),
        },
    )
    with atomic(out) as temporary:
        crate.write_zip(temporary)
    return len(parts)


def _describe(crate: ROCrate, asked: Asked, citation: Citation, authors: list[Entity], complete: str) -> None:
    """The crate as a whole."""
    made = f"Results of diffbench: study {asked.study.name}, {complete}. {layout.page('index')} is the report."
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": PROFILE.rpartition("/")[2]}
    license_ = {"@type": "CreativeWork", "name": citation.license, "url": f"{SPDX}{citation.license}"}
    root = crate.root_dataset
    root["name"] = citation.title
    root["description"] = " ".join(filter(None, (citation.abstract, made)))
    root["datePublished"] = datetime.now(UTC).date().isoformat()
    root["author"] = _one_or_all(authors)
    root["license"] = _add(crate, f"{SPDX}{citation.license}", license_)
    root["conformsTo"] = _add(crate, PROFILE, profile)
    if citation.keywords:
        root["keywords"] = ", ".join(citation.keywords)
    if citation.doi:
        root["identifier"] = f"{DOI}{citation.doi}"


def _add_file(crate: ROCrate, results: Path, path: str) -> Entity:
    with (results / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    properties = {
        "name": path,
        "description": description_of(path),
        "contentSize": str((results / path).stat().st_size),
        "sha256": digest,
        "encodingFormat": FORMATS.get(Path(path).suffix, "application/octet-stream"),
    }
    return _added(crate, File(crate, results / path, path, properties=properties))


def description_of(path: str) -> str:
    """What a file of the results holds, in words, by its path."""
    if place := layout.place_of(path):
        kind, factors = place
        return ", ".join([KINDS[kind], *(f"{name} {value}" for name, value in factors.items())])
    if path.endswith(layout.COST):
        return f"seconds and memory that a job of {layout.stage_of(path)} took"
    if path.endswith(f"/{layout.LOSSES}"):
        return "losses of the training up to the checkpoint beside it"
    if path in BESIDE:
        return BESIDE[path]
    return next((text for folder, text in FOLDERS.items() if path.startswith(folder)), "left by a run")


def _add_author(crate: ROCrate, author: Author, identifier: str) -> Entity:
    properties: dict[str, Any] = {"name": author.full_name}
    if author.affiliation:
        place = {"@type": "Organization", "name": author.affiliation}
        properties["affiliation"] = _add(crate, f"{identifier}-affiliation", place)
    if author.is_person:
        return _added(crate, Person(crate, author.orcid or identifier, properties=properties))
    if author.website:
        properties["url"] = author.website
    return _add(crate, identifier, {"@type": "Organization", **properties})


def _add_software(crate: ROCrate, origins: Origins) -> Entity:
    """diffbench, in the versions and with the packages that made the files, several of one where they differ."""
    packages = [
        _add_package(crate, name, version)
        for name, versions in origins.values().items()
        if name not in (*ALONE, "diffbench")
        for version in versions
    ]
    seen = origins.values()
    properties = {
        "@type": "SoftwareApplication",
        "name": "diffbench",
        "softwareVersion": ", ".join(seen.get("diffbench", ["unknown"])),
        "description": f"commit {', '.join(seen.get('git_commit', ['unknown']))}",
        "softwareRequirements": packages,
    }
    return _add(crate, "#diffbench", properties)


def _add_package(crate: ROCrate, name: str, version: str) -> Entity:
    place = "https://www.python.org/" if name == "python" else f"https://pypi.org/project/{name}/{version}/"
    properties = {"@type": "SoftwareApplication", "name": name, "softwareVersion": version, "url": place}
    return _add(crate, f"{place}#{version}", properties)


def _add_own_files(crate: ROCrate, contents: Mapping[str, str]) -> list[Entity]:
    """Images, weights and encoders of the user's, which the crate does not hold, with their fingerprints."""
    return [
        _add(
            crate,
            f"#own-file-{place}",
            {
                "@type": "CreativeWork",
                "name": path,
                "description": "read by the run, not part of this crate",
                "identifier": f"diffbench fingerprint {content}",
            },
        )
        for place, (path, content) in enumerate(contents.items(), 1)
    ]


def _add(crate: ROCrate, identifier: str, properties: Mapping[str, Any]) -> Entity:
    return _added(crate, ContextEntity(crate, identifier, properties=properties))


def _added(crate: ROCrate, entity: Entity) -> Entity:
    crate.add(entity)
    return entity


def _one_or_all(values: list[Entity]) -> Entity | list[Entity]:
    """RO-Crate has no lists of one."""
    return values[0] if len(values) == 1 else values


def _where(origins: Origins) -> str:
    seen = origins.values()
    return f"on {'; '.join(seen.get('machine', ['unknown']))}; networks on {', '.join(seen.get('device', ['unknown']))}"
