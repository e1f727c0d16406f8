"""Copying a template's working data to where the step will work. Standard library only."""

import shutil
import stat
from pathlib import Path


def copy_working_data(source: Path, folder: Path) -> None:
    """Copy a file, or a folder with all that is in it, into `folder` under its own name; OSError where that fails.

    Links stay links. The owner may change everything of the copy, whatever the original allows.
    """
    place = folder / source.name
    try:
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True)
        else:
            shutil.copy2(source, place)
    except shutil.Error as error:
        failed, _, reason = error.args[0][0]
        raise OSError(f"{failed}: {reason}") from error
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR | (stat.S_IXUSR if path.is_dir() else 0))
