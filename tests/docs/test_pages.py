from pathlib import Path

import webui.docs
from webui.contract.fields import leaves
from webui.contract.request import GenerationRequest
from webui.docs.families import PROOFS
from webui.docs.pages import PAGES, stale_pages, write_pages
from webui.settings import Settings
from webui.weights.families import FAMILIES

FOLDER = Path(webui.docs.__file__).parent


def test_the_generated_pages_are_fresh() -> None:
    assert stale_pages(FOLDER) == [], "run `python -m webui.docs`"


def test_every_field_and_every_setting_is_on_its_page() -> None:
    for path in leaves(GenerationRequest):
        assert f"`{path}`" in PAGES["fields.md"]()
    for path in leaves(Settings):
        assert f"`{path}`" in PAGES["settings.md"]()


def test_every_family_is_on_its_page_with_a_test_that_names_it() -> None:
    page = PAGES["families.md"]()
    assert set(PROOFS) == {family.name for family in FAMILIES}
    for family in FAMILIES:
        assert f"| {family.label} | `{family.name}` |" in page
        proof = FOLDER.parents[1] / PROOFS[family.name]
        assert family.name.removeprefix("flux_") in proof.read_text(encoding="utf-8")


def test_an_edited_page_is_stale_until_it_is_written_again(tmp_path: Path) -> None:
    assert stale_pages(tmp_path) == list(PAGES)
    write_pages(tmp_path)
    assert stale_pages(tmp_path) == []
    (tmp_path / "fields.md").write_text("mine", encoding="utf-8")
    assert stale_pages(tmp_path) == ["fields.md"]


def test_links_between_pages_lead_somewhere() -> None:
    import re

    root = FOLDER.parents[1]
    for page in [*FOLDER.glob("*.md"), root / "README.md", root / "models" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
