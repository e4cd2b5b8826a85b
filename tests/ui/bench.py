"""A bench without models for the page: it notes what it is asked to do."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from webui.contract.merging import MergeRequest
from webui.errors import NotFound
from webui.library.bench import PickledFile, Work


@dataclass
class NotedBench:
    converted: list[str] = field(default_factory=list)
    merged: list[MergeRequest] = field(default_factory=list)

    def pickled(self) -> tuple[PickledFile, ...]:
        return (PickledFile(name="Lora/style.pt", size=2_500_000),)

    def vaes(self) -> tuple[str, ...]:
        return ("colours.safetensors",)

    def convert(self, names: Sequence[str]) -> Work:
        if "Lora/style.pt" not in names:
            raise NotFound("file that needs conversion", names[0], (), "names")
        self.converted += names
        return Work(number=1, label="Converting")

    def merge(self, request: MergeRequest) -> Work:
        self.merged.append(request)
        return Work(number=2, label="Merging")
