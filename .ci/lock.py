"""Writes webui/locks/*.txt from the packages of the environment that runs it.

    python .ci/lock.py

Run it in an environment where the whole suite has passed with the new versions.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "webui" / "locks"
ELSEWHERE = {"colorama": '==0.4.6 ; sys_platform == "win32"'}
"""Needed only on systems that this script is not usually run on."""


def pins_of(requirements: list[str]) -> dict[str, str]:
    """Name -> version of everything that `requirements` lead to here."""
    waiting, pins, seen = [Requirement(text) for text in requirements], {}, set()
    while waiting:
        wanted = waiting.pop()
        key = (normal(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found = metadata.distribution(wanted.name)
        pins[key[0]] = f"=={found.version}"
        for text in found.requires or []:
            further = Requirement(text)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
            ):
                waiting.append(further)
    return pins


def normal(name: str) -> str:
    """A package name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write(name: str, title: str, pins: dict[str, str]) -> None:
    """Write one lock file."""
    lines = [f"# {title}", *(f"{package}{pin}" for package, pin in sorted(pins.items()))]
    (LOCKS / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write the three files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = pins_of(project["dependencies"]) | ELSEWHERE
    # `2.13.0+cpu` names a build; the release is what every machine can have.
    torch = {"torch": base.pop("torch").partition("+")[0]}
    test = pins_of(project["optional-dependencies"]["test"])
    write("torch", "The tested release; any in the range of pyproject.toml may be there.", torch)
    write("base", "Everything that Palimpsest runs on, torch apart. Tested together.", base)
    write("test", "What the tests need beside base.txt.",
          {name: pin for name, pin in test.items() if name not in base})  # fmt: skip


if __name__ == "__main__":
    main()
