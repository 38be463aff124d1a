"""A small interpreter of the expressions of Argo (expr-lang), for reading back what was compiled.

Written from the language definition (https://expr-lang.org/docs/language-definition), and compared with Argo's own
evaluation where Go is at hand. It knows what compiled documents use and refuses the rest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class ExpressionError(Exception):
    """An expression cannot be read, or ends in an error where Argo would end in one too."""


class MissingError(Exception):
    """A variable is not in scope: Argo would wait for it, or say that it is missing."""


class Token(NamedTuple):
    """A word of an expression."""

    kind: str
    text: str


_TOKENS = re.compile(
    r"""(?P<blank>\s+)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<name>[A-Za-z_$][A-Za-z0-9_]*)
    |(?P<sign>\?\?|\?\.|\|\||&&|==|!=|<=|>=|\.\.|\*\*|[-+*/%<>!?:.,;()\[\]{}|=\#])""",
    re.VERBOSE | re.DOTALL,
)

_WORD_OPERATORS = {"in", "not", "and", "or", "matches", "contains", "startsWith", "endsWith"}

_BINARY = {
    "||": 10, "or": 10, "&&": 15, "and": 15,
    "==": 20, "!=": 20, "<": 20, "<=": 20, ">": 20, ">=": 20,
    "in": 20, "not": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20, "..": 25,
    "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "??": 500,
}  # fmt: skip
"""How tightly operators bind."""


def tokens(text: str) -> Iterator[Token]:
    """The words of an expression."""
    position = 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise ExpressionError(f"cannot read {text[position : position + 20]!r}")
        position = match.end()
        kind = match.lastgroup or ""
        if kind == "name" and match[0] in _WORD_OPERATORS:
            kind = "sign"
        if kind != "blank":
            yield Token(kind, match[0])
    yield Token("end", "")


class Node(NamedTuple):
    """A part of an expression: what it is, and its parts."""

    kind: str
    parts: tuple[Any, ...]


def parse(text: str) -> Node:
    """The tree of an expression.

    >>> parse("1 + 2 * 3").parts[0]
    '+'
    """
    return _Parser(list(tokens(text))).whole()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0

    def whole(self) -> Node:
        node = self._sequence()
        self._expect("")
        return node

    def _sequence(self) -> Node:
        if self._peek() == Token("name", "let"):
            self._next()
            name = self._next().text
            self._expect("=")
            value = self._expression()
            self._expect(";")
            return Node("let", (name, value, self._sequence()))
        return self._expression()

    def _expression(self, tightness: int = 0) -> Node:
        node = self._unary()
        while (operator := self._peek()).kind == "sign" and _BINARY.get(operator.text, -1) >= max(tightness, 1):
            strength = _BINARY[operator.text]
            self._next()
            sign = operator.text
            if sign == "not":
                self._expect("in")
                node = Node("unary", ("!", Node("binary", ("in", node, self._expression(strength + 1)))))
            else:
                right = self._expression(strength if sign == "**" else strength + 1)
                node = Node("binary", ({"and": "&&", "or": "||"}.get(sign, sign), node, right))
        if tightness == 0 and self._accept("?"):
            yes = self._expression()
            self._expect(":")
            return Node("choice", (node, yes, self._expression()))
        return node

    def _unary(self) -> Node:
        word = self._peek()
        if word.kind == "sign" and word.text in ("!", "not"):
            self._next()
            return Node("unary", ("!", self._expression(50)))
        if word.kind == "sign" and word.text in ("-", "+"):
            self._next()
            return Node("unary", (word.text, self._expression(90)))
        return self._postfix(self._primary())

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._accept("."):
                node = Node("member", (node, Node("literal", (self._next().text,)), False))
            elif self._accept("?."):
                if self._accept("["):
                    node = Node("member", (node, self._expression(), True))
                    self._expect("]")
                else:
                    node = Node("member", (node, Node("literal", (self._next().text,)), True))
            elif self._accept("["):
                node = self._indexed(node)
            elif node.kind in ("name", "member") and self._accept("("):
                node = Node("call", (_dotted(node), tuple(self._list(")"))))
            else:
                return node

    def _indexed(self, node: Node) -> Node:
        """A member, or a slice such as ``x[1:]``."""
        start = None if self._peek().text == ":" else self._expression()
        if not self._accept(":"):
            self._expect("]")
            return Node("member", (node, start, False))
        end = None if self._peek().text == "]" else self._expression()
        self._expect("]")
        bounds = tuple(Node("literal", (None,)) if bound is None else bound for bound in (start, end))
        return Node("slice", (node, *bounds))

    def _primary(self) -> Node:
        word = self._next()
        if word.kind == "number":
            return Node("literal", (float(word.text) if re.search("[.eE]", word.text) else int(word.text),))
        if word.kind == "string":
            return Node("literal", (_unquoted(word.text),))
        if word.kind == "name":
            if word.text in _CONSTANTS:
                return Node("literal", (_CONSTANTS[word.text],))
            return Node("name", (word.text,))
        if word.text == "(":
            node = self._sequence()
            self._expect(")")
            return node
        if word.text == "[":
            return Node("list", tuple(self._list("]")))
        if word.text == "#":
            return Node("name", ("#",))
        if word.text == ".":  # a field of the current item
            return Node("member", (Node("name", ("#",)), Node("literal", (self._next().text,)), False))
        if word.text == "{":
            return self._braces()
        raise ExpressionError(f"'{word.text}' stands where a value should")

    def _braces(self) -> Node:
        pairs = []
        while not self._accept("}"):
            key = self._expression()
            if not self._accept(":"):  # a predicate such as {# > 1}
                self._expect("}")
                return key
            key = Node("literal", key.parts) if key.kind == "name" else key
            pairs.append((key, self._expression()))
            self._accept(",")
        return Node("map", tuple(pairs))

    def _list(self, closing: str) -> Iterator[Node]:
        while not self._accept(closing):
            yield self._expression()
            if not self._accept(","):
                self._expect(closing)
                return

    def _peek(self) -> Token:
        return self._words[self._at]

    def _next(self) -> Token:
        self._at += 1
        return self._words[self._at - 1]

    def _accept(self, text: str) -> bool:
        word = self._peek()
        if word.text == text and word.kind in ("sign", "end"):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise ExpressionError(f"'{self._peek().text}' stands where '{text or 'the end'}' should")


_CONSTANTS = {"true": True, "false": False, "nil": None}


def _dotted(node: Node) -> str:
    if node.kind == "name":
        return str(node.parts[0])
    return f"{_dotted(node.parts[0])}.{node.parts[1].parts[0]}"


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", _unescaped, text[1:-1], flags=re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}.get(code, code)


# --- evaluation ------------------------------------------------------------------------------------------------

Scope = Callable[[str], Any]
"""From a dotted variable such as ``tasks.a.status`` to its value; raises `MissingError` when it is not in scope."""


def variables(node: Node) -> set[str]:
    """Dotted variables that an expression reads.

    >>> sorted(variables(parse("tasks['a-b'].status == x.y && len(z) > 1")))
    ['tasks.a-b.status', 'x.y', 'z']
    """
    found = _variable(node)
    if found is not None:
        return {found}
    names: set[str] = set()
    for part in node.parts:
        for inner in part if isinstance(part, tuple) and not isinstance(part, Node) else (part,):
            if isinstance(inner, Node):
                names |= variables(inner)
            elif isinstance(inner, tuple):
                names |= set().union(*(variables(each) for each in inner if isinstance(each, Node)))
    return names


def required(node: Node) -> set[str]:
    """Variables that must be known: all but those whose absence ``??`` or ``?.`` provides for."""
    if node.kind == "binary" and node.parts[0] == "??":
        return required(node.parts[2])
    if node.kind == "member" and node.parts[2]:
        return set()
    found = _variable(node)
    if found is not None:
        return {found}
    names: set[str] = set()
    for part in node.parts:
        for inner in part if isinstance(part, tuple) and not isinstance(part, Node) else (part,):
            if isinstance(inner, Node):
                names |= required(inner)
            elif isinstance(inner, tuple):
                names |= set().union(*(required(each) for each in inner if isinstance(each, Node)))
    return names


def _variable(node: Node) -> str | None:
    """The dotted name of a variable, where a chain of constant members begins at a name."""
    names: list[str] = []
    while (
        node.kind == "member"
        and not node.parts[2]
        and node.parts[1].kind == "literal"
        and isinstance(node.parts[1].parts[0], str)
    ):
        names.append(node.parts[1].parts[0])
        node = node.parts[0]
    if node.kind != "name" or node.parts[0] == "#":
        return None
    return ".".join([node.parts[0], *reversed(names)])


def evaluate(node: Node, scope: Scope, local: Mapping[str, Any] = {}) -> Any:
    """What an expression comes to.

    Raises:
        ExpressionError: It ends in an error.
        MissingError: A variable is not in scope.
    """
    name = _variable(node)
    if name is not None:
        first = name.partition(".")[0]
        if first not in local:
            return scope(name)
    match node.kind:
        case "literal":
            return node.parts[0]
        case "name":
            return local[node.parts[0]]
        case "list":
            return [evaluate(part, scope, local) for part in node.parts]
        case "map":
            return {evaluate(key, scope, local): evaluate(value, scope, local) for key, value in node.parts}
        case "let":
            return evaluate(node.parts[2], scope, {**local, node.parts[0]: evaluate(node.parts[1], scope, local)})
        case "choice":
            chosen = 1 if _truth(evaluate(node.parts[0], scope, local)) else 2
            return evaluate(node.parts[chosen], scope, local)
        case "unary":
            return _of_one(node.parts[0], evaluate(node.parts[1], scope, local))
        case "binary":
            return _binary(node, scope, local)
        case "member":
            return _member(*(evaluate(part, scope, local) for part in node.parts[:2]), node.parts[2])
        case "slice":
            value, start, end = (evaluate(part, scope, local) for part in node.parts)
            return value[start:end]
        case "call":
            return _call(node.parts[0], node.parts[1], scope, local)
    raise ExpressionError(f"unknown part '{node.kind}'")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{value!r} is no bool")
    return value


def _of_one(sign: str, value: Any) -> Any:
    if sign == "!":
        return not _truth(value)
    if not _is_number(value):
        raise ExpressionError(f"{sign}{value!r}")
    return -value if sign == "-" else value


def _binary(node: Node, scope: Scope, local: Mapping[str, Any]) -> Any:
    sign, left, right = node.parts
    if sign == "??":
        try:
            found = evaluate(left, scope, local)
        except ExpressionError:
            found = None
        return evaluate(right, scope, local) if found is None else found
    first = evaluate(left, scope, local)
    if sign == "&&":
        return _truth(evaluate(right, scope, local)) if _truth(first) else False
    if sign == "||":
        return True if _truth(first) else _truth(evaluate(right, scope, local))
    return _of_two(sign, first, evaluate(right, scope, local))


def _of_two(sign: str, left: Any, right: Any) -> Any:
    if sign in ("==", "!="):
        return _equal(left, right) == (sign == "==")
    if sign == "in":
        return _is_in(left, right)
    both_text = isinstance(left, str) and isinstance(right, str)
    if sign in ("<", "<=", ">", ">=") and (both_text or (_is_number(left) and _is_number(right))):
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign]
    if both_text and sign in _OF_TEXTS:
        return _OF_TEXTS[sign](left, right)
    if sign in _OF_NUMBERS and _is_number(left) and _is_number(right):
        return _OF_NUMBERS[sign](left, right)
    raise ExpressionError(f"{left!r} {sign} {right!r}")


