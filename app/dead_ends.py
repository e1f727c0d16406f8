"""Settings of steps that lead nowhere on this machine.

They are warnings, not errors: a folder may be mounted, a program be installed and a module be deployed while the server runs.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from app.settings import Settings
from domain.step_template import StepTemplate


def dead_ends(settings: Settings, templates: Mapping[str, StepTemplate]) -> Iterator[str]:
    """A sentence for each folder, function and program that is not there."""
    for folder in settings.steps.folders:
        if not _is_folder(folder):
            yield f"PLOG_STEPS__FOLDERS: {folder.absolute()} is no folder of this machine; no decks come from there."
    for name, place in settings.steps.functions.items():
        package = place.partition(":")[0].partition(".")[0]  # to look further down would run code of it
        if package not in sys.modules and find_spec(package) is None:
            yield f"PLOG_STEPS__FUNCTIONS: {name!r} is {place}, but no module {package!r} is here; designs with it will fail."
    for template in templates.values():
        for job_type, step in template.steps.items():
            program, path = step.command[0], step.environment.get("PATH")
            is_in_run_folder = "/" in program and not Path(program).is_absolute()
            if not is_in_run_folder and shutil.which(program, path=path) is None:
                yield f"PLOG_STEPS__TEMPLATES: [{template.name}.{job_type}] no program {program!r} is here; its jobs will fail."


def _is_folder(path: Path) -> bool:
    """Whether it is one, as far as it may be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False
