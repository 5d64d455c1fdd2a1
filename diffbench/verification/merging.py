"""Results of one study from several folders, brought together: what is whole and asked for, first come first."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files.cost import Cost
from diffbench.files.faults import BrokenFileError, UnusableFileError, mark
from diffbench.files.output import atomic
from diffbench.files.sealed import check
from diffbench.study import layout
from diffbench.study.inventory import paths_in
from diffbench.study.layout import Kind
from diffbench.summary.costs import read_cost
from diffbench.summary.reading import BROKEN, STALE, Fault
from diffbench.verification.ages import age_alike
from diffbench.verification.asked import Asked
from diffbench.verification.numbers import differences, same_bytes
from diffbench.verification.origins import Origins
from diffbench.verification.result import judge

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP)
"""Errors of the system where a file cannot have a second name: another disk, another owner, too many names."""

TAKEN, SAME, ALIKE, OTHER, REFUSED, UNASKED = (
    "taken",
    "the same as what stands",
    "with the same numbers as what stands",
    "with other numbers than what stands",
    "not whole or of other settings",
    "not asked for",
)
"""What became of a source's files."""


@dataclass
class Merge:
    """Brings what a study asks for from `sources` into `out`, which counts as the first of them."""

    asked: Asked
    out: Path
    sources: Sequence[Path]
    link: bool
    tell: Callable[[str], None]  # a line about one file
    origins: Origins = field(default_factory=Origins)
    counts: dict[Path, Counter[str]] = field(default_factory=dict)
    standing: list[str] = field(default_factory=list)  # files that `out` holds in the end
    missing: list[str] = field(default_factory=list)
    links: int = 0
    copied_in_spite: int = 0  # files that could not be linked
    replaced: int = 0  # files of other settings in `out`, in the place of which others were taken

    def run(self) -> None:
        """Bring all. It may be killed at any instant, and run again: each file is there whole or not at all."""
        self.counts = {folder: Counter() for folder in (self.out, *self.sources)}
        for path, (kind, factors) in sorted(self.asked.files.items()):
            self._bring(path, kind, factors)
        self._bring_states()
        for folder in self.sources:
            self._tell_rest(folder)
        age_alike(self.out, self.standing)

    def _bring(self, path: str, kind: Kind, factors: Mapping[str, Any]) -> None:
        """The first whole file for a place stands; what else there is for it is compared."""
        first: Path | None = None
        outdated = False
        for folder in (self.out, *self.sources):
            if not os.path.lexists(folder / path):
                continue
            judged = judge(self.asked, folder, path, kind, factors)
            if judged.fault:
                self._refuse(folder, path, judged.fault)
                outdated |= folder == self.out and judged.fault.state == STALE
            elif first is None:
                first = folder
                self.origins.add(judged.told, path, str(folder))
            else:
                self._compare(first, folder, path, kind)
        if first is None:
            self.missing.append(path)
            return
        if first != self.out:
            self._take(first, path, kind, factors)
            self.replaced += outdated
        self.standing.append(path)

    def _refuse(self, folder: Path, path: str, fault: Fault) -> None:
        self.counts[folder][REFUSED] += 1
        self.tell(f"{folder / path}: {fault.reason}; not taken")
        if folder == self.out and fault.state == BROKEN:  # else the next run goes by its seal
            mark(BrokenFileError(folder / path, fault.reason))

    def _compare(self, first: Path, folder: Path, path: str, kind: Kind) -> None:
        if same_bytes(first / path, folder / path):
            self.counts[folder][SAME] += 1
        elif names := differences(first / path, folder / path, kind):
            self.counts[folder][OTHER] += 1
            self.tell(
                f"{folder / path}: made by the same spec as {first / path}, with other numbers ({', '.join(names)});"
                f" that of {first} stands"
            )
        else:
            self.counts[folder][ALIKE] += 1

    def _take(self, folder: Path, path: str, kind: Kind, factors: Mapping[str, Any]) -> None:
        """What its job told comes first, so that a file that is there has it."""
        cost = kind.cost.format(**factors)
        if isinstance(read_cost(folder / cost), Cost):
            with atomic(self.out / cost) as temporary:
                shutil.copyfile(folder / cost, temporary)
        if kind is layout.CHECKPOINT and (losses := layout.losses_beside(folder / path)).exists():
            with atomic(layout.losses_beside(self.out / path)) as temporary:
                shutil.copyfile(losses, temporary)
        self._place(folder / path, self.out / path, self.asked.fingerprint(kind, factors))
        self.counts[folder][TAKEN] += 1

    def _place(self, source: Path, target: Path, fingerprint: str | None) -> None:
        """Link or copy a file, and compare with its seal what has arrived."""
        with atomic(target) as temporary:
            if self.link and self._linked(source, temporary):
                self.links += 1
            else:
                shutil.copyfile(source, temporary)
                status = source.stat()
                os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
            try:
                check(temporary, fingerprint)
            except UnusableFileError:
                problem = f"what arrived is not what {source} holds; check the disk and run again"
                raise DiffbenchError(f"{target}: {problem}") from None

    def _linked(self, source: Path, target: Path) -> bool:
        try:
            os.link(os.path.realpath(source), target)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            self.copied_in_spite += 1
            return False
        return True

    def _bring_states(self) -> None:
        """States of trainings that have not reached all their milestones, so that they go on from there."""
        kinds = ((path, *self.asked.files[path]) for path in self.missing)
        states = {layout.RUN_STATE.format(**factors) for _, kind, factors in kinds if kind is layout.CHECKPOINT}
        for path in sorted(states):
            for folder in (self.out, *self.sources):
                if os.path.lexists(folder / path) and self._is_whole(folder / path):
                    if folder != self.out:
                        self._place(folder / path, self.out / path, None)
                        self.tell(f"{folder / path}: taken, so that training goes on from it")
                    break

    def _is_whole(self, path: Path) -> bool:
        try:
            check(path)
        except DiffbenchError as error:
            self.tell(f"{error}; not taken")
            return False
        return True

    def _tell_rest(self, folder: Path) -> None:
        """Results that the study does not ask for, and folders that cannot be read."""

        def refused(error: OSError) -> None:
            self.tell(f"{error.filename}: a folder that cannot be read ({error.strerror}); nothing in it is taken")

        for path in paths_in(folder, refused):
            place = layout.place_of(path)
            if place and not self.asked.asks_for(path, *place):
                self.counts[folder][UNASKED] += 1
                if self.counts[folder][UNASKED] == 1:
                    self.tell(f"{folder / path}: nothing that this study asks for; not taken, nor are others like it")