_OF_TEXTS: dict[str, Callable[[str, str], Any]] = {
    "+": lambda left, right: left + right,
    "contains": lambda left, right: right in left,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": lambda left, right: re.search(right, left) is not None,
}
_OF_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "..": lambda left, right: list(range(left, right + 1)),
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "%": lambda left, right: left % right,
    "**": lambda left, right: left**right,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(item, right[key]) for key, item in left.items())
    comparable = type(left) is type(right) or (_is_number(left) and _is_number(right))
    return bool(comparable and left == right)


def _is_in(left: Any, right: Any) -> bool:
    if right is None:
        return False
    if isinstance(right, list):
        return any(_equal(left, item) for item in right)
    if isinstance(right, dict) and isinstance(left, str):
        return left in right
    raise ExpressionError(f"{left!r} in {right!r}")


def _member(value: Any, key: Any, optional: bool) -> Any:
    if value is None and optional:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    raise ExpressionError(f"{value!r} has no {key!r}")


_WITH_ITEMS = ("map", "filter", "all", "any", "none", "count", "one", "find")


def _call(name: str, arguments: tuple[Node, ...], scope: Scope, local: Mapping[str, Any]) -> Any:
    if name in _WITH_ITEMS and len(arguments) == 2:
        values = evaluate(arguments[0], scope, local)
        found = [evaluate(arguments[1], scope, {**local, "#": value}) for value in values]
        return _over_items(name, values, found)
    if name == "sprig.fail":
        raise ExpressionError(str(evaluate(arguments[0], scope, local)))
    if name not in FUNCTIONS:
        raise ExpressionError(f"unknown function '{name}'")
    given = [evaluate(argument, scope, local) for argument in arguments]
    try:
        return FUNCTIONS[name](*given)
    except (TypeError, ValueError, LookupError) as error:
        raise ExpressionError(f"{name}({', '.join(map(repr, given))}): {error}") from error


