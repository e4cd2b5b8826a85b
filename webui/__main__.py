"""`python -m webui`."""

import sys


def run() -> int:
    """Run the command line; a Python without our packages gets a sentence, not a traceback."""
    try:
        from webui.cli import main  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "webui":
            raise
        sys.stderr.write(
            f"palimpsest: the package {error.name} is missing from this Python "
            f"({sys.executable}). Start with `python launch.py`, which installs what is needed.\n"
        )
        return 1
    return main()


if __name__ == "__main__":
    sys.exit(run())
