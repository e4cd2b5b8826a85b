"""The server's rooms, built and joined; nothing here knows HTTP or the page."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import webui
from webui.app.estimating import Estimator
from webui.app.naming import Namer
from webui.app.older import older_checkpoint
from webui.app.pace import LOOKED_AT
from webui.app.reading import Learned, PromptReader
from webui.contract import infotext
from webui.contract.advice import Advice
from webui.contract.effects import EffectForm
from webui.contract.estimates import Estimate
from webui.contract.events import Word
from webui.contract.fields import nest
from webui.contract.infotext import Restored
from webui.contract.request import GenerationRequest, Prompt
from webui.contract.vocabulary import builtin
from webui.contract.worker import EngineConfig
from webui.effects.forms import BuiltinForms
from webui.errors import WebuiError
from webui.images.blobs import BlobStore
from webui.images.decode import DecodeLimits
from webui.jobs.filing import Filing
from webui.jobs.service import Jobs
from webui.jobs.store import Store
from webui.jobs.workers.inprocess import InProcessWorker
from webui.jobs.workers.process import ProcessWorker
from webui.jobs.workers.protocol import Worker
from webui.library.adapters import AdapterCatalog
from webui.library.catalog import Catalog, ModelFile
from webui.library.embeddings import EmbeddingCatalog
from webui.library.folders import older_folders
from webui.library.opening import copy_memory, open_library
from webui.library.vaes import vae_words
from webui.plugins.expansion import Planner
from webui.plugins.manager import PluginManager, StartRecord
from webui.plugins.vocabularies import VocabularyBook
from webui.prompts.styles import StyleBook
from webui.prompts.syntax import strip_comments
from webui.scripts.builtin import BuiltinScripts
from webui.settings import Settings, SettingsFile
from webui.weights.families.advice import advise

log = logging.getLogger(__name__)

BUNDLED_MODELS = Path(webui.__file__).resolve().parent.parent / "models"
"""Where the starter model lies, whatever models folder is configured."""


WORKER_SECONDS = 15.0
"""How long a name that nobody knows yet waits for the worker's first report."""


class LiveSettings:
    """The settings that hold now, and the file they are kept in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = SettingsFile(settings.folders.config_file)
        self._lock = threading.Lock()

    def get(self) -> Settings:
        """The settings now."""
        return self._settings

    def update(self, values: Mapping[str, Any]) -> Settings:
        """Take values by path and keep them; raises InvalidRequest for a wrong one."""
        with self._lock:
            self._settings = self._file.update(values, self._settings)
            return self._settings


@dataclass(frozen=True)
class House:
    """Everything that the faces are given."""

    settings: LiveSettings
    jobs: Jobs
    blobs: BlobStore
    catalog: Catalog
    adapters: AdapterCatalog
    book: VocabularyBook
    styles: StyleBook
    plugins: PluginManager
    reader: PromptReader

    def words(self) -> dict[str, tuple[Word, ...]]:
        """Every name that a request may use now."""
        return self.book.words()

    def restore(self, text: str, base: GenerationRequest | None) -> Restored:
        """The request that an infotext describes, with notices about what it does not give."""
        return infotext.read(text, self.words(), base, self.blobs.has, self.effects())

    def effects(self) -> tuple[EffectForm, ...]:
        """The forms of every always-on effect."""
        return tuple(self.plugins.effect_forms)

    def advice(self, checkpoint: str) -> Advice:
        """What to ask of a checkpoint; raises NotFound, and what reading its header raises."""
        return advise(self.checkpoint(checkpoint).path)

    def advice_if_any(self, checkpoint: str) -> Advice | None:
        """The same, or None: the page opens without a checkpoint, and beside strange ones, too."""
        try:
            return self.advice(checkpoint)
        except WebuiError:
            return None

    def native_size(self, checkpoint: str) -> tuple[int, int] | None:
        """The size that a checkpoint was made for, where its files tell."""
        advice = self.advice_if_any(checkpoint)
        return (advice.width, advice.height) if advice else None

    def estimate(self, request: GenerationRequest) -> Estimate:
        """What a request will need; raises NotFound and what reading headers raises."""
        estimator = Estimator(
            self.settings.get,
            self.checkpoint,
            lambda: self.book.machine,
            lambda: self.jobs.list(LOOKED_AT, ("done",)),
        )
        return estimator.estimate(request)

    def checkpoint(self, name: str = "") -> ModelFile:
        """The checkpoint called `name`, or the one of requests that name none; raises NotFound."""
        return self.catalog.resolve(name or self.settings.get().engine.checkpoint)


MakeWorker = Callable[[EngineConfig], Worker]


def build_house(settings: Settings, make_worker: MakeWorker = ProcessWorker) -> House:
    """Build every room over the configured folders; `jobs.start()` is left to the caller.

    Raises Conflict where another server holds the data folder, StorageError where a folder cannot
    be used.
    """
    folders = settings.folders
    folders.data_dir.mkdir(parents=True, exist_ok=True)
    catalog, adapters = open_models(settings)
    embeddings = EmbeddingCatalog(catalog.shelf, catalog.hashes)
    older = folders.a1111_home
    if not settings.engine.checkpoint:
        drew = older_checkpoint(older, catalog.resolve)
        settings = nest(settings, {"engine.checkpoint": drew})
    live = LiveSettings(settings)
    styles = StyleBook(
        folders.data_dir / "styles.csv", () if older is None else [older / "styles.csv"]
    )
    plugins = load_server_plugins(settings)
    book = VocabularyBook(
        folders.data_dir / "vocabulary.json",
        {
            "checkpoints": catalog.words,
            "vaes": lambda: vae_words(catalog),
            "text_encoders": lambda: catalog.words_of("text_encoder"),
            "loras": adapters.words,
            "embeddings": embeddings.words,
            "styles": styles.words,
        },
    )
    blobs = BlobStore(folders.data_dir / "blobs", limits_of(settings))
    jobs = build_jobs(live, catalog, plugins, book, styles, blobs, make_worker)
    reader = PromptReader(
        lambda name: catalog.resolve(name or live.get().engine.checkpoint),
        book.words,
        lambda prompt: say(styles, prompt),
        Learned(embeddings, adapters),
    )
    return House(live, jobs, blobs, catalog, adapters, book, styles, plugins, reader)


def open_models(settings: Settings) -> tuple[Catalog, AdapterCatalog]:
    """The models in all configured folders and the bundled one."""
    folders = (settings.folders.models_dir, *read_folders(settings))
    return open_library(folders, BUNDLED_MODELS, settings.folders.data_dir)


def read_folders(settings: Settings) -> tuple[Path, ...]:
    """The models folders that are only read: further ones, and an older installation's."""
    folders = settings.folders
    older = () if folders.a1111_home is None else older_folders(folders.a1111_home)
    return (*folders.more_models_dirs, *older)


