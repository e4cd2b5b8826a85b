"""Infotext: every setting of a picture as text in the older UI's form, written and read back."""

from webui.contract.infotext.essence import essential
from webui.contract.infotext.grammar import Infotext, clean, parse
from webui.contract.infotext.reading import Restored, read
from webui.contract.infotext.writing import write

__all__ = ["Infotext", "Restored", "clean", "essential", "parse", "read", "write"]
