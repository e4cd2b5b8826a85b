"""`python -m webui.docs` writes the generated pages; `--check` only says which are stale."""

import sys
from pathlib import Path

from webui.docs.pages import PAGES, stale_pages, write_pages

FOLDER = Path(__file__).parent


def main(argv: list[str]) -> int:
    """Write the pages, or with `--check` return 1 where one is stale."""
    if argv not in ([], ["--check"]):
        sys.stderr.write("usage: python -m webui.docs [--check]\n")
        return 2
    if not argv:
        write_pages(FOLDER)
        return 0
    stale = stale_pages(FOLDER)
    for name in stale:
        sys.stderr.write(f"webui/docs/{name} is stale: run `python -m webui.docs`.\n")
    if not stale:
        sys.stdout.write(f"{len(PAGES)} generated pages are fresh.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