def open_reader(settings: Settings) -> PromptReader:
    """The reader of prompts alone, for the command line: models on disk, built-in samplers."""
    catalog, adapters = open_models(settings)
    return PromptReader(
        lambda name: catalog.resolve(name or settings.engine.checkpoint),
        builtin,
        learned=Learned(EmbeddingCatalog(catalog.shelf, catalog.hashes), adapters),
    )


def build_jobs(
    live: LiveSettings,
    catalog: Catalog,
    plugins: PluginManager,
    book: VocabularyBook,
    styles: StyleBook,
    blobs: BlobStore,
    make_worker: MakeWorker,
) -> Jobs:
    """The jobs over their store, with the planner in front and the worker behind."""
    settings = live.get()
    planner = Planner(
        book.words,
        plugins.scripts,
        lambda prompt: say(styles, prompt),
        settings.limits.max_items,
        settings.limits.max_pixels,
        more_words=lambda: book.wait_for_report(WORKER_SECONDS),
        effects=plugins.effect_forms,
    )

    def plan(request: GenerationRequest):
        if not request.model.checkpoint:
            chosen = catalog.resolve(live.get().engine.checkpoint).name
            request = nest(request, {"model.checkpoint": chosen})
        return planner.plan(request)

    store = Store(settings.folders.data_dir)
    return Jobs(
        store,
        lambda: make_worker(engine_config(live.get())),
        plan,
        blobs,
        Filing(store, settings.folders.outputs_dir, Namer(live.get, book.words)),
        on_vocabulary=book.update,
        max_items=settings.limits.max_items,
        max_waiting_jobs=settings.limits.max_waiting_jobs,
    )


def load_server_plugins(settings: Settings) -> PluginManager:
    """The server's side of all extensions; a broken one is only reported."""
    plugins = PluginManager("server")
    plugins.add("builtin", BuiltinScripts(), webui.__version__)
    plugins.add("effects", BuiltinForms(), webui.__version__)
    if not settings.extensions.safe:
        record = StartRecord(settings.folders.data_dir / "loading-server.txt")
        plugins.load_folder(settings.folders.extensions_dir, settings.extensions.disabled, record)
    return plugins


def engine_config(settings: Settings) -> EngineConfig:
    """What a worker is built from."""
    folders, engine, saving = settings.folders, settings.engine, settings.saving
    return EngineConfig(
        models_dir=folders.models_dir,
        data_dir=folders.data_dir,
        bundled_models_dir=BUNDLED_MODELS,
        more_models_dirs=read_folders(settings),
        extensions_dir=folders.extensions_dir,
        device=engine.device,
        dtype=engine.dtype,
        safe=settings.extensions.safe,
        disabled=settings.extensions.disabled,
        preview_seconds=settings.live.preview_seconds,
        preview_size=settings.live.preview_size,
        preview_method=settings.live.preview_method,
        vae_tile_pixels=engine.vae_tile_pixels,
        keep_models=engine.keep_models,
        keep_warm=engine.keep_warm,
        vae_dtype=engine.vae_dtype,
        placement=engine.placement,
        storage=engine.storage,
        attention=engine.attention,
        default_checkpoint=engine.checkpoint,
        format=saving.format,
        quality=saving.quality,
        infotext=saving.enable_infotext,
        hub=settings.downloads.hub if settings.downloads.small_files else "",
        private_hosts=settings.downloads.private_hosts,
    )


def limits_of(settings: Settings) -> DecodeLimits:
    """What an uploaded picture may be."""
    limits = settings.limits
    return DecodeLimits(max_bytes=limits.max_upload_mb * 2**20, max_pixels=limits.max_pixels)


def say(styles: StyleBook, prompt: Prompt) -> Prompt:
    """The prompt as it is painted and noted: styles worked in, comments taken out."""
    positive, negative = styles.merge(prompt.positive, prompt.negative, prompt.styles)
    return Prompt(positive=strip_comments(positive), negative=strip_comments(negative))


@contextmanager
def make_local_jobs(settings: Settings, out: Path) -> Iterator[House]:
    """A house of its own for the command line: pictures in `out`, the worker in this process.

    Its jobs live in a scratch folder, so it runs beside a server on the same data.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="palimpsest-")))
        copy_memory(settings.folders.data_dir, scratch)
        local = nest(settings, {"folders.data_dir": scratch, "folders.outputs_dir": out.absolute()})
        house = build_house(local, InProcessWorker)
        stack.callback(house.jobs.close)
        house.jobs.start()
        yield house
