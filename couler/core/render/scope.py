"""What the code of one scope may refer to: its parameters, and the steps that were written before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from couler.core.render.code import STEP, WIDTH, Code, lines
from couler.core.render.literals import block, is_block
from couler.core.render.names import Names


def exact(part: object) -> str:
    """Tells apart what Python takes for equal: 1, 1.0 and True."""
    return repr(part)


@dataclass(frozen=True, slots=True)
class Known:
    """A step that was written before.

    Attributes:
        variable: What holds its output.
        first: The output that the variable stands for.
        outputs: Output name to the type that others see.
    """

    variable: str
    first: str
    outputs: Mapping[str, str]


@dataclass(slots=True)
class Module:
    """The parts of a file that stand before its workflows.

    Attributes:
        imports: Import statements, in order.
        parts: Functions, classes and constants by name.
        blocks: Long texts to the names that hold them.
        reserved: Names that are kept for functions which travel with steps.
    """

    names: Names = field(default_factory=Names)
    imports: dict[str, None] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    def text_or_name(self, wish: str, value: str, code: Code) -> Code:
        """The code of a text, or the name of a block at the top of the file that holds a long one."""
        if not is_block(value):
            return code
        if value not in self.blocks:
            self.blocks[value] = self.names.new(wish.upper())
        return self.blocks[value]

    def blocks_text(self) -> list[str]:
        """The blocks as assignments."""
        return [f"{name} = {block(value)}" for value, name in self.blocks.items()]


@dataclass(slots=True)
class Scope:
    """A scope of the workflow, as a Python function or a ``with`` block.

    Attributes:
        parameters: Parameter name to its variable.
        types: Parameter name to its type.
        items: Name of a list that is mapped over to its variable, where there is one.
        item_types: Name of a list to the type of its items.
        steps: Name of a step to where its output is.
        used: Steps that something refers to, so that they need a variable.
        functions: Groups (see `exact`) that have a function already, and whether it is a plain one, to its name.
        round_output: In the condition of a loop: the output that the lambda's argument stands for.
        depth: How far the code is moved to the right.
        label: The step whose code is being written, for names of blocks.
    """

    module: Module
    names: Names
    parameters: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    item_types: dict[str, str] = field(default_factory=dict)
    steps: dict[str, Known] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    functions: dict[tuple[str, bool], str] = field(default_factory=dict)
    round_output: str = ""
    label: str = ""
    depth: int = 1

    def lines(self, before: str, code: Code, after: str = "", indent: int = 0) -> Iterator[str]:
        """The code as lines that fit where the scope stands."""
        return lines(before, code, after, indent, WIDTH - len(STEP) * self.depth)
