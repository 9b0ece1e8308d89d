"""Settings: ranges, and the way to JSON and back."""

import json
from dataclasses import dataclass, field

import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import (
    check_settings,
    describe_settings,
    settings_from_json,
    settings_to_json,
)


@dataclass(frozen=True)
class MinerConfig:
    source: str
    threshold: float = field(default=0.9, metadata={"minimum": -1.0, "maximum": 1.0})
    limit: int | None = field(default=None, metadata={"minimum": 1})
    method: str = field(default="exact", metadata={"choices": ("exact", "approximate")})
    centred: bool = True
    weights: float | None = 0.5

    def __post_init__(self):
        check_settings(self)


def test_settings_come_back_from_json_as_they_went():
    config = MinerConfig("pixels", threshold=-0.25, limit=7, centred=False, weights=None)
    text = json.dumps(settings_to_json(config))
    assert settings_from_json(MinerConfig, json.loads(text)) == config


def test_absent_fields_take_their_defaults():
    assert settings_from_json(MinerConfig, {"source": "x"}) == MinerConfig("x")


def test_whole_numbers_pass_between_int_and_float():
    config = settings_from_json(MinerConfig, {"source": "x", "threshold": 1, "limit": 20.0})
    assert (config.threshold, config.limit) == (1.0, 20)
    assert isinstance(config.threshold, float)
    assert isinstance(config.limit, int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"source is missing\."),
        ({"source": "x", "limit": 0}, r"limit is 0; the least is 1\."),
        ({"source": "x", "threshold": 1.5}, r"threshold is 1\.5; the most is 1\.0\."),
        ({"source": "x", "threshold": float("nan")}, r"threshold is not a number\."),
        ({"source": "x", "method": "exakt"}, r"method is 'exakt'\. Closest: 'exact'\."),
        ({"source": "x", "treshold": 1.0}, r"'treshold' is not a setting.*Closest: 'threshold'\."),
        ({"source": "x", "limit": 2.5}, r"limit is 2\.5; expected a whole number\."),
        ({"source": "x", "limit": True}, r"limit is True; expected a whole number\."),
        ({"source": "x", "threshold": "0.9"}, r"threshold is '0\.9'; expected a number\."),
        ({"source": "x", "centred": 1}, r"centred is 1; expected true or false\."),
        ({"source": None}, r"source is empty; expected a text\."),
    ],
)
def test_a_value_that_does_not_fit_is_named(values, message):
    with pytest.raises(SettingError, match=message):
        settings_from_json(MinerConfig, values)


@pytest.mark.parametrize("limit", [1, None])
def test_the_borders_and_none_are_inside(limit):
    assert MinerConfig("x", threshold=-1.0, limit=limit).limit == limit


def test_a_description_holds_what_a_form_needs_and_goes_through_json():
    described = describe_settings(MinerConfig)
    assert json.loads(json.dumps(described)) == described
    assert [(each["name"], each["type"], each["optional"]) for each in described] == [
        ("source", "str", False),
        ("threshold", "float", False),
        ("limit", "int", True),
        ("method", "choice", False),
        ("centred", "bool", False),
        ("weights", "float", True),
    ]
    source, threshold, limit, method, *_ = described
    assert (source["required"], source["default"]) == (True, None)
    assert (threshold["default"], threshold["minimum"], threshold["maximum"]) == (0.9, -1.0, 1.0)
    assert (limit["required"], limit["default"], limit["maximum"]) == (False, None, None)
    assert method["choices"] == ["exact", "approximate"]


@dataclass(frozen=True)
class RareConfig:
    steps: float | int = field(
        default=2, metadata={"help": "How many.", "advanced": True, "label": "Number of steps"}
    )
    names: list = field(default_factory=list)


def test_a_description_tells_help_rarity_and_made_defaults():
    steps, names = describe_settings(RareConfig)
    assert (steps["help"], steps["advanced"], steps["type"]) == ("How many.", True, "float")
    assert (names["help"], names["advanced"], names["default"]) == ("", False, [])
    assert (steps["label"], names["label"]) == ("Number of steps", "Names")
    assert (steps["suggestions"], names["suggestions"]) == (None, None)


def test_the_defaults_of_a_description_are_valid_settings():
    given = {each["name"]: each["default"] for each in describe_settings(MinerConfig)}
    assert settings_from_json(MinerConfig, {**given, "source": "x"}) == MinerConfig("x")
