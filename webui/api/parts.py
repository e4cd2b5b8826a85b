"""What the HTTP face works with: everything arrives as one argument, nothing is global."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from webui.contract.advice import Advice
from webui.contract.effects import EffectForm
from webui.contract.estimates import Estimate
from webui.contract.events import Word
from webui.contract.request import Blob, GenerationRequest
from webui.jobs.service import Jobs
from webui.library.adapters import AdapterCatalog
from webui.library.bench import Bench
from webui.library.cards import CardBook
from webui.library.catalog import Catalog
from webui.library.download.desk import Desk
from webui.plugins.scripts import Script
from webui.prompts.explanation import Asked, Explanation
from webui.prompts.styles import Style
from webui.settings import Settings

Words = Callable[[], Mapping[str, tuple[Word, ...]]]


class Blobs(Protocol):
    """Where uploaded pictures go (`webui.images.blobs.BlobStore` is one)."""

    def put(self, data: bytes, field: str) -> Blob:
        """Keep a picture; raises InvalidRequest that names `field` if it is none."""
        ...

    def read(self, blob: Blob) -> bytes:
        """The bytes; raises NotFound."""
        ...

    def has(self, blob: Blob) -> bool:
        """Whether the picture is kept here."""
        ...


@dataclass(frozen=True)
class Parts:
    """The collaborators of the HTTP face; what may change while the server runs is a callable.

    `settings` gives the settings that hold now; `update_settings` takes values by path, keeps them
    and raises InvalidRequest for a wrong one. `explain` tells how a prompt is read, `estimate` how
    much memory a request will need, `advice` what a checkpoint is best asked for. The older
    surface begins with `older_options`.
    """

    jobs: Jobs
    blobs: Blobs
    words: Words
    catalog: Catalog
    adapters: AdapterCatalog
    settings: Callable[[], Settings]
    update_settings: Callable[[Mapping[str, Any]], Settings]
    explain: Callable[[Asked], Explanation]
    styles: Callable[[], Sequence[Style]] = tuple
    scripts: Callable[[], Sequence[Script[Any]]] = tuple
    effects: Callable[[], Sequence[EffectForm]] = tuple
    bench: Bench | None = None
    desk: Desk | None = None
    cards: CardBook | None = None
    estimate: Callable[[GenerationRequest], Estimate] | None = None
    advice: Callable[[str], Advice] | None = None
    older_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str = ""
