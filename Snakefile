# `snakemake --cores N` works from the repository's root; the workflow itself stands in workflow/.
include: "workflow/Snakefile"


workflow.default_target = "all"
