"""Extra networks that prompts ask for by tags: found by name, read once, told where they fail."""

from collections.abc import Callable, Iterable, Iterator

from webui.errors import WebuiError
from webui.generation.caches import Recent
from webui.library.adapters import AdapterCatalog, AdapterFile
from webui.library.hypernetworks import HypernetworkCatalog
from webui.prompts.syntax import NetworkTag, cut_tags, strip_comments
from webui.weights.adapters import Adapter, Adapters, Wish, read_adapter
from webui.weights.hypernetworks import Hypernetwork, read_hypernetwork

Tell = Callable[[str], None]

KEPT = 8
"""How many adapters stay in memory for the next items."""


class NetworkDesk:
    """Brings the networks of prompts; those used last stay in memory."""

    def __init__(self, catalog: AdapterCatalog, hypernetworks: HypernetworkCatalog) -> None:
        self._catalog = catalog
        self._hypernetworks = hypernetworks
        self._hypers = Recent[Hypernetwork](KEPT)
        self._read = Recent[Adapter](KEPT)

    def adapters(self, prompt: str, tell: Tell) -> Adapters:
        """The patch that `prompt` asks for; `tell` hears of what is missing or cannot be read."""
        hypers = tuple(self._hypers_of(prompt, tell))
        return Adapters(tuple(self._wishes(prompt, tell)), tell, hypers)

    def hashes(self, prompts: Iterable[str]) -> str:
        """The adapters that `prompts` name with their hashes, as infotext has them."""
        found: dict[str, str] = {}
        for tag in (tag for prompt in prompts for tag in _tags(prompt)):
            file = None if tag.fault or tag.kind != "lora" else self._catalog.find(tag.name)
            if file is not None:
                name = tag.name.replace(":", "").replace(",", "")
                found[name] = self._catalog.short_hash(file)
        return ", ".join(f"{name}: {short}" for name, short in found.items())

    def _wishes(self, prompt: str, tell: Tell) -> Iterator[Wish]:
        for tag in _tags(prompt):
            if tag.ignored:
                tell(f"{', '.join(tag.ignored)} in {tag.source} means nothing here and is ignored.")
            if tag.fault:
                tell(tag.fault)
            elif tag.kind != "lora":
                continue
            elif (file := self._catalog.find(tag.name)) is None:
                tell(f"Lora not found: {tag.name}")
            elif (adapter := self._adapter(file, tell)) is not None:
                yield Wish(adapter, tag.te, tag.unet, tag.dyn, tag.blocks)

    def _hypers_of(self, prompt: str, tell: Tell) -> Iterator[tuple[Hypernetwork, float]]:
        for tag in (tag for tag in _tags(prompt) if tag.kind == "hypernet" and not tag.fault):
            file = self._hypernetworks.find(tag.name)
            pickle = None if file else self._hypernetworks.pickle(tag.name)
            if file is None:
                tell(
                    f"Hypernetwork left out: {pickle.name} is a pickle, which could run a program "
                    "when it is opened; `models convert` makes a safetensors file of it."
                    if pickle
                    else f"Hypernetwork not found: {tag.name}"
                )
                continue
            try:
                stamp = file.stamp
                path, name = file.path, file.name
                found = self._hypers.get(stamp, lambda: read_hypernetwork(path, name, stamp))  # noqa: B023
                yield found, tag.te
            except (WebuiError, OSError) as error:
                tell(f"Hypernetwork left out: {error}")

    def _adapter(self, file: AdapterFile, tell: Tell) -> Adapter | None:
        """The adapter in `file`; None, said in a sentence, where it cannot be read."""
        try:
            stamp = file.stamp
            return self._read.get(
                stamp, lambda: read_adapter(file.path, file.name, stamp, file.family)
            )
        except WebuiError as error:
            tell(f"Lora left out: {error}")
        except OSError as error:
            tell(f"Lora left out: {file.name} could not be read ({error}).")
        return None


def _tags(prompt: str) -> tuple[NetworkTag, ...]:
    """The tags of a positive prompt; in negative ones they are text."""
    return cut_tags(strip_comments(prompt))[1]
