"""The forms that start jobs: what they show at first, and what becomes of what is filled in."""

from dataclasses import fields

import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import settings_from_json
from cad_studio.datasets._base import ReadOptions
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.import_texts import options_from_json
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.ui.job_forms import (
    ExportForm,
    ImportForm,
    described_form,
    in_fields,
    mining_asked,
)

NAMES = ("import", "synthesize", "export", "mine")
NOT_ASKED = {"cache_dir", "candidates_mode"}  # of the command line alone


def filled(**values):
    return settings_from_json(ImportForm, values)


def shown(name):
    return {each["name"]: each["default"] for each in described_form(name)}


def test_what_a_form_shows_at_first_is_what_its_settings_take():
    assert filled(**shown("import")) == ImportForm()
    assert settings_from_json(SynthesisConfig, shown("synthesize")) == SynthesisConfig()
    assert settings_from_json(ExportForm, shown("export")) == ExportForm()
    _, search = mining_asked(shown("mine"))
    assert settings_from_json(MiningConfig, search) == MiningConfig(quantile=1e-3)
    assert mining_asked({})[1] == {"quantile": 1e-3}


@pytest.mark.parametrize("name", NAMES)
def test_every_field_says_what_it_is(name):
    described = described_form(name)
    assert len({each["label"] for each in described}) == len(described)
    for each in described:
        assert each["label"][0].isupper()
        assert each["type"] in {"int", "float", "bool", "str", "choice"}
        assert not each["required"]


def test_another_form_is_refused_with_the_closest():
    with pytest.raises(SettingError, match=r"'exports' is not a form\. Closest: 'export'"):
        described_form("exports")


def test_an_import_can_say_all_that_a_reader_may_be_told():
    known = {field.name for field in fields(ReadOptions)} - NOT_ASKED
    assert known == filled().options().keys()
    assert options_from_json(filled().options()) == ReadOptions()


def test_what_is_typed_becomes_the_options_of_a_reader(tmp_path):
    options = options_from_json(
        filled(
            splits="train, test", class_names='oak, "beech, red"', columns="image=file,id=name",
            separator="tab", bit_depth=12, threshold=0.5, follow_links=True, encoding=" cp1252 ",
            candidates=str(tmp_path / "sets.csv"),
        ).options()
    )  # fmt: skip
    assert (options.splits, options.class_names) == (("train", "test"), ("oak", "beech, red"))
    assert options.columns == {"image": ["file"], "id": ["name"]}
    assert (options.separator, options.bit_depth, options.threshold) == ("tab", 12, 0.5)
    assert (options.encoding, options.follow_links) == ("cp1252", True)
    assert options.candidates == str(tmp_path / "sets.csv")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bit_depth": "twelve"}, "bit_depth is 'twelve'; expected a whole number"),
        ({"threshold": 2.0}, r"threshold is 2\.0; the most is 1\.0"),
        ({"separator": "dot"}, "separator is 'dot'"),
        ({"columns": "image"}, "'image' does not say which column is what"),
        ({"class_names": '"oak'}, "is not a list of names"),
        ({"colour": "red"}, "'colour' is not a setting here"),
        ({"source": None}, "source is empty; expected a text"),
    ],
)
def test_what_cannot_be_is_said_with_its_name_and_value(values, words):
    with pytest.raises(SettingError, match=words):
        filled(**values).options()


def test_the_names_of_very_many_classes_fit_and_a_path_has_an_end():
    names = ", ".join(f"a class of a long name, number {number}" for number in range(2000))
    assert len(filled(class_names=names).options()["class_names"]) == 4000
    with pytest.raises(SettingError, match="source has more than 4,096 characters"):
        filled(source="/" + "a" * 5000)


def test_one_source_is_given():
    assert filled(source=" a/b ").place(None) == "a/b"
    assert filled().place("/tmp/up.zip") == "/tmp/up.zip"
    with pytest.raises(SettingError, match="Two sources are given"):
        filled(source="a").place("/tmp/up.zip")
    with pytest.raises(SettingError, match="Give a source"):
        filled(source="  ").place(None)


def test_a_search_takes_a_threshold_or_a_quantile():
    form, search = mining_asked({"quantile": None, "threshold": 0.9, "split": "test"})
    assert (form.features, form.split) == ("", "test")
    assert settings_from_json(MiningConfig, search) == MiningConfig(threshold=0.9)
    with pytest.raises(SettingError, match="both is given"):
        mining_asked({"threshold": 0.9})
    with pytest.raises(SettingError, match="labels is 'worst'"):
        mining_asked({"labels": "worst"})


def test_every_option_of_the_command_line_is_told_by_its_field():
    for each in ("candidates", "skip_bad", *filled().options()):
        option = f"--{each.replace('_', '-')}"
        told = in_fields(f"Use {option}.")
        assert option not in told, each
        assert told.startswith('Use "')
