"""Configurations are checked whole, and errors name the key."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from training.errors import ConfigurationError
from training.tissue_config import MixedData, SyntheticData, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "training" / "configs"


def changed(tmp_path: Path, **changes: Any) -> Path:
    """Coxa's own configuration with some keys changed; None removes one."""
    document = yaml.safe_load((CONFIGS / "hip_tissue.yaml").read_text(encoding="utf-8"))
    for path, value in ({"bundle__licence": "LICENSE"} | changes).items():
        *sections, key = path.split("__")
        place = document
        for section in sections:
            place = place[section]
        place[key] = value
        if value is None:
            del place[key]
    (tmp_path / "LICENSE").touch()
    (tmp_path / "model_card.md").touch()
    target = tmp_path / "config.yaml"
    target.write_text(yaml.safe_dump(document), encoding="utf-8")
    return target


@pytest.mark.parametrize("name", ["hip_tissue.yaml", "hip_tissue_imani2025.yaml"])
def test_shipped_configurations_are_whole_and_their_texts_exist(name: str) -> None:
    config = load_config(CONFIGS / name)
    assert config.bundle.model_card.is_file()
    assert config.bundle.licence.is_file()


def test_the_published_training_is_as_published() -> None:
    config = load_config(CONFIGS / "hip_tissue_imani2025.yaml")
    assert config.optimiser.learning_rate == 1e-4
    assert config.optimiser.schedule == "constant"
    assert (config.batch, config.length.epochs, config.loss) == (2, 200, "cross_entropy")
    assert isinstance(config.data, SyntheticData)
    assert config.data.subjects == 200
    assert (config.network.stem_stride, len(config.windows_hu), config.ema_decay) == (1, 1, None)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(changed(tmp_path, output=str(tmp_path / "elsewhere")))
    assert config.output == tmp_path / "elsewhere"
    assert config.bundle.licence == tmp_path.resolve() / "LICENSE"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"momentum": 0.9}, "momentum"),
        ({"optimiser__momentum": 0.9}, "optimiser.momentum"),
        ({"optimiser__learning_rate": "1e-4"}, "optimiser.learning_rate is '1e-4'"),
        ({"optimiser__learning_rate": 0}, "optimiser.learning_rate is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"batch": None}, "batch"),
        ({"batch": 2.5}, "batch is 2.5"),
        ({"windows_hu": [[400, 0]]}, "must be below the upper"),
        ({"windows_hu": []}, "windows_hu"),
        ({"loss": "dice"}, "loss is 'dice'"),
        ({"data__kind": "pictures"}, "data"),
        ({"data__subjects": 3}, "either slices_per_epoch or subjects"),
        ({"data__slices_per_epoch": None}, "either slices_per_epoch or subjects"),
        ({"network__layers": [3, 3]}, "growth and layers"),
        ({"network__head_growth": 0}, "head_layers and head_growth go together"),
        ({"length": {}}, "exactly one of epochs, steps and max_minutes"),
        ({"length__steps": 5}, "exactly one of epochs, steps and max_minutes"),
        ({"optimiser__schedule": "constant"}, "warmup_steps need the schedule cosine"),
        ({"validation__slices": None}, "validation.slices"),
        ({"data": {"kind": "cases", "cases": "cases"}}, "validation.people"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_config(changed(tmp_path, **changes))
    assert named in str(raised.value)
    assert "config.yaml" in str(raised.value)


def test_subjects_validated_on_must_not_be_trained_on(tmp_path: Path) -> None:
    cases = {"kind": "cases", "cases": "cases", "leave_out": ["b"]}
    with pytest.raises(ConfigurationError, match=r"validation\.people: a must be in data\.leave_out"):
        load_config(changed(tmp_path, data=cases, validation__people=["a", "b"]))
    config = load_config(changed(tmp_path, data=cases, validation__people=["b"]))
    assert config.validation is not None
    assert config.validation.people == ("b",)


@pytest.mark.parametrize("text", ["[1, 2]", "", "a: b: c"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="config"):
        load_config(path)


def test_mixed_data_have_parts_with_paths_of_their_own(tmp_path: Path) -> None:
    part = {"kind": "synthetic", "anatomy": "people", "slices_per_epoch": 8}
    mixed = {"kind": "mixed", "parts": [part, part | {"anatomy": "others"}]}
    config = load_config(changed(tmp_path, data=mixed))
    assert isinstance(config.data, MixedData)
    assert [part.anatomy for part in config.data.parts if isinstance(part, SyntheticData)] == [
        tmp_path.resolve() / "people",
        tmp_path.resolve() / "others",
    ]
    with pytest.raises(ConfigurationError, match="with mixed data only synthetic people"):
        load_config(changed(tmp_path, data=mixed, validation__people=["a"]))


def test_a_missing_text_is_noticed_before_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"bundle\.licence: there is no file"):
        load_config(changed(tmp_path, bundle__licence="nowhere"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml cannot be read"):
        load_config(tmp_path / "nothing.yaml")
