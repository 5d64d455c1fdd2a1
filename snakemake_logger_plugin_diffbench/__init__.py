"""What Snakemake shows of a run of diffbench, as its plug-in `--logger diffbench`: the profile names it.

A bar per stage on a terminal, a few lines elsewhere; failed jobs with their error at once. All else stands in the log that
Snakemake keeps beside. Dry runs and whoever asks for more (--verbose, --printshellcmds, --debug-dag) get Snakemake's
own words.
"""

import logging
import sys

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_diffbench.narrator import Narrator
from snakemake_logger_plugin_diffbench.screens import screen_for


class LogHandler(LogHandlerBase):
    """Hands the records of Snakemake on to whatever shows them. Snakemake finds it by this name."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Choose what shows them."""
        asked = self.common_settings
        stream = sys.stdout if asked.stdout else sys.stderr
        self._own: Narrator | None = None
        if asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag:
            self._shown: logging.Handler = ColorizingTextHandler(
                asked.nocolor,
                stream,
                DefaultFormatter(asked.quiet, asked.show_failed_logs),
                DefaultFilter(asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds),
            )
        else:
            self._own = Narrator(screen_for(stream, asked.nocolor), quiet=bool(asked.quiet))

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record. What fails in that stops nothing."""
        try:
            if self._own:
                self._own.tell(record)
            else:
                self._shown.handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """End what is drawn. Snakemake closes its handlers several times."""
        if self._own:
            self._own.end()
        super().close()
