"""Argo's own controller, executor and server, built from their Go modules, and the definitions that a cluster needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.engines.kubernetes import cache, golang, images

HERE = Path(__file__).resolve().parent
VERSIONS = ("4.0.7", "3.7.18")
"""Those that have a ``go.mod`` under ``binaries/``: the newest Go module of each line of Argo that is kept up."""
DEFAULT = os.environ.get("COULER_TEST_ARGO", VERSIONS[0])

LINKS = {"workflow/executor/osspecific/signal_linux.go": "signal_darwin.go"}
"""Symbolic links of the source tree: Go module archives cannot hold them, and the executor does not build without."""

PAGES = "ui/dist/app/index.html"
"""Argo's server carries the pages of its user interface, which module archives lack: it gets an empty one."""

SOURCES = ("api", "cmd", "config", "errors", "manifests", "persist", "pkg", "server", "ui", "util", "workflow")


@dataclass(frozen=True)
class Argo:
    """One version of Argo, ready to start."""

    version: str
    controller: Path
    server: Path
    executor_image: Path
    """An image archive."""
    definitions: Path
    """The folder of the custom resource definitions."""

    @property
    def executor_image_name(self) -> str:
        return image_name(self.version)


def image_name(version: str) -> str:
    return f"quay.io/argoproj/argoexec:v{version}"


def build(version: str = DEFAULT) -> Argo:
    """Build one version, or take it from the cache.

    Args:
        version: One of ``VERSIONS``.

    Returns:
        Where its parts are.
    """
    module = f"github.com/argoproj/argo-workflows/v{version.partition('.')[0]}"
    source = _whole_source(version, module)
    build_files = _build_files(version, module, source)
    folder = f"bin/argo-{version}"
    variables = {
        f"{module}.gitTag": f"v{version}",
        f"{module}.gitCommit": "unknown",
        f"{module}.gitTreeState": "clean",
    }
    controller, executor, server = (
        golang.executable(f"{folder}/{name}", build_files, f"{module}/cmd/{name}", variables)
        for name in ("workflow-controller", "argoexec", "argo")
    )
    image = images.of_executable(
        f"argoexec-{version}", executor, image_name(version), {"/etc/nsswitch.conf": "hosts: files dns\n"}
    )
    definitions = source / "manifests" / "base" / "crds" / _kind_of_definitions(version)
    return Argo(version, controller, server, image, definitions)


def _kind_of_definitions(version: str) -> str:
    """What the release installs by default: with the whole schema from 4.0 on, before that without."""
    return "minimal" if version.startswith("3.") else "full"


def _whole_source(version: str, module: str) -> Path:
    """A copy of the module's source with the links and the page that its archive lacks."""

    def copy(target: Path) -> None:
        source = golang.module_folder(HERE / "binaries" / f"v{version}", module)
        for name in SOURCES:
            if (source / name).is_dir():
                shutil.copytree(source / name, target / name, copy_function=shutil.copyfile)
        for file in [*source.glob("*.go"), source / "go.mod", source / "go.sum"]:
            shutil.copyfile(file, target / file.name)
        for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        for link, name in LINKS.items():
            (target / link).symlink_to(name)
        (target / PAGES).parent.mkdir(parents=True)
        (target / PAGES).touch()

    return cache.kept(f"sources/argo-{version}", [version, *SOURCES, *LINKS, PAGES], copy)


def _build_files(version: str, module: str, source: Path) -> Path:
    """Our ``go.mod`` for this version, with the module replaced by its whole source."""
    ours = HERE / "binaries" / f"v{version}"

    def write(target: Path) -> None:
        target.mkdir()
        replace = f"\nreplace {module} => {source}\n"
        (target / "go.mod").write_text((ours / "go.mod").read_text() + replace)
        shutil.copyfile(ours / "go.sum", target / "go.sum")

    return cache.kept(f"sources/argo-{version}-build", [ours, str(source)], write)
