"""Text inside picture files: written where the older UI writes it, read from all who write it.

PNG holds it in the text chunk `parameters`; JPEG, WebP and AVIF in the EXIF UserComment. Reading
walks the file's own structure and decodes no pixels.
"""

import io
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from PIL import ExifTags, Image, PngImagePlugin

from webui.contract.infotext import clean
from webui.images.headers import Format, png_chunks, riff_chunk, sniff

PARAMETERS = "parameters"
"""The key of the infotext among a picture's texts."""

MAX_TEXT_BYTES = 8 * 2**20
MAX_ENTRIES = 100
_UNICODE = b"UNICODE\0"
_ASCII = b"ASCII\0\0\0"
_USER_COMMENT = 0x9286
_NOISE = frozenset({
    "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "exif", "loop", "background",
    "timestamp", "duration", "progressive", "progression", "icc_profile", "chromaticity",
    "photoshop", "xml:com.adobe.xmp",
})  # fmt: skip
_OTHER_KEYS = ("invokeai_metadata", "sd-metadata", "Dream")
_EASY_MARKS = {"prompt", "num_inference_steps", "guidance_scale"}
_NOVELAI_SAMPLERS = {
    "k_euler_ancestral": "Euler a", "k_euler": "Euler", "k_lms": "LMS", "k_heun": "Heun",
    "k_dpm_2": "DPM2", "k_dpm_2_ancestral": "DPM2 a", "k_dpmpp_2s_ancestral": "DPM++ 2S a",
    "k_dpmpp_2m": "DPM++ 2M", "k_dpmpp_sde": "DPM++ SDE", "k_dpmpp_2m_sde": "DPM++ 2M SDE",
    "ddim": "DDIM", "plms": "PLMS",
}  # fmt: skip


def png_info(infotext: str) -> PngImagePlugin.PngInfo | None:
    """The PNG text chunk that holds `infotext`; None for an empty text."""
    if not infotext:
        return None
    info = PngImagePlugin.PngInfo()
    info.add_text(PARAMETERS, infotext)
    return info


def exif_bytes(infotext: str) -> bytes:
    """An EXIF block whose UserComment is `infotext`; b"" for an empty text."""
    if not infotext:
        return b""
    exif = Image.Exif()
    comment = _UNICODE + infotext.encode("utf-16-be", "replace")
    exif.get_ifd(ExifTags.IFD.Exif)[_USER_COMMENT] = comment
    return exif.tobytes()


def read_infotext(data: bytes) -> str:
    """The infotext inside a picture file, cleaned; "" where there is none. Never raises."""
    return read_metadata(data).get(PARAMETERS, "")


def read_metadata(data: bytes) -> dict[str, str]:
    """Every text inside a picture file by its key, cleaned and bounded. Never raises.

    `parameters` is the infotext; an EXIF comment wins over a text chunk and is also listed as
    "exif comment". Records of other programs stand in its place where there is none; a NovelAI
    picture's infotext is made from what it holds.
    """
    kind = sniff(data)
    texts: dict[str, str] = {}
    if kind is None:
        return texts
    if kind == "png":
        texts = _png_texts(data)
    comment = _user_comment(_exif_block(data, kind))
    if comment:
        texts["exif comment"] = comment
        texts[PARAMETERS] = comment
    if PARAMETERS not in texts and kind == "png":
        texts |= _other_record(texts)
    if texts.get("Software") == "NovelAI":
        texts[PARAMETERS] = _novelai(texts, data) or texts.get(PARAMETERS, "")
    kept = {key: text for key, text in texts.items() if key.lower() not in _NOISE and text}
    return {clean(key): clean(text) for key, text in list(kept.items())[:MAX_ENTRIES]}


def _other_record(texts: Mapping[str, str]) -> dict[str, str]:
    """What another program wrote under keys of its own, for reading as infotext."""
    if texts.keys() >= _EASY_MARKS:
        return {PARAMETERS: json.dumps(dict(texts), ensure_ascii=False)}
    found = next((texts[key] for key in _OTHER_KEYS if key in texts), "")
    return {PARAMETERS: found} if found else {}


