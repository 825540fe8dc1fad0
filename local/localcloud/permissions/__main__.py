"""`python -m localcloud.permissions`: writes docs/permissions.md from the template and what the tests saw."""

from __future__ import annotations

import sys
from pathlib import Path

from localcloud.permissions.grants import read_template
from localcloud.permissions.page import page
from localcloud.permissions.proof import prove, read_unused
from localcloud.permissions.seen import read

TEMPLATE = Path("template.yaml")
SEEN = Path("target/permissions/seen.jsonl")
"""Written by the last run of all Python tests."""
UNUSED = Path("tests/permissions/unused.yaml")
PAGE = Path("docs/permissions.md")


def main() -> int:
    """Write the page; return the exit code."""
    if not SEEN.exists():
        print(f"{SEEN} is not there: run all Python tests first, with make test-python.", file=sys.stderr)
        return 1
    template = read_template(TEMPLATE)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(template, prove(template, read(SEEN)), read_unused(UNUSED)))
    print(f"{PAGE} says what every role may do and why.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
