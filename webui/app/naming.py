"""Names for finished pictures, by the patterns in the settings."""

from collections.abc import Callable
from pathlib import PurePosixPath

from webui.contract.events import Artifact, Word
from webui.contract.request import GenerationRequest
from webui.images.naming import FileNamer, NamePatterns, facts_of
from webui.settings import Settings

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}


class Namer:
    """The jobs room's namer over `FileNamer`; patterns may change while the server runs."""

    def __init__(
        self, settings: Callable[[], Settings], words: Callable[[], dict[str, tuple[Word, ...]]]
    ) -> None:
        self._settings = settings
        self._words = words
        self._files = FileNamer(settings().folders.outputs_dir)

    def path_for(
        self,
        request: GenerationRequest,
        artifact: Artifact,
        hint: str,
        taken: Callable[[PurePosixPath], bool],
    ) -> PurePosixPath:
        """A path below the outputs folder that no file has and no item was promised."""
        saving, execution = self._settings().saving, artifact.execution
        self._files.patterns = NamePatterns(saving.subfolder, saving.filename, saving.add_number)
        facts = facts_of(
            request,
            self._words(),
            seed=artifact.seed,
            width=artifact.width,
            height=artifact.height,
            model_name=execution.checkpoint,
            model_hash=execution.checkpoint_hash[:10],
        )
        suffix = SUFFIXES[artifact.media_type]
        kind = "grid" if artifact.role == "grid" else "image"
        while True:
            path = self._files.path_for(request.mode, facts, suffix, hint, kind)
            if not taken(path):
                return path
