"""The source text of the rooms, parsed once for all checks on it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("app", "gql", "resolvers", "controllers", "domain", "persistence", "adapters", "steps", "outbound")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is its path inside the project."""

    name: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, name: str, text: str) -> "Source":
        return cls(name, text, ast.parse(text))

    @property
    def room(self) -> str:
        return self.name.partition("/")[0]

    def functions(self) -> Iterator[Function]:
        """All functions and methods, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def imported(self) -> Iterator[str]:
        """The top-level names of what it imports from outside its own package."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.partition(".")[0]


def all_sources() -> list[Source]:
    """Every Python file of the rooms."""
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
