"""Prompts as they are painted and noted."""

from pathlib import Path

from webui.app.house import say
from webui.contract.request import Prompt
from webui.prompts.styles import Style, StyleBook


def test_styles_are_worked_in_before_comments_are_taken_out(tmp_path: Path) -> None:
    book = StyleBook(tmp_path / "styles.csv")
    book.save(Style("ink", "ink of {prompt} # by hand", "photo"))
    said = say(book, Prompt(positive="a cat # no dog", negative="# x\nblur", styles=("ink",)))
    assert said == Prompt(positive="ink of a cat", negative="blur, photo")
