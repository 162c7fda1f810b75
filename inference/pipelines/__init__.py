"""One module per route's pipeline: read, pre-process, segment, measure. One class each, same shape."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inference.result import ModelIdentity, Result
    from inference.volume import SeriesLayout

_PIPELINES = {
    "hip-tissue": ("inference.pipelines.hip_tissue", "HipTissue"),
    "thigh-muscle": ("inference.pipelines.thigh_muscle", "ThighMuscle"),
}

PIPELINE_NAMES = tuple(_PIPELINES)


class Pipeline(Protocol):
    """A series in, a result out."""

    name: str
    model: "ModelIdentity"

    def __call__(self, layout: "SeriesLayout", route: str) -> "Result":
        """Measures one series.

        Raises:
            inference.errors.Refused: the series cannot be measured safely.
        """
        ...


def load_pipeline(name: str, bundle: Path | None = None) -> Pipeline:
    """The pipeline of this name; it is made, and its model loaded, once per process.

    Args:
        bundle: folder of the model to use instead of the one that Coxa comes with.

    Raises:
        KeyError: there is no such pipeline.
        inference.errors.BundleError: the bundle cannot be used.
    """
    return _loaded(name, bundle)


@cache
def _loaded(name: str, bundle: Path | None) -> Pipeline:
    module, cls = _PIPELINES[name]
    pipeline: Pipeline = getattr(import_module(module), cls)(bundle)
    return pipeline
