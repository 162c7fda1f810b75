"""Unique identifiers that follow from what they identify.

A result is identified by what decides it: the images that were read, the frames that were chosen with what
they show, the values and flags that were found, the earlier result they were compared with, the model with
the checksum of its weights, the route, the settings, the version of Coxa and the form of the segmentation.
The same work done again, after a crash or on another machine, gives the same identifiers, so a second copy
replaces the first in the PACS. Anything else gives others: what was sent is never changed in place. The
version of Coxa counts because a new version may write other content for the same numbers.

UIDs are derived from name-based UUIDs (RFC 9562 section 5.5, PS3.5 section B.2): ``2.25.`` and at most 39
digits.
"""

import json
import uuid
from typing import Any

from inference.result import ModelIdentity, Prior, Result

_NAMESPACE = uuid.UUID("e5afec44-9f90-4203-b146-f5bc50c6ea57")


def result_uid(result: Result, form: str, *kind: str) -> str:
    """UID of one thing that belongs to a result.

    Args:
        result: what it belongs to.
        form: of the segmentation, ``BINARY`` or ``LABELMAP``.
        kind: which thing, e.g. ``"instance", "SR"``.
    """
    provenance = result.provenance
    return _uid(
        {
            "frames": [[str(f.dataset.SOPInstanceUID), f.frame_number] for f in result.frames],
            "images": provenance.source_instance_uids,
            "content": _content(result),
            "model": _facts(provenance.model),
            "route": provenance.route,
            "settings": dict(provenance.settings),
            "software_version": provenance.software_version,
            "form": form,
            "kind": kind,
        }
    )


def device_uid(model: ModelIdentity) -> str:
    """Device UID (0018,1002): another one for every version of a model."""
    return _uid({"kind": ["device"], "model": _facts(model)})


def device_serial_number(model: ModelIdentity) -> str:
    """Device Serial Number (0018,1000): the end of the Device UID, short enough to be read out."""
    return device_uid(model)[-16:]


def _content(result: Result) -> list[str]:
    """Digest of pixels and labels, values and flags.

    Other bytes may come under the same SOP Instance UID. What was known beside the images, an earlier result
    or a fracture, stands in values and flags.
    """
    values = ["absent" if m.value is None else f"{m.value:.6g}" for m in result.measurements]
    flags = [f"{flag.code}: {flag.text}" for flag in result.quality]
    return [result.pixels_sha256, *values, *flags, *_prior(result.prior)]


def _prior(prior: Prior | None) -> list[str]:
    if prior is None:
        return []
    return [prior.study_date.isoformat(), str(prior.remeasured), *map(str, _facts(prior.model))]


def _facts(model: ModelIdentity) -> list[str | None]:
    return [model.name, model.version, model.weights_sha256]


def _uid(facts: dict[str, Any]) -> str:
    name = uuid.uuid5(_NAMESPACE, json.dumps(facts, sort_keys=True))
    return f"2.25.{name.int}"
