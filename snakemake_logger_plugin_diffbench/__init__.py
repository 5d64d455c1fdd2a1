"""What Snakemake shows of a run of diffbench, as its plug-in `--logger diffbench`: the profile names it.

A bar per stage on a terminal, a few lines elsewhere; failed jobs with their error at once. All else stands in the log
that Snakemake keeps beside. Dry runs and whoever asks for more (--verbose, --printshellcmds, --debug-dag) get
Snakemake's own words.
"""

import logging
import sys
from dataclasses import replace
from typing import Any

from snakemake.logging import LoggerManager
from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_diffbench.narrator import Narrator
from snakemake_logger_plugin_diffbench.screens import screen_for


class LogHandler(LogHandlerBase):
    """Hands the records of Snakemake on to whatever shows them. Snakemake finds it by this name."""

    def __post_init__(self) -> None:
        """Choose what shows them."""
        asked: Any = self.common_settings
        self._narrator: Narrator | None = None
        if asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag:
            own_words = replace(asked, skip_plugin_handlers=True)
            self._plain = LoggerManager(logging.Logger("plain"), own_words).logger
        else:
            stream = sys.stdout if asked.stdout else sys.stderr
            self._narrator = Narrator(screen_for(stream, asked.nocolor), quiet=bool(asked.quiet))

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record. What fails in that stops nothing."""
        try:
            if self._narrator:
                self._narrator.tell(record)
            else:
                self._plain.handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """End what is drawn. Snakemake closes its handlers several times."""
        if self._narrator:
            self._narrator.end()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """In the place of Snakemake's own handler."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """The full log is Snakemake's."""
        return False

    @property
    def has_filter(self) -> bool:
        """Also what --quiet hides is looked at, for errors."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It finds its own words."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False
