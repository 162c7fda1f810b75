from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import ValidationError

from tests.training.synthesis.plain import PLAIN
from training.errors import ConfigurationError
from training.synthesis.variation import Variation, draw, happens, load_variation


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "variation.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def listed(document: dict[str, Any]) -> dict[str, Any]:
    """As YAML has it: lists instead of tuples, in sections of their own."""
    plain: dict[str, Any] = yaml.safe_load(
        yaml.safe_dump(
            {name: {key: _listed(value) for key, value in one.items()} for name, one in document.items()}
        )
    )
    return plain


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_default_comes_with_coxa_and_is_possible() -> None:
    variation = load_variation("default")
    assert variation.bone.cortex_hu[0] > 300, "cortex is what lies above 300 HU"
    assert variation.muscle.hu[0] + variation.muscle.one_hu[0] - variation.muscle.blurred_fat[1] > -30
    assert variation.fat.hu[1] < -30
    assert variation.muscle.infiltration[0] >= 0
    assert variation.levels.neck_mm[0] < -15 < variation.levels.neck_mm[1], (
        "the neck lies below the head's centre"
    )


def test_a_file_is_read(tmp_path: Path) -> None:
    document = listed(PLAIN)
    document["fat"]["skin_mm"] = [1.0, 4.0]
    assert load_variation(written(tmp_path, document)).fat.skin_mm == (1.0, 4.0)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("fat", "skin_mm", [4.0, 1.0], "above the upper"),
        ("fat", "colour", [0.0, 1.0], "Extra inputs"),
        ("shape", "mirrored", 1.5, "less than or equal to 1"),
        ("scanner", "kvp", [75, 120], "scanners work at 80 to 140"),
        ("scanner", "kvp", [120, 150], "scanners work at 80 to 140"),
        ("muscle", "hu", ["35", 68], "valid number"),
        ("muscle", "streak_cell_mm", [0.0, 6.0], "above 0"),
        ("shape", "deformation_cell_mm", [0.0, 120.0], "above 0"),
        ("shape", "size", [0.0, 1.1], "above 0"),
        ("shape", "depth_to_width", [0.0, 1.1], "above 0"),
        ("shape", "stretch_along_body", [-1.0, 1.1], "above 0"),
        ("levels", "field_mm", [0.0, 500.0], "above 0"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, section: str, key: str, value: Any, message: str) -> None:
    document = listed(PLAIN)
    document[section][key] = value
    with pytest.raises(ConfigurationError, match=message):
        load_variation(written(tmp_path, document))


def test_a_file_that_lacks_something_is_refused(tmp_path: Path) -> None:
    document = listed(PLAIN)
    del document["posture"]["tilt_deg"]
    with pytest.raises(ConfigurationError, match=r"posture\.tilt_deg"):
        load_variation(written(tmp_path, document))


def test_values_are_drawn_evenly_between_the_limits() -> None:
    random = torch.Generator().manual_seed(1)
    values = torch.tensor([draw((-2.0, 4.0), random) for _ in range(2000)])
    assert values.min() >= -2
    assert values.max() <= 4
    quarters = torch.histc(values, bins=4, min=-2, max=4)
    assert quarters == pytest.approx(torch.full((4,), 500.0), abs=80)
    assert draw((3.0, 3.0), random) == 3


def test_things_happen_as_often_as_their_chance_says() -> None:
    random = torch.Generator().manual_seed(1)
    assert sum(happens(0.3, random) for _ in range(2000)) == pytest.approx(600, abs=80)
    assert not any(happens(0.0, random) for _ in range(100))
    assert all(happens(1.0, random) for _ in range(100))


def test_what_was_read_cannot_be_changed() -> None:
    variation = Variation.model_validate(PLAIN)
    with pytest.raises(ValidationError, match="frozen"):
        variation.fat.skin_mm = (0.0, 1.0)
