"""The prompt language, as text only: nothing here knows tokens or tensors.

```
comment       # to the end of its line
tag           <lora:name:te:unet:dyn>  <hypernet:name:strength>     cut out of the positive prompt
composition   part { AND part }        part = words [ : weight ]    the positive prompt only
edit          [from:to:when]  [to:when]  [from::when]               when = a step, or a fraction
alternation   [a|b|c]                                               one option for each step
attention     (x)  (x:1.3)  [x]        \\( \\) \\[ \\] \\\\  for the signs themselves
break         BREAK                    ends the chunk
```

The order is the older UI's: each layer is read, settled, and hands its text to the next. So an edit
is settled for a step before its brackets are weighed, and a part is split off before its edits are
read. `wording` runs all layers but the last; `attention` reads what is left, for `tokens`.
"""

from webui.prompts.syntax.attention import BREAK, BREAK_WEIGHT, escape, parse_attention
from webui.prompts.syntax.comments import strip_comments
from webui.prompts.syntax.composition import compose
from webui.prompts.syntax.editing import Alternation, Edit, parse, source
from webui.prompts.syntax.networks import NetworkTag, cut_tags
from webui.prompts.syntax.schedule import Span, TextSegment, schedule
from webui.prompts.syntax.wording import SpokenPart, Wording, word

__all__ = [
    "BREAK", "BREAK_WEIGHT", "Alternation", "Edit", "NetworkTag", "Span", "SpokenPart",
    "TextSegment", "Wording", "compose", "cut_tags", "escape", "parse", "parse_attention",
    "schedule", "source", "strip_comments", "word",
]  # fmt: skip