def _png_texts(data: bytes) -> dict[str, str]:
    texts: dict[str, str] = {}
    for kind, content in png_chunks(data):
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or len(texts) >= MAX_ENTRIES:
            continue
        key, _, rest = bytes(content[: MAX_TEXT_BYTES + 100]).partition(b"\0")
        text = _chunk_text(kind, rest)
        if text is not None:
            texts[key.decode("latin-1")] = text
    return texts


def _chunk_text(kind: bytes, rest: bytes) -> str | None:
    """The text of a chunk after its keyword; None where it is broken or unpacks without end."""
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        plain = _inflate(rest[1:])
        return None if plain is None else plain.decode("latin-1")
    flags, _, after = rest[:2], b"", rest[2:]
    _, _, after = after.partition(b"\0")
    _, _, text = after.partition(b"\0")
    plain = _inflate(text) if flags[:1] == b"\x01" else text
    return None if plain is None else plain.decode("utf-8", "replace")


def _inflate(packed: bytes) -> bytes | None:
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(packed, MAX_TEXT_BYTES)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else plain


def _exif_block(data: bytes, kind: Format) -> bytes:
    """The raw EXIF bytes (TIFF form) of a picture file; b"" where there are none."""
    if kind == "png":
        return next((bytes(c) for name, c in png_chunks(data) if name == b"eXIf"), b"")
    if kind == "webp":
        return riff_chunk(data, b"EXIF")
    if kind == "jpg":
        return _jpeg_exif(data)
    try:
        with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
            block: object = image.info.get("exif", b"")
    except Exception:  # any damage means: nothing to read here
        return b""
    return block if isinstance(block, bytes) else b""


def _jpeg_exif(data: bytes) -> bytes:
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return body
        if marker == 0xDA or length < 2:
            return b""
        position += 2 + length
    return b""


def _user_comment(block: bytes) -> str:
    if not block or len(block) > MAX_TEXT_BYTES:
        return ""
    try:
        exif = Image.Exif()
        exif.load(block)
        raw: object = exif.get_ifd(ExifTags.IFD.Exif).get(_USER_COMMENT, b"")
    except Exception:  # any damage means: nothing to read here
        return ""
    if isinstance(raw, str):
        return raw.strip("\0 ")
    return _comment_text(raw) if isinstance(raw, bytes) else ""


def _comment_text(raw: bytes) -> str:
    """The text of a UserComment, which begins with the name of its encoding."""
    if raw.startswith(_UNICODE):
        body = raw[len(_UNICODE) :]
        order = "utf-16-le" if _is_little(body) else "utf-16-be"
        return body.decode(order, "replace").lstrip("\ufeff").strip("\0")
    body = raw[len(_ASCII) :] if raw[:8] in (_ASCII, bytes(8)) else raw
    return body.decode("utf-8", "replace").strip("\0 ")


def _is_little(body: bytes) -> bool:
    """Whether UTF-16 is little-endian; nothing states it, and a mark at its start is rare."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body[:2] == b"\xff\xfe"
    # Every infotext has this word; without it, the zero bytes of Latin letters tell.
    for order in ("utf-16-be", "utf-16-le"):
        if "Steps: " in body.decode(order, "replace"):
            return order == "utf-16-le"
    return body[1::2].count(0) > body[0::2].count(0)


def _novelai(texts: dict[str, str], data: bytes) -> str:
    """Infotext from the description and the JSON comment of a NovelAI picture; "" if unusable."""
    try:
        comment: object = json.loads(texts.get("Comment", ""))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(comment, dict):
        return ""
    said = cast("dict[str, Any]", comment)
    sampler = _NOVELAI_SAMPLERS.get(str(said.get("sampler")), "Euler a")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return (
        f"{texts.get('Description', '')}\nNegative prompt: {said.get('uc', '')}\n"
        f"Steps: {said.get('steps', 28)}, Sampler: {sampler}, CFG scale: {said.get('scale', 7)}, "
        f"Seed: {said.get('seed', -1)}, Size: {width}x{height}, Clip skip: 2, ENSD: 31337"
    )
