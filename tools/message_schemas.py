"""Write the JSON Schemas of public messages: `python -m tools.message_schemas`; a test compares them with the code."""

import json
import sys
from pathlib import Path
from typing import Final

from pipeline.client.schema import schemas
from pipeline.wire import VERSION

FOLDER: Final = Path(__file__).parents[1] / "docs" / "messages" / f"v{VERSION}"


def texts() -> dict[str, str]:
    """Return the files' names and contents."""
    return {
        f"{kind}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for kind, schema in schemas().items()
    }


def main() -> None:
    """Write them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
        sys.stdout.write(f"{FOLDER / name}\n")


if __name__ == "__main__":
    main()
