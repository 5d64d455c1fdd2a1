"""Schema: the JSON schema of study files, for editors that check and complete them."""

import json

from diffbench.study.study import Study


def run() -> None:
    """Print the JSON schema of a study file; config/schema.json holds it."""
    print(json.dumps(Study.model_json_schema(), indent=2))
