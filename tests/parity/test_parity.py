"""The older UI's pictures, latents and infotexts against ours, case by case."""

import pytest

from tests.parity.cases import Case, load_cases
from tests.parity.studio import Answer, Studio
from tests.parity.table import Row, compare
from webui.contract import infotext
from webui.contract.fields import get, leaves
from webui.contract.request import Blob, GenerationRequest, Inpaint, Source

pytestmark = [pytest.mark.parity, pytest.mark.timeout(900)]

CASES = load_cases()
UNWRITTEN = {
    "source.resize_mode", "source.color_correction", "source.image", "source.inpaint.mask",
}  # fmt: skip
"""Fields that the older UI writes into no infotext."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_gives_the_older_ui_s_picture(
    case: Case, studio: Studio, rows: list[Row]
) -> None:
    answer = studio.run(case)
    row = compare(case, answer, unlike(case, answer, studio))
    rows.append(row)
    assert row.verdict == "same", row


def unlike(case: Case, answer: Answer, studio: Studio) -> list[str]:
    """The fields in which the infotexts of both programs differ, read as requests."""
    assert len(answer.infotexts) == len(case.infotexts)
    found: set[str] = set()
    for ours, theirs in zip(answer.infotexts, case.infotexts, strict=True):
        first, second = (restored(text, case, studio) for text in (ours, theirs))
        found |= {p for p in leaves(GenerationRequest) if get(first, p) != get(second, p)}
    return sorted(found - UNWRITTEN)


def restored(text: str, case: Case, studio: Studio) -> GenerationRequest:
    """The request of a text; a source stands ready where the case has one."""
    blob = Blob(sha256="0" * 64)
    inpaint = Inpaint(mask=blob) if "mask" in case.request else None
    source = Source(image=blob, inpaint=inpaint) if case.mode == "img2img" else None
    base = GenerationRequest(source=source)
    return infotext.essential(studio.house.restore(text, base).request)
