"""A reader of the pickle language that makes plain data and can call nothing.

The standard library's opcode table takes the stream apart; a small stack machine puts lists,
dictionaries and text together. Where a pickle asks for a function, its name is looked up in a
table of ours; what is not there refuses the file. No name is imported, no method is called, no
attribute is set, whatever the stream says.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from webui.errors import UnsupportedModel
from webui.library.conversion.rebuilding import ARGUMENTS, BUILDERS, persistent_storage
from webui.library.conversion.values import HARMLESS, Opaque, Symbol, Value, as_key, refuse

MOST_STEPS = 5_000_000
"""Opcodes; the longest checkpoints with a trainer's memory need a tenth of it."""

Op = Callable[["Machine", Any], None]


class Damaged(ValueError):
    """The stream is no pickle, or one that breaks the language's rules."""


class Mark:
    """The place on the stack where a group of values begins."""


MARK = Mark()


class Machine:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Value] = []
        self.memory: dict[int, Value] = {}

    def pop(self) -> Value:
        """The top of the stack, taken off; raises Damaged where there is none."""
        if not self.stack:
            raise Damaged("the stack is empty")
        return self.stack.pop()

    def group(self) -> list[Value]:
        """Everything above the last mark, taken off with it."""
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is MARK:
                found = self.stack[index + 1 :]
                del self.stack[index:]
                return found
        raise Damaged("a mark is missing")

    def top(self, kind: type[Any]) -> Any:
        """The top of the stack, left there; raises Damaged unless it is a `kind`."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Damaged(f"a {kind.__name__} is missing")
        return self.stack[-1]


def read_pickle(stream: BinaryIO) -> Value:
    """Read one pickle from `stream` and stop right behind it.

    Raises UnsupportedModel for a name that is not allowed, Damaged for anything else that is wrong.
    """
    machine = Machine()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if step > MOST_STEPS:
            raise Damaged("it never ends")
        if opcode.name == "STOP":
            return machine.pop()
        run = OPS.get(opcode.name)
        if run is None:
            raise UnsupportedModel(
                f"The file uses {opcode.name}, a part of the pickle language that no model needs. "
                "It may be made to do harm, so it was not converted."
            )
        run(machine, argument)
    raise Damaged("it ends too early")


def _push(machine: Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _constant(value: Callable[[], Value]) -> Op:
    return lambda machine, _: machine.stack.append(value())


def _tuple(count: int) -> Op:
    def run(machine: Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(values)))

    return run


def _pairs(values: list[Value]) -> dict[Value, Value]:
    if len(values) % 2:
        raise Damaged("a key has no value")
    return {as_key(k): v for k, v in zip(values[::2], values[1::2], strict=True)}


def _append(machine: Machine, values: list[Value]) -> None:
    """Onto a list, or into an object that is carried along."""
    under = machine.top(object)
    if isinstance(under, Opaque):
        under.state.extend(values)
    else:
        cast("list[Value]", machine.top(list)).extend(values)


def _set_items(machine: Machine, values: list[Value]) -> None:
    pairs = _pairs(values)
    under = machine.top(object)
    if isinstance(under, Opaque):
        under.state.append(pairs)
    else:
        cast("dict[Value, Value]", machine.top(dict)).update(pairs)


def _get(machine: Machine, argument: Any) -> None:
    if int(argument) not in machine.memory:
        raise Damaged("it remembers what it never saw")
    machine.stack.append(machine.memory[int(argument)])


def _put(machine: Machine, argument: Any) -> None:
    machine.memory[int(argument)] = machine.top(object)


def _memoize(machine: Machine, _: Any) -> None:
    machine.memory[len(machine.memory)] = machine.top(object)


def _symbol(name: str) -> Symbol:
    if name in BUILDERS or name in HARMLESS or name in ARGUMENTS:
        return Symbol(name)
    raise refuse(name)


def _global(machine: Machine, argument: str) -> None:
    machine.stack.append(_symbol(argument.replace(" ", ".", 1)))


def _stack_global(machine: Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Damaged("a name is no text")
    machine.stack.append(_symbol(f"{module}.{name}"))


def _reduce(machine: Machine, _: Any) -> None:
    arguments, symbol = machine.pop(), machine.pop()
    if not isinstance(symbol, Symbol) or not isinstance(arguments, tuple):
        raise Damaged("it calls what is no name")
    build = BUILDERS.get(symbol.name)
    given = cast("tuple[Value, ...]", arguments)
    if build is not None:
        machine.stack.append(build(*given))
    elif symbol.name in HARMLESS:
        machine.stack.append(Opaque(symbol, list(given)))
    else:
        raise refuse(symbol.name)


def _build(machine: Machine, _: Any) -> None:
    """State for an object: kept for one that is carried along, ignored for all others."""
    state = machine.pop()
    under = machine.top(object)
    if isinstance(under, Opaque):
        under.state.append(state)


def _persistent(machine: Machine, _: Any) -> None:
    machine.stack.append(persistent_storage(machine.pop()))


def _drop_group(machine: Machine, _: Any) -> None:
    machine.group()


VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
OPS: Mapping[str, Op] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(VALUES, _push),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _reduce),
    "MARK": _constant(lambda: MARK),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_SET": _constant(lambda: Opaque(Symbol("builtins.set"))),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.group())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "LIST": lambda machine, _: machine.stack.append(machine.group()),
    "DICT": lambda machine, _: machine.stack.append(_pairs(machine.group())),
    "APPEND": lambda machine, _: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.group()),
    "ADDITEMS": lambda machine, _: _append(machine, machine.group()),
    "SETITEM": lambda machine, _: _set_items(machine, [machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.group()),
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": _drop_group,
    "DUP": lambda machine, _: machine.stack.append(machine.top(object)),
    "MEMOIZE": _memoize,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
"""What is understood. PERSID, INST, OBJ, EXT1 and the like are left out on purpose."""