def _over_items(name: str, values: list[Any], found: list[Any]) -> Any:
    kept = [value for value, holds in zip(values, found, strict=True) if name != "map" and _truth(holds)]
    return {
        "map": lambda: found, "filter": lambda: kept, "all": lambda: len(kept) == len(values),
        "any": lambda: bool(kept), "none": lambda: not kept, "count": lambda: len(kept), "one": lambda: len(kept) == 1,
        "find": lambda: kept[0] if kept else None,
    }[name]()  # fmt: skip


def from_json(text: Any) -> Any:
    """As Go reads it: all numbers are floats."""
    if not isinstance(text, str):
        raise ValueError("no text")
    return json.loads(text, parse_int=float)


def to_json(value: Any) -> str:
    """Compact, with sorted keys, whole floats without a point, and three signs escaped."""
    text = json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _type(value: Any) -> str:
    kinds = {bool: "bool", int: "int", float: "float", str: "string", list: "array", dict: "map", type(None): "nil"}
    return kinds[type(value)]


def _string(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "fromJSON": from_json,
    "toJson": to_json,
    "toJSON": lambda value: json.dumps(_whole(value), indent=2),
    "asInt": lambda text: int(text, 10),
    "asFloat": float,
    "int": int,
    "float": float,
    "string": _string,
    "sprig.trunc": lambda size, text: text[:size],
    "len": len,
    "type": _type,
    "keys": lambda value: list(value),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "split": lambda text, by: text.split(by),
    "join": lambda parts, by="": by.join(parts),
    "replace": lambda text, old, new: text.replace(old, new),
    "trim": lambda text, signs=None: text.strip(signs),
    "trimSuffix": lambda text, end: text.removesuffix(end),
    "trimPrefix": lambda text, start: text.removeprefix(start),
    "lower": str.lower,
    "upper": str.upper,
    "toBase64": lambda text: base64.b64encode(text.encode()).decode(),
    "fromBase64": lambda text: base64.b64decode(text).decode(),
    "concat": lambda *lists: [item for values in lists for item in values],
    "sort": sorted,
    "max": max,
    "min": min,
    "sum": sum,
    "sortBy": lambda values, key: sorted(values, key=key),
}
"""Functions that compiled documents may use."""


def result_text(value: Any) -> str:
    """What a tag with an expression leaves in the text around it.

    Raises:
        ExpressionError: It is nil, which Argo does not put into a text.
    """
    if value is None:
        raise ExpressionError("nil")
    return value if isinstance(value, str) else to_json(value)
