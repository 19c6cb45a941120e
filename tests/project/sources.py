"""The project's own files, read as text and as syntax trees."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "calls_in", "imports_of", "modules", "project_files", "syntax"]

ROOT = Path(__file__).parents[2]
PACKAGE = "pipeline"

_NOT_OURS = {"build", "dist", "output", "__pycache__"}
"""Folders that git ignores; those that begin with a dot are left out too, but for the CI's."""


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that belongs to the project, as git would list them; there may be no git here."""
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not (name.startswith(".") or name in _NOT_OURS)]
        folders[:] = [name for name in folders if not name.endswith(".egg-info")]
        found += [Path(folder, name) for name in names if name == ".gitignore" or not name.startswith(".")]
    return tuple(sorted(found))


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by their full names."""
    found: dict[str, Path] = {}
    for path in project_files():
        if path.suffix == ".py" and path.is_relative_to(ROOT / PACKAGE):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def syntax(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(module: str) -> set[str]:
    """Return what a module imports when it runs, at its top or later; what only type checkers see is left out."""
    found: set[str] = set()
    for node in _running(syntax(modules()[module])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            full = {f"{source}.{alias.name}" for alias in node.names}
            # A name out of a package may be a module of its own.
            found |= {name if name in modules() else source for name in full}
    return found


def calls_in(module: str) -> list[ast.Call]:
    """Return all calls in a module."""
    return [node for node in ast.walk(syntax(modules()[module])) if isinstance(node, ast.Call)]


def _running(node: ast.AST) -> list[ast.AST]:
    """Return all nodes below one that can run."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        found += [child, *_running(child)]
    return found
