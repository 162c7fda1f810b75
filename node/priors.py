"""Which studies are of one patient, told without keeping who the patient is.

Same Patient ID, same issuer and same birth date are the same patient. The database gets a keyed hash of the
three (HMAC-SHA256, FIPS 198-1) instead; without the secret beside it nobody can tell from it who was
examined, not even by trying all identifiers. A secret that is lost, or a new one, only means that no earlier
study is found.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from node.jobs import StudiedPatient

KEYWORDS = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyDate", "StudyTime")
"""What ``studied_patient`` looks at."""

SECRET_BYTES = 32


def make_secret(path: Path) -> None:
    """Makes the secret where there is none: a file that only its owner can read, whole or not at all.

    Raises:
        OSError: the disk failed.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SECRET_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.rename(path)


def studied_patient(series_headers: Iterable[Mapping[str, object]], secret: bytes) -> StudiedPatient | None:
    """Whose study it is and when it was made.

    Args:
        series_headers: of each series of the study, values by ``KEYWORDS``.
        secret: from the file of ``make_secret``.

    Returns:
        None without a Patient ID or a study date, and where the series of the study disagree.
    """
    found = {_of_series(header, secret) for header in series_headers}
    if len(found) != 1:
        return None
    return found.pop()


def _of_series(header: Mapping[str, object], secret: bytes) -> StudiedPatient | None:
    who = [_text(header, keyword) for keyword in KEYWORDS[:3]]
    date, time = (_text(header, keyword) for keyword in KEYWORDS[3:])
    if not who[0] or not re.fullmatch(r"\d{8}", date):
        return None
    key = hmac.new(secret, json.dumps(who).encode(), hashlib.sha256).hexdigest()
    whole_seconds = re.match(r"\d{0,6}", time)
    return StudiedPatient(key, date + (whole_seconds[0] if whole_seconds else "").ljust(6, "0"))


def _text(header: Mapping[str, object], keyword: str) -> str:
    """Empty where there is no single value: several Patient IDs name nobody."""
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) else ""
