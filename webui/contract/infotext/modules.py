"""VAE and text encoders as Forge names them: "Module 1: ae, Module 2: clip_l".

Its readers look for files by these names, which have no ending. Our own text has "VAE" and
"Text encoders" besides, by which it is read back; there the modules are for others only.
"""

import json
import re
from collections.abc import Mapping

from webui.contract.infotext.values import Words
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import NO_VAE, find

KEY = re.compile(r"Module (\d{1,3})")
ANY_KEY = re.compile(r"(?:Hires )?Module \d{1,3}(?:-[12])?")
HIRES_KEY = re.compile(r"Hires Module \d{1,3}")
SAME = "Use same choices"
ENDINGS = (".safetensors", ".gguf")


def module_fields(request: GenerationRequest, vae: str) -> dict[str, str]:
    """The modules of a request whose text encoders were chosen; `vae` is the file that was used."""
    if not request.model.text_encoders:
        return {}
    names = filter(None, map(_bare, (vae, *request.model.text_encoders)))
    return {f"Module {number}": name for number, name in enumerate(names, start=1)}


def without_modules(fields: Mapping[str, str]) -> dict[str, str]:
    """Fields of our own text, which says the same twice."""
    return {key: value for key, value in fields.items() if not ANY_KEY.fullmatch(key)}


def named_modules(fields: Mapping[str, str], words: Words) -> dict[str, str]:
    """Fields of another's text with its modules as "VAE" and "Text encoders".

    What no file here is called stays as it was, so that the reader tells it. A second pass with
    the modules of the first says nothing.
    """
    rest = {key: value for key, value in fields.items() if not _says_nothing(key, value, fields)}
    vaes = [word for word in words.get("vaes", ()) if word.id != NO_VAE]
    encoders: list[str] = []
    for key in sorted(filter(KEY.fullmatch, rest), key=_number):
        vae, encoder = find(vaes, rest[key]), find(words.get("text_encoders", ()), rest[key])
        if vae is not None and "VAE" not in rest:
            rest["VAE"] = vae.id
        elif encoder is not None:
            encoders.append(encoder.id)
        else:
            continue
        del rest[key]
    return rest | ({"Text encoders": json.dumps(encoders)} if encoders else {})


def _says_nothing(key: str, value: str, fields: Mapping[str, str]) -> bool:
    if not HIRES_KEY.fullmatch(key):
        return False
    return value == SAME or value in (v for k, v in fields.items() if KEY.fullmatch(k))


def _number(key: str) -> int:
    return int(key.rpartition(" ")[2])


def _bare(name: str) -> str:
    file = name.rpartition("/")[2]
    ending = next((e for e in ENDINGS if file.casefold().endswith(e)), "")
    return file[: len(file) - len(ending)].strip()
