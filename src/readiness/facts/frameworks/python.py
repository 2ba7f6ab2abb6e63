"""Python migrations as a syntax tree: what is assigned, and whether a function does anything. Nothing is run."""

import ast
import warnings
from typing import Any


def parse(text: str) -> ast.Module | None:
    """The module; None where this Python can't read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of theirs: an odd escape in a string
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def assigned(tree: ast.Module | ast.ClassDef | None) -> dict[str, Any]:
    """The literals that are assigned at the top of a module or class, by name; what is no literal is left out."""
    found: dict[str, Any] = {}
    for node in tree.body if tree else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return found


def names(value: Any) -> tuple[str, ...]:
    """One name, several, or none."""
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, tuple | list | set) else ()


def function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    return next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def does_something(of: ast.FunctionDef | None) -> bool:
    """Whether a function has a statement beside docstrings, `pass` and `...`, and does not only refuse."""
    for node in of.body if of else ():
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Raise():
                return False
            case _:
                return True
    return False
