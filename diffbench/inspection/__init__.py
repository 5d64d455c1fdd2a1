"""One model that was trained elsewhere, measured without a study file: as a study of one cell, in this process."""
