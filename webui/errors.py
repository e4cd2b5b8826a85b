"""Every error that Palimpsest raises on purpose.

```
WebuiError                  a sentence for the user, a detail for the log
├── InvalidRequest          a value that cannot be accepted; names its field
│   └── TooLarge            a body or picture above a limit
├── NotFound                a name that nothing answers to; offers the nearest names
├── Conflict                the thing asked for is not possible in the present state
├── Unavailable             an optional part that is not installed or not working here
├── UnsupportedModel        a model file of a kind we cannot load
├── ModelMismatch           a part made for another model family
├── OutOfDeviceMemory       the device is full
├── NumericalError          NaN or infinity where a picture should be
├── PluginError             a plugin broke; names the plugin and the hook
├── WorkerLost              the worker process ended in the middle of an item
└── StorageError            a file or the database could not be written or read
```
"""

from collections.abc import Sequence


class WebuiError(Exception):
    """Something went wrong that a person can be told about in one sentence."""

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with every attribute, whatever the constructor asks for."""
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[WebuiError], args: tuple[object, ...], state: dict[str, object]) -> object:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidRequest(WebuiError):
    """A value cannot be accepted; `field` is its path, as `sampling.steps`."""

    def __init__(self, field: str, sentence: str, detail: str = "") -> None:
        super().__init__(sentence, detail)
        self.field = field


class TooLarge(InvalidRequest):
    """A body, picture or count is above a limit that the sentence names."""


class NotFound(WebuiError):
    """No `kind` is called `name`; `nearest` holds the names that come closest."""

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = (), field: str = "") -> None:
        offer = f" Did you mean {' or '.join(repr(n) for n in nearest)}?" if nearest else ""
        super().__init__(f"There is no {kind} called {name!r}.{offer}")
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)
        self.field = field


class Conflict(WebuiError):
    """The request is sound, but the present state of its object does not allow it."""


class Unavailable(WebuiError):
    """An optional part is not installed, or does not work on this machine."""


class UnsupportedModel(WebuiError):
    """A model file is of a kind that cannot be loaded; the detail says what was seen in it."""


class ModelMismatch(WebuiError):
    """A network, LoRA or embedding was made for another model family."""


class OutOfDeviceMemory(WebuiError):
    """The device is full; the sentence says what was resident and what to lower."""


class NumericalError(WebuiError):
    """NaN or infinity appeared; `stage` says where."""

    def __init__(self, stage: str, sentence: str = "") -> None:
        super().__init__(sentence or f"The numbers broke down (NaN or infinity) in: {stage}.")
        self.stage = stage


class PluginError(WebuiError):
    """A plugin broke; `plugin` and `hook` name the place."""

    def __init__(self, plugin: str, hook: str, sentence: str, detail: str = "") -> None:
        super().__init__(sentence, detail)
        self.plugin = plugin
        self.hook = hook


class WorkerLost(WebuiError):
    """The worker process ended in the middle of an item."""


class StorageError(WebuiError):
    """A file or the database could not be written or read."""
