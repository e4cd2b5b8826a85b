"""From items to artifacts, told as a story; the worker builds one engine and keeps it."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from webui import __version__
from webui.contract import infotext
from webui.contract.events import Artifact, Execution, Finished, Machine, Notice, Vocabulary
from webui.contract.items import Item
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import builtin, merged
from webui.contract.worker import Check, Emit, EngineConfig, Inputs
from webui.diffusion.layers import Interrupted
from webui.diffusion.samplers import Sampler, builtin_samplers
from webui.diffusion.schedules import Schedule, builtin_schedules
from webui.effects.builtin import BuiltinEffects
from webui.errors import OutOfDeviceMemory
from webui.generation.effects import EffectDesk
from webui.generation.embeddings import EmbeddingDesk, Glossary
from webui.generation.latents import needs_tiles
from webui.generation.models import Models
from webui.generation.networks import NetworkDesk
from webui.generation.painting import Painter
from webui.generation.previews import Previews
from webui.generation.thrift import Thrift, described
from webui.generation.watching import Watch
from webui.images.storage import encode_image, media_type_of
from webui.library.catalog import Catalog, ModelFile
from webui.library.companions import surroundings
from webui.library.download.small import tokenizer_source
from webui.library.embeddings import EmbeddingCatalog
from webui.library.hypernetworks import HypernetworkCatalog
from webui.library.opening import open_library
from webui.library.vaes import chosen_vae, tiny_decoder
from webui.plugins import hookimpl
from webui.plugins.manager import PluginManager, StartRecord
from webui.weights.adapters import Adapters
from webui.weights.attention import SLICED, Attention, attending, choose_attention
from webui.weights.checkpoint import Checkpoint
from webui.weights.families import FAMILIES, ModelFamily
from webui.weights.memory import resolve_dtype, total_memory
from webui.weights.patches import Tiling
from webui.weights.placement import like_of
from webui.weights.residency import Residency, Wishes

log = logging.getLogger(__name__)


class BuiltinEngine:
    """The plugin that registers the built-in samplers and schedules."""

    @hookimpl
    def register_samplers(self) -> Sequence[Any]:
        """Return every built-in sampler."""
        return builtin_samplers()

    @hookimpl
    def register_schedules(self) -> Sequence[Any]:
        """Return every built-in schedule."""
        return builtin_schedules()


class PaintingEngine:
    """The engine of generation requests; see `webui.contract.worker.Engine`."""

    def __init__(
        self,
        config: EngineConfig,
        catalog: Catalog,
        networks: NetworkDesk,
        plugins: PluginManager,
        residency: Residency,
        painter: Painter,
        embeddings: EmbeddingDesk,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._networks = networks
        self._embeddings = embeddings
        self._plugins = plugins
        self._residency = residency
        self._painter = painter
        self._effects = EffectDesk(plugins.effects)
        self._thrift = Thrift(residency)
        painter.previews = Previews(config.preview_method, self._decoder)
        self._attention = choose_attention(config.attention, residency.device)

    def vocabulary(self) -> Vocabulary:
        """What can be named in requests, and how the extensions fared."""
        residency = self._residency
        dtype = resolve_dtype(residency.wishes.dtype, residency.device)
        machine = Machine(
            device=residency.device.type,
            dtype=str(dtype).removeprefix("torch."),
            memory=total_memory(residency.device),
            attention=self._attention.name,
        )
        reports = tuple(self._plugins.reports)
        return Vocabulary(words=self._plugins.words(), plugins=reports, machine=machine)

    def run(self, items: Sequence[Item], inputs: Inputs, emit: Emit, check: Check) -> None:
        """Make one picture for each item; items given together differ in their seeds only.

        Raises WebuiError; a cancel ends in `Finished` events, not in an exception.
        """
        if len(items) > 1 and not self._painter.packs(items[0].request):
            for item in items:
                self.run([item], inputs, emit, check)
            return
        started = time.perf_counter()
        config = self._config
        indices = [item.index for item in items]
        watch = Watch(indices, emit, check, config.preview_seconds, config.preview_size)
        try:
            how = "stopped" if self._fitted(items, inputs, emit, watch) else "done"
        except Interrupted:
            how = "cancelled"
        seconds = (time.perf_counter() - started) / len(items)
        for index in indices:
            emit(Finished(item=index, how=how, seconds=seconds))

    def _fitted(self, items: Sequence[Item], inputs: Inputs, emit: Emit, watch: Watch) -> bool:
        """Make the pictures; where memory runs out, once more by a smaller plan.

        Raises OutOfDeviceMemory where that is not enough, or where there is none.
        """
        canvas = items[0].request.canvas
        doing = f"painting at {canvas.width}x{canvas.height}"
        self._residency.rest()  # after a run that broke off
        self._thrift.begin(items)
        try:
            with self._residency.guarded(doing):
                return self._make(items, inputs, emit, watch)
        except OutOfDeviceMemory as error:
            failed = error.sentence
            plan = self._thrift.shrink(items)
            if plan is None:
                raise
        self._residency.rest()
        told = f"{failed.partition('. ')[0]}; it is tried again with {described(plan)}."
        log.warning("%s", told)
        emit(Notice(item=items[0].index, sentence=told))
        with self._residency.guarded(f"{doing} again, with {described(plan)}"):
            return self._make(items, inputs, emit, watch, retried=True)

    def _make(
        self,
        items: Sequence[Item],
        inputs: Inputs,
        emit: Emit,
        watch: Watch,
        retried: bool = False,
    ) -> bool:
        """Paint and hand over; returns whether it was stopped early."""
        requests = [self._effects.prepared(item.request) for item in items]
        request = requests[0]

        said = set[str]()

        def tell(sentence: str) -> None:
            if sentence not in said:  # passes may meet the same trouble
                said.add(sentence)
                emit(Notice(item=items[0].index, sentence=sentence))

        watch.enter("loading the model", 0.0, 0.0)
        with ExitStack() as patched, torch.inference_mode():
            patched.enter_context(attending(self._kernel))
            models = self._models(request, tell, patched)
            file, checkpoint = models.open(request.model.checkpoint)
            join = self._effects.joining(request, tell)
            painted = self._painter.paint(models, requests, inputs, join, watch)
            watch.enter("decoding", 0.95, 1.0)
            images = self._painter.decode(painted, request.canvas.tiling)
        for item, own, image in zip(items, requests, images, strict=True):
            finished = self._effects.finished(image, own)
            finished = self._painter.finish(finished, own, inputs, painted)
            execution = self._execution(file, checkpoint, finished, own, len(items))
            hashes = models.glossary.hashes
            update = {"retried": retried, "embedding_hashes": hashes, **_others(models, own)}
            execution = execution.model_copy(update=update)
            emit(self._artifact(item, own, finished, execution))
        return painted.stopped

    def _models(
        self, request: GenerationRequest, tell: Callable[[str], None], stack: ExitStack
    ) -> Models:
        tiling = [Tiling()] if request.canvas.tiling else []
        patches = [*tiling, *self._effects.patches(request)]
        default = self._config.default_checkpoint

        def load(file: ModelFile) -> Checkpoint:
            vae = chosen_vae(self._catalog, request.model.vae, file)
            about = surroundings(self._catalog, file, request.model.text_encoders)
            about = replace(about, fetch=tokenizer_source(self._config))
            return self._residency.checkpoint(file, None if vae is None else vae.path, about)

        def adapters(prompt: str) -> Adapters:
            return self._networks.adapters(prompt, tell)

        glossary = Glossary(self._embeddings, tell)
        return Models(self._catalog, load, default, patches, adapters, glossary, stack)

    def _execution(
        self,
        file: ModelFile,
        checkpoint: Checkpoint,
        image: Image.Image,
        request: GenerationRequest,
        packed: int,
    ) -> Execution:
        plan = checkpoint.quarters.plan if checkpoint.quarters else self._residency.plan
        tiles = 0 if request.canvas.tiling else plan.tile_pixels
        tiled = needs_tiles(image.width, image.height, tiles)
        vae = chosen_vae(self._catalog, request.model.vae, file)
        dtype, vae_dtype = checkpoint.dtype, like_of(checkpoint.vae).dtype
        return Execution(
            device=checkpoint.device.type,
            dtype=str(dtype).removeprefix("torch."),
            vae_dtype="" if vae_dtype == dtype else str(vae_dtype).removeprefix("torch."),
            vae_tiles=tiles if tiled else 0,
            placement=plan.placement,
            storage=plan.storage,
            attention=self._kernel.name,
            packed=packed,
            checkpoint=file.stem,
            checkpoint_hash=file.sha256 or "",
            vae="" if vae is None else vae.path.name,
            vae_hash="" if vae is None else self._catalog.hashes.sha256(vae.path),
            lora_hashes=self._networks.hashes(_prompts(request)),
        )

    def _decoder(self, checkpoint: Checkpoint) -> Path | None:
        """The file with a small decoder for previews, where there is one."""
        sdxl = checkpoint.family.name.startswith("sdxl")
        found = tiny_decoder(self._catalog, checkpoint.latent.channels, sdxl)
        return None if found is None else found.path

    @property
    def _kernel(self) -> Attention:
        """What computes attention now; slices where a plan was forced to them."""
        own = self._attention
        if self._residency.plan.sliced and own.kernel is None:
            return choose_attention(SLICED, self._residency.device)
        return own

    def _artifact(
        self, item: Item, request: GenerationRequest, image: Image.Image, execution: Execution
    ) -> Artifact:
        words = merged(builtin(), self._plugins.words())
        forms = [effect.form for effect in self._plugins.effects]
        text = infotext.write(request, execution, __version__, words, forms)
        config = self._config
        embedded = text if config.infotext else ""
        data = encode_image(image, config.format, embedded, config.quality)
        return Artifact(
            item=item.index,
            data=data,
            media_type=media_type_of(data),
            width=image.width,
            height=image.height,
            seed=request.noise.seed,
            infotext=text,
            execution=execution,
        )


def _others(models: Models, request: GenerationRequest) -> dict[str, str]:
    """The checkpoints that took over in this run, as infotext names them."""
    hires, refiner = request.hires, request.refiner
    return {
        "hires_checkpoint": models.title(hires.checkpoint) if hires else "",
        "refiner": models.title(refiner.checkpoint) if refiner else "",
    }


def _prompts(request: GenerationRequest) -> tuple[str, ...]:
    """The positive prompts of all passes."""
    hires = request.hires
    return (request.prompt.positive, hires.prompt if hires else "")


def _wishes(config: EngineConfig) -> Wishes:
    return Wishes(
        dtype=config.dtype,
        vae_dtype=config.vae_dtype,
        placement=cast(Any, config.placement),  # checked where the settings are read
        storage=cast(Any, config.storage),
        tile_pixels=config.vae_tile_pixels,
        keep=config.keep_models,
        warm=config.keep_warm,
    )


def make_engine(config: EngineConfig) -> PaintingEngine:
    """The engine of this process: plugins loaded, device chosen, no model in memory yet."""
    plugins = PluginManager("engine")
    plugins.add("builtin", BuiltinEngine(), __version__)
    plugins.add("effects", BuiltinEffects(), __version__)
    if config.extensions_dir is not None and not config.safe:
        record = StartRecord(config.data_dir / "loading-engine.txt")
        plugins.load_folder(config.extensions_dir, config.disabled, record)
    catalog, adapters = open_library(
        (config.models_dir, *config.more_models_dirs), config.bundled_models_dir, config.data_dir
    )
    networks = NetworkDesk(adapters, HypernetworkCatalog(catalog.shelf))
    families = (*FAMILIES, *cast("Sequence[ModelFamily]", tuple(plugins.families)))
    residency = Residency(config.device, _wishes(config), families)
    painter = Painter(
        lambda name: cast(Sampler, plugins.samplers.get(name)),
        lambda name: cast(Schedule, plugins.schedules.get(name)),
        lambda: residency.plan.tile_pixels,
    )
    embeddings = EmbeddingDesk(EmbeddingCatalog(catalog.shelf, catalog.hashes))
    return PaintingEngine(config, catalog, networks, plugins, residency, painter, embeddings)
