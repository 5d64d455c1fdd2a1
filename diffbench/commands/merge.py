"""Merge: results of one study that were made on several machines, or for studies that share cells, in one folder."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from diffbench.conventions import DiffbenchError
from diffbench.files.output import unwritable
from diffbench.verification.ages import held
from diffbench.verification.asked import Asked, asked_by_file, asked_by_summary
from diffbench.verification.merging import Merge


def run(
    out: Annotated[Path, "folder that gets the results, such as results/NAME; what it holds already comes first"],
    results: Annotated[list[Path], "folders of results, those that come first first"],
    /,
    study: Annotated[Path | None, "study file; that of the first summary among the folders if left out"] = None,
    link: Annotated[bool, "link files instead of copying them, where the disk is the same"] = False,
) -> None:
    """Bring all files together that are whole and what the study asks for, and print what is not taken, and why.

    The next `snakemake` computes what is missing, and makes summary and report. May be killed and run again.
    """
    _check_folders(out, results)
    asked = asked_by_file(study, out) if study else _asked(out, results)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from None
    merge = Merge(asked, out, results, link, tell=lambda line: print(line, flush=True))
    with held(out):
        merge.run()
    print("\n".join(_told(merge)))


def _check_folders(out: Path, results: Sequence[Path]) -> None:
    """DiffbenchError if a folder is missing, or stands twice."""
    seen = {os.path.realpath(out): out}
    for folder in results:
        if not folder.is_dir():
            raise DiffbenchError(f"{folder}: no such folder")
        if (real := os.path.realpath(folder)) in seen:
            raise DiffbenchError(f"{folder}: is {seen[real]}; name each folder once")
        seen[real] = folder


def _asked(out: Path, results: Sequence[Path]) -> Asked:
    """What the first summary's study asks for; summaries of other settings are named."""
    first: Asked | None = None
    problems: list[DiffbenchError] = []
    for folder in (*results, out):
        try:
            found = asked_by_summary(folder)
        except DiffbenchError as error:
            problems.append(error)
            continue
        if first is None:
            first = found
            print(f"note: asked is what the study of {folder} asks for, by its summary")
        elif found.lineage.summary_spec.fingerprint != first.lineage.summary_spec.fingerprint:
            print(f"note: {folder}: its summary is of another study or other settings; --study FILE can ask for both")
    if first is None:
        raise problems[0]
    return first


def _told(merge: Merge) -> Iterator[str]:
    """What came of it: by source, what differs between them, and what is left."""
    study = merge.asked.study
    yield from merge.origins.lines()
    if merge.copied_in_spite:
        yield f"note: {merge.copied_in_spite} files are copies, as the system refuses to link them there"
    if merge.links:
        yield "note: links share their times: run `diffbench adopt` in a source before you go on in it"
    if merge.replaced:
        what = (
            "1 file of other settings was" if merge.replaced == 1 else f"{merge.replaced} files of other settings were"
        )
        yield f"note: {what} replaced; snakemake makes anew those that it made itself: a new folder spares that"
    if merge.out.name != study.name:
        yield f"note: snakemake looks for this study in results/{study.name}; move {merge.out} there"
    for folder in merge.sources:
        said = ", ".join(f"{count} {what}" for what, count in merge.counts[folder].most_common())
        yield f"{folder}: {said or 'no results'}"
    if merge.missing:
        stages = Counter(merge.asked.files[path][0].stage for path in merge.missing)
        said = ", ".join(f"{count} {stage}" for stage, count in stages.items())
        yield f"missing: {said}, e.g. {merge.missing[0]}; run snakemake, which makes what measures need"
    yield f"{merge.out}: study {study.name}: {len(merge.standing)} of {len(merge.asked.files)} files"
