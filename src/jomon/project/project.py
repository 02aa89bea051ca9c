"""An open project: its file, its folder, and the verbs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jomon.core.errors import JomonError, UnknownNameError
from jomon.core.spec_yaml import parse_project
from jomon.project.home import FOLDER, Home
from jomon.project.opened import OpenProject

if TYPE_CHECKING:
    from jomon.data.report import IngestReport
    from jomon.project.build_report import BuildReport
    from jomon.project.fleet import Fleet
    from jomon.project.refreshing import RefreshReport, Source
    from jomon.training.stage import Progress

FILE = "jomon.yaml"


class Project(OpenProject):
    """A folder with a `jomon.yaml`, read and checked; nothing is opened before it is used."""

    def ingest(
        self, *, fresh: bool = False, progress: Callable[[str], None] = lambda step: None
    ) -> IngestReport:
        """Read the source into the tables; see `jomon.data.ingest.ingest`."""
        from jomon.data.ingest import ingest

        home = self.home
        return ingest(
            self.folder, self.spec, home.tables, fresh=fresh, progress=progress, copies=home.lookups
        )

    def build(
        self,
        names: tuple[str, ...] = (),
        refresh: str = "all",
        progress: Progress | None = None,
        workers: int | None = None,
        use_cache: bool = True,
    ) -> BuildReport:
        """Build the fleet from gold and store it as an image under `names` (`FLEET:latest` if none is given)."""
        from jomon.project.building import build

        return build(self, names or (self.latest,), refresh, progress, workers, use_cache)

    def refresh(
        self, reference: str | None = None, until: str | None = None, source: Source = "gold"
    ) -> RefreshReport:
        """Bring the fast parts of an image up to the outcomes known on local day `until` (all), from gold or from
        answered rows (`predictions`)."""
        from jomon.project.refreshing import refresh

        return refresh(self, reference or self.latest, until, source)

    def evaluate(self, reference: str | None = None, **options: Any) -> dict[str, Any]:
        """Compare an image with its peers on later time; see `jomon.project.evaluating.evaluate`."""
        from jomon.project.evaluating import evaluate

        return evaluate(self, reference or self.latest, **options)

    def load(self, reference: str | None = None) -> Fleet:
        """An image of this project, ready to answer."""
        from jomon.project.fleet import Fleet

        return Fleet.load(self.home, reference or self.latest)


def open_project(path: str | Path = ".", home: Path | None = None) -> Project:
    """Read and check the project in a folder (or the project file itself).

    Raises `UnknownNameError` where there is no project file, `SpecError` where it says something that cannot be.
    """
    given = Path(path)
    file = given if given.suffix in (".yaml", ".yml") else given / FILE
    folder = file.parent.resolve()
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise UnknownNameError(
            f"There is no {file}: go into a project, name it with --project, or start one with `jomon init`."
        ) from None
    except OSError as error:
        raise JomonError(f"{file} cannot be read ({error.strerror}); check its permissions.") from error
    return Project(folder, parse_project(text, str(file)), Home(home or folder / FOLDER))
