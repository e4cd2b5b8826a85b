"""What a model file is, from its header alone: kind, family and variant; torch-free.

Names and shapes decide, never numbers of a tensor and never its format: every layout goes around
in several. What they cannot tell (v-prediction, fine-tunes, the two autoencoders of 4 channels) is
left open.
"""

from webui.library.headers import Header
from webui.library.identify.adapters import adapter_of
from webui.library.identify.networks import PREFIX, checkpoint_of, network_of
from webui.library.identify.parts import part_of
from webui.library.identify.sight import KINDS, Identity, Kind, Sight

__all__ = ["KINDS", "Identity", "Kind", "identify"]

UNKNOWN = Identity("unknown")


def identify(header: Header) -> Identity:
    """The kind, family and variant of the file with this header; kind "unknown" for any other.

    What is trained onto a network is looked for first, since it repeats the network's names; a
    part alone comes last, since checkpoints hold the same names under a prefix.
    """
    sight = Sight.of(header)
    looks = (adapter_of, checkpoint_of, part_of, network_of)
    if sight.starts(PREFIX) and not sight.says("lora", "control_model."):
        looks = (checkpoint_of,)
    for look in looks:
        found = look(sight)
        if found is not None:
            return found
    return UNKNOWN
