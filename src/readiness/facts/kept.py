"""Where a service's code keeps data in its own memory from one request to the next; of JavaScript, TypeScript and Python.

A container of the module's own (or a field of a class) that functions write into: a Map with sessions, a dictionary with
answers. What is filled while the module loads and only read later is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

SUFFIXES = frozenset({".js", ".jsx", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".py"})

_CONTAINERS = frozenset(
    {"Map", "Set", "Array", "Object", "LRUCache", "LRU", "NodeCache", "MemoryStore"}
    | {"dict", "list", "set", "defaultdict", "OrderedDict", "deque", "Counter", "TTLCache"}
)
_LITERALS = frozenset({"object", "array", "dictionary", "list", "set"})
_WRITES = frozenset(
    {"set", "add", "push", "unshift", "put", "append", "appendleft", "extend", "insert", "setdefault", "update"}
)
_FUNCTIONS = frozenset(
    {"arrow_function", "function", "function_declaration", "function_expression", "generator_function"}
    | {"generator_function_declaration", "method_definition", "function_definition", "lambda"}
)
_CLASSES = frozenset({"class_declaration", "class", "class_definition"})


def kept_in_memory(root: Node) -> Iterator[tuple[int, str]]:
    """Line (from 1) and what stands there, of each container that a function writes into: where it first does."""
    names = {name for name, value in _declared(root) if _container(value)}
    told: set[str] = set()
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, inside = waiting.pop()
        if inside and (name := _written(node)) in names and name not in told:
            told.add(name)
            yield node.start_point[0] + 1, f"{name}, kept in memory"
        inside = inside or node.type in _FUNCTIONS
        waiting += [(child, inside) for child in reversed(node.children)]


def _declared(root: Node) -> Iterator[tuple[str, Node]]:
    """Names of the module's own and fields of its classes (as `this.name`), with what they begin as."""
    waiting = [(root, "")]
    while waiting:
        node, owner = waiting.pop()
        if node.type in _FUNCTIONS:
            continue
        if node.type in _CLASSES:
            owner = "this."
        name = node.child_by_field_name("name") or node.child_by_field_name("left")
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        kinds = ("variable_declarator", "assignment", "public_field_definition", "field_definition")
        if name is None and node.type == "field_definition":  # of JavaScript, whose field is called property
            name = node.child_by_field_name("property")
        if node.type in kinds and name is not None and value is not None:
            yield f"{owner}{_source(name)}", value
        waiting += [(child, owner) for child in node.children]


def _container(value: Node) -> bool:
    if value.type in _LITERALS:
        return True
    made = value.child_by_field_name("constructor") or value.child_by_field_name("function")
    return (
        value.type in ("new_expression", "call")
        and made is not None
        and _source(made).rpartition(".")[2] in _CONTAINERS
    )


def _written(node: Node) -> str | None:
    """The container that a call or an assignment writes into: `name.set(...)`, `name[key] = ...`."""
    if node.type in ("call_expression", "call"):
        callee = node.child_by_field_name("function")
        if callee is None or callee.type not in ("member_expression", "attribute"):
            return None
        method = callee.child_by_field_name("property") or callee.child_by_field_name("attribute")
        of = callee.child_by_field_name("object")
        return _source(of) if of is not None and method is not None and _source(method) in _WRITES else None
    if node.type in ("assignment_expression", "assignment", "augmented_assignment_expression", "augmented_assignment"):
        left = node.child_by_field_name("left")
        if left is not None and left.type in ("subscript_expression", "subscript"):
            of = left.child_by_field_name("object") or left.child_by_field_name("value")
            return None if of is None else _source(of)
    return None


def _source(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
