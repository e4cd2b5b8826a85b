"""A file at any address: what its server says of it before it is fetched."""

import re
from urllib.parse import unquote

from webui.errors import InvalidRequest
from webui.library.download.addresses import FileAddress
from webui.library.download.client import Client, host_of
from webui.library.download.fetching import PAGES
from webui.library.download.orders import (
    Find,
    Order,
    Wanted,
    is_model_name,
    make_find,
    safe_name,
)

NAMED = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)


def find_file(client: Client, asked: FileAddress) -> Find:
    """What lies at an address; of the body nothing is read.

    Raises InvalidRequest for what is no model file, and what `Client` raises.
    """
    url = client.gate.check(asked.url)
    with client.open(asked.url) as response:
        client.heed_status(response)
        told = response.headers
        kind = told.get("content-type", "").partition(";")[0].strip().casefold()
        length, host = told.get("content-length", ""), host_of(response)
        named = NAMED.search(told.get("content-disposition", ""))
    names = [unquote(named[1])] if named else []
    name = next((n for n in map(safe_name, [*names, url.path]) if is_model_name(n)), "")
    if kind in PAGES:
        raise InvalidRequest(
            "address",
            f"{host} shows a web page there. Give the address of the file itself, or a page of a "
            "model on Hugging Face or Civitai.",
        )
    if not name:
        raise InvalidRequest("address", "That is not the address of a model file.")
    size = int(length) if length.isdigit() else 0
    # The query may hold a key; it stays in the order, which nobody is shown.
    source = str(url.copy_with(query=None, fragment=None))
    order = Order(title=name, source=source, files=(Wanted(url=asked.url, name=name, size=size),))
    notice = f"{url.host} publishes no checksum: whether the file is genuine cannot be checked."
    return make_find([order], title=name, source=source, notices=(notice,))
