"""One program over the reference checkpoint for all cases, and the table at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parity.checkpoint import SHA256, ensure_checkpoint, lack, sha256_of
from tests.parity.page import write_page
from tests.parity.studio import Studio, open_studio
from tests.parity.table import Row, lines, unpictured

ROWS = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--page", action="store_true", help="write webui/docs/parity.md")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    reason = lack()
    if reason:
        pytest.skip(f"The comparison with the older UI needs more: {reason}.")
    path = ensure_checkpoint()
    assert sha256_of(path) == SHA256, f"{path} is damaged; delete it"
    return path


@pytest.fixture(scope="session")
def studio(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(checkpoint, tmp_path_factory.mktemp("parity")) as studio:
        yield studio


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """The rows of the table so far."""
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    rows = [*config.stash[ROWS]]
    if not rows:
        return
    rows = [*sorted(rows, key=lambda row: row.case), *unpictured()]
    terminalreporter.section("same seed, same picture: against the older UI")
    for line in lines(rows):
        terminalreporter.write_line(line)
    slowest = max(row.seconds or 0.0 for row in rows)
    whole = sum(row.seconds or 0.0 for row in rows)
    terminalreporter.write_line(f"{whole:.0f} s for all, {slowest:.0f} s for the slowest")
    if config.getoption("--page"):
        write_page(rows)
