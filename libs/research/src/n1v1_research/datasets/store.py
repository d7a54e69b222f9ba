"""Imported datasets on disk: one folder for each id, never changed once it is there, and names that point to ids.

<folder>/<id>/               see stored.py
<folder>/names/<name>        the id that the name stands for
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData, UnknownName, nearest
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.stored import Entry, entry_of, write_files

NAMES = "names"
SHORTEST_PREFIX = 4

_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_INCOMING = ".incoming-"
_ABANDONED_S = 3600
"""No import takes an hour: what is older was left by one that was killed."""


def default_folder() -> Path:
    """datasets below $N1V1_STATE_DIR, else below n1v1 in the user's state folder (XDG base directory specification)."""
    if named := os.environ.get("N1V1_STATE_DIR"):
        return Path(named).expanduser().absolute() / "datasets"
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "n1v1" / "datasets"


class Store:
    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else default_folder()

    def add(self, dataset: Dataset, *, origin: Mapping[str, Any], now_ns: int) -> tuple[Entry, bool]:
        """Keep a dataset under its id and let its name stand for it; whether it is new.

        It is there as a whole or not at all, whenever this is interrupted. Raises InvalidData for a name that is none.
        """
        check_name(dataset.name)
        destination = self.folder / dataset.id
        is_new = not destination.exists()
        if is_new:
            self._write(dataset, destination, origin, now_ns)
        self.name(dataset.name, dataset.id)
        return entry_of(destination), is_new

    def name(self, name: str, dataset_id: str) -> None:
        """Let `name` stand for a dataset; it may have stood for another."""
        names = self.folder / NAMES
        names.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=names, prefix=_INCOMING, delete=False) as file:
            file.write(dataset_id + "\n")
        Path(file.name).replace(names / check_name(name))

    def names(self) -> dict[str, str]:
        """Ids by name, sorted by name."""
        files = sorted((self.folder / NAMES).glob("*"))
        return {file.name: file.read_text().strip() for file in files if _NAME.fullmatch(file.name)}

    def find(self, name_or_id: str) -> Entry | None:
        """The dataset of a name, an id or the beginning of an id; None when there is none.

        Raises UnknownName when several ids begin like that, InvalidData when the dataset is damaged.
        """
        folder = self._folder(name_or_id)
        return entry_of(folder) if folder else None

    def folder_of(self, name_or_id: str) -> Path:
        """As `find`, whether it is damaged or not. Raises UnknownName also when there is none."""
        if (folder := self._folder(name_or_id)) is None:
            raise UnknownName(f"no imported dataset {name_or_id!r}{nearest(name_or_id, self.names())}")
        return folder

    def _folder(self, name_or_id: str) -> Path | None:
        if (dataset_id := self.names().get(name_or_id)) is not None and (self.folder / dataset_id).is_dir():
            return self.folder / dataset_id
        if len(name_or_id) < SHORTEST_PREFIX:
            return None
        found = [folder for folder in self.folders() if folder.name.startswith(name_or_id)]
        if len(found) > 1:
            ids = ", ".join(folder.name[:12] for folder in found)
            raise UnknownName(f"several datasets have an id that begins with {name_or_id!r}: {ids}")
        return found[0] if found else None

    def folders(self) -> Iterator[Path]:
        """Of every stored dataset, by id."""
        if self.folder.is_dir():
            yield from sorted(path for path in self.folder.iterdir() if _ID.fullmatch(path.name))

    def _write(self, dataset: Dataset, destination: Path, origin: Mapping[str, Any], now_ns: int) -> None:
        """Into a folder of its own first: renaming it is the one moment at which the dataset comes to be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        incoming = Path(tempfile.mkdtemp(dir=self.folder, prefix=_INCOMING))
        try:
            write_files(dataset, incoming, origin, now_ns)
            incoming.chmod(0o755)
            incoming.rename(destination)
        except OSError:
            if not destination.is_dir():  # else somebody has imported the same at the same time
                raise
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    def _remove_abandoned(self) -> None:
        for folder in self.folder.glob(f"{_INCOMING}*"):
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def check_name(name: str) -> str:
    """Raises InvalidData for a name that could not be a file's."""
    if not _NAME.fullmatch(name):
        raise InvalidData(f"expected a name of letters, digits, '.', '_' and '-', such as btc-2020; got {name!r}")
    return name
