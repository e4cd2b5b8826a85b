"""Saved pieces of prompt."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.errors import NotFound, StorageError
from webui.prompts.styles import Style, StyleBook, merged, read_styles, write_styles

PLAIN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)


@pytest.fixture
def book(tmp_path: Path) -> StyleBook:
    return StyleBook(tmp_path / "styles.csv")


def test_no_file_means_no_styles(book: StyleBook) -> None:
    assert book.styles() == ()
    assert book.words() == ()


@pytest.mark.parametrize(
    ("prompt", "pieces", "result"),
    [
        ("cat", ["painted"], "cat, painted"),
        ("cat", ["a drawing of {prompt}, ink"], "a drawing of cat, ink"),
        ("cat", ["one", "two"], "cat, one, two"),
        ("cat", ["a {prompt} b", "c"], "a cat b, c"),
        ("", ["painted"], "painted"),
        ("cat", [""], "cat"),
        ("  cat ", [" painted "], "cat, painted"),
        ("cat", ["{prompt} and {prompt}"], "cat and cat"),
        ("cat", [], "cat"),
    ],
)
def test_a_style_goes_around_the_prompt_or_after_it(
    prompt: str, pieces: list[str], result: str
) -> None:
    assert merged(prompt, pieces) == result


def test_both_prompts_are_merged_in_the_order_given(book: StyleBook) -> None:
    book.save(Style("ink", "ink drawing of {prompt}", "photo"))
    book.save(Style("warm", "warm light", ""))
    assert book.merge("cat", "blurry", ["ink", "warm"]) == (
        "ink drawing of cat, warm light",
        "blurry, photo",
    )
    assert book.merge("cat", "", []) == ("cat", "")


def test_an_unknown_style_is_named_with_its_neighbours(book: StyleBook) -> None:
    book.save(Style("watercolour", "x"))
    with pytest.raises(NotFound) as caught:
        book.merge("cat", "", ["watercolor"])
    assert caught.value.nearest == ("watercolour",)
    assert caught.value.field == "prompt.styles"


def test_the_older_uis_file_is_read(book: StyleBook) -> None:
    book.path.write_bytes(
        b"\xef\xbb\xbfname,prompt,negative_prompt\r\n"
        b'# a comment,x,y\r\nInk,"line one\nline two, ""quoted""",ugly\r\n'
        b"Bare,only this\r\nNo,,\r\n"
    )
    assert book.styles() == (
        Style("Ink", 'line one\nline two, "quoted"', "ugly"),
        Style("Bare", "only this", ""),
        Style("No", "", ""),
    )


def test_the_oldest_column_names_are_read(book: StyleBook) -> None:
    book.path.write_text("name,text\nInk,ink drawing\n", encoding="utf-8")
    assert book.styles() == (Style("Ink", "ink drawing"),)


def test_saving_replaces_in_place_and_keeps_a_copy_of_the_former_file(book: StyleBook) -> None:
    book.save(Style("a", "1"))
    book.save(Style("b", "2"))
    before = book.path.read_bytes()
    book.save(Style("a", "3"))
    assert book.styles() == (Style("a", "3"), Style("b", "2"))
    assert book.path.with_name("styles.csv.bak").read_bytes() == before
    assert sorted(p.name for p in book.path.parent.iterdir()) == ["styles.csv", "styles.csv.bak"]


def test_removing_takes_out_one(book: StyleBook) -> None:
    book.save(Style("a", "1"))
    book.save(Style("b", "2"))
    book.remove("a")
    assert [word.id for word in book.words()] == ["b"]
    with pytest.raises(NotFound):
        book.remove("a")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"title,words\na,b\n", b'name\n"x'])
def test_a_file_that_is_no_table_of_styles_is_named(book: StyleBook, content: bytes) -> None:
    book.path.write_bytes(content)
    with pytest.raises(StorageError, match=r"styles\.csv"):
        book.styles()


@given(
    st.lists(
        st.tuples(PLAIN.filter(lambda n: n and n[0] != "#"), PLAIN, PLAIN),
        unique_by=lambda row: row[0],
    )
)
def test_what_is_written_is_read_again(rows: list[tuple[str, str, str]]) -> None:
    styles = tuple(Style(*row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "styles.csv"
        write_styles(path, styles)
        assert read_styles(path) == styles


def test_styles_of_another_installation_are_read_and_never_written(tmp_path: Path) -> None:
    other = tmp_path / "older.csv"
    other.write_text("name,prompt,negative_prompt\nInk,theirs,\nOil,oil,\n", encoding="utf-8")
    before = other.read_bytes()
    book = StyleBook(tmp_path / "own.csv", [other, tmp_path / "missing.csv"])
    book.save(Style("Ink", "ours"))
    assert [(s.name, s.prompt) for s in book.styles()] == [("Ink", "ours"), ("Oil", "oil")]
    with pytest.raises(NotFound):
        book.remove("Oil")
    book.remove("Ink")
    assert [(s.name, s.prompt) for s in book.styles()] == [("Ink", "theirs"), ("Oil", "oil")]
    assert other.read_bytes() == before
