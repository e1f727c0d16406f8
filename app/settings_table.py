"""The table of all settings for the documentation, made from the settings themselves."""

from collections.abc import Iterator

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.setting_groups import Group
from app.settings import Settings

HEADER = """# Settings

Environment variables, or lines of a file `.env` in the working folder. Lists and objects are JSON. A name that begins with
`PLOG_` and is not among these, or a value that does not fit, ends the command with one sentence. This page is written by
`plog export-settings`.

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """The page in Markdown."""
    return HEADER + "".join(f"| `{name}` | {default} | {meaning} |\n" for name, default, meaning in _rows())


def _rows() -> Iterator[tuple[str, str, str]]:
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Group):
            for field, inner in kind.model_fields.items():
                yield _row(f"PLOG_{name}__{inner.alias or field}".upper(), inner)
        else:
            yield _row(f"PLOG_{name}".upper(), info)


def _row(name: str, info: FieldInfo) -> tuple[str, str, str]:
    default = info.get_default(call_default_factory=True, validated_data={})
    is_empty = default is PydanticUndefined or default in ("", [], {})
    return name, "" if is_empty else f"`{default}`", info.description or ""
