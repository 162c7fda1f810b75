"""config.yaml: every key has its default in it, and an error names the key, the value and the rule."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from node.config import ConfigurationError, Settings, load_settings
from tests.conftest import REPOSITORY

PEER = {"name": "pacs", "ae_title": "ORTHANC", "host": "10.0.0.1", "port": 4242}


def write(folder: Path, document: Any) -> Path:
    path = folder / "config.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def refusal(folder: Path, document: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(folder, document))
    return str(caught.value)


def test_the_file_in_the_repository_holds_every_key_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    document = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    defaults = Settings()
    assert document.keys() == Settings.model_fields.keys()
    assert Settings(**document) == defaults
    for name, section in document.items():
        if isinstance(section, dict):
            assert section.keys() == type(getattr(defaults, name)).model_fields.keys(), name


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().receive.bind == "127.0.0.1"
    assert load_settings().data_folder == tmp_path / "coxa-data"


def test_the_data_folder_is_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load_settings(write(tmp_path, {"data_folder": "d"})).data_folder == tmp_path / "d"


def test_a_routes_bundle_is_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    route, *_ = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))["routes"]
    settings = load_settings(write(tmp_path, {"routes": [route | {"bundle": "own"}]}))
    assert settings.route("hip-tissue").bundle == tmp_path / "own"


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COXA_RECEIVE__PORT", "104")
    settings = load_settings(write(tmp_path, {"receive": {"port": 11113, "ae_title": "HIP"}}))
    assert (settings.receive.port, settings.receive.ae_title) == (104, "HIP")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"receive": {"port": 99999}}, ["receive.port", "99999", "less than or equal to 65535"]),
        ({"receive": {"prot": 104}}, ["receive.prot", "not permitted"]),
        ({"receive": {"ae_title": "A" * 17}}, ["receive.ae_title", "A" * 17]),
        ({"receive": {"ae_title": "A\\B"}}, ["receive.ae_title"]),
        ({"receive": {"ae_title": "  "}}, ["receive.ae_title"]),
        ({"receive": {"allow": [{"ae_title": "CT", "address": "10.0.0.300"}]}}, ["receive.allow.0.address"]),
        ({"receive": {"bind": "0.0.0.0"}}, ["receive.allow must name who may send"]),
        ({"peers": [PEER, PEER]}, ["'pacs' is used twice"]),
        ({"completion": {"ask": "pacs"}}, ["'pacs'", "not in peers"]),
        (
            {"routes": [{"name": "x", "pipeline": "hop", "when": [{"keyword": "Modality", "equals": "CT"}]}]},
            ["'hop'", "no pipeline", "hip-tissue"],
        ),
        ({"log_level": "LOUD"}, ["log_level", "'LOUD'"]),
        ("receive: [", ["is not YAML"]),
        ("- 1", ["must be a mapping"]),
    ],
)
def test_an_error_names_key_value_and_rule(tmp_path: Path, document: Any, words: list[str]) -> None:
    text = refusal(tmp_path, document)
    assert "config.yaml" in text
    for word in words:
        assert word in text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml cannot be read"):
        load_settings(tmp_path / "nothing.yaml")


def test_a_network_is_opened_by_naming_callers(tmp_path: Path) -> None:
    receive = {"bind": "0.0.0.0", "allow": [{"ae_title": "*", "address": "10.0.0.0/8"}]}
    assert load_settings(write(tmp_path, {"receive": receive})).receive.allow[0].address == "10.0.0.0/8"


def test_unknown_names_say_what_is_known(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, {"peers": [PEER]}))
    with pytest.raises(ConfigurationError, match=r"no peer 'psac'.*Known: pacs"):
        settings.peer("psac")
