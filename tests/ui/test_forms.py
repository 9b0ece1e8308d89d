from dataclasses import dataclass, field

import gradio as gr
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import check_settings, settings_from_json
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.ui.forms import SettingsForm


@dataclass(frozen=True)
class Sample:
    """One field of every kind."""

    share: float = field(default=1e-5, metadata={"help": "How much.", "minimum": 0.0})
    n_steps: int = field(default=3, metadata={"minimum": 1, "maximum": 9})
    most: int | None = None
    least: float | None = None
    is_fast: bool = True
    name: str = "plain"
    method: str = field(default="auto", metadata={"choices": ("auto", "exact")})

    def __post_init__(self) -> None:
        check_settings(self)


def build(kind, **options) -> SettingsForm:
    with gr.Blocks(analytics_enabled=False):
        return SettingsForm(kind, "try", **options)


def shown(form: SettingsForm) -> tuple[object, ...]:
    return tuple(component.value for component in form.components)


@pytest.mark.parametrize("kind", [Sample, SynthesisConfig, MiningConfig])
def test_what_is_shown_at_first_are_the_defaults(kind):
    given = {"quantile": 0.25} if kind is MiningConfig else {}
    form = build(kind, first=given)
    assert settings_from_json(kind, form.to_json(shown(form))) == kind(**given)


def test_every_value_survives_the_way_through_the_form():
    wanted = Sample(2.5e-7, 9, 12, -0.5, False, " two words ", "exact")
    typed = ("2.5e-07", "9", "12", "-0.5", False, " two words ", "exact")
    assert settings_from_json(Sample, build(Sample).to_json(typed)) == wanted


def test_an_empty_number_is_not_given_and_spaces_do_not_matter():
    plain = build(Sample).to_json(("1", " 4 ", " ", "", True, "", "auto"))
    assert (plain["most"], plain["least"], plain["n_steps"]) == (None, None, 4)


def test_whole_numbers_may_be_typed_with_a_point():
    plain = build(Sample).to_json(("1", "4.0", "1e3", "", True, "", "auto"))
    assert settings_from_json(Sample, plain).most == 1000


@pytest.mark.parametrize(
    ("position", "typed", "words"),
    [
        (0, "-1", r"share is -1.0; the least is 0.0\."),
        (0, "much", r"share is 'much'; expected a number\."),
        (0, "nan", r"share is not a number\."),
        (1, "10", r"n_steps is 10; the most is 9\."),
        (1, "2.5", r"n_steps is 2.5; expected a whole number\."),
        (1, "", r"n_steps is empty; expected a whole number\."),
        (1, "inf", r"n_steps is inf; expected a whole number\."),
        (2, "٣.x", r"most is '٣.x'; expected a whole number\."),
        (6, "extact", r"method is 'extact'. Closest: 'exact'\."),
    ],
)
def test_what_cannot_be_is_said_with_its_name_and_value(position, typed, words):
    values: list[object] = ["1", "4", "", "", True, "", "auto"]
    values[position] = typed
    with pytest.raises(SettingError, match=words):
        build(Sample).to_json(tuple(values))


def test_components_follow_the_fields_and_carry_their_help():
    form = build(Sample)
    kinds = [type(component).__name__ for component in form.components]
    assert kinds == ["Textbox"] * 4 + ["Checkbox", "Textbox", "Dropdown"]
    first, second = form.components[:2]
    assert (first.label, first.info, first.elem_id) == ("Share", "How much.", "try-share")
    assert second.elem_id == "try-n-steps"
    assert [value for value, _ in form.components[6].choices] == ["auto", "exact"]


def test_fields_left_out_of_the_form_keep_their_defaults():
    form = build(MiningConfig, only=("method", "quantile"), first={"quantile": 1e-3})
    assert [component.elem_id for component in form.components] == ["try-method", "try-quantile"]
    plain = form.to_json(("exact", "0.01"))
    assert settings_from_json(MiningConfig, plain) == MiningConfig(quantile=0.01, method="exact")


def test_a_small_number_is_shown_as_it_would_be_typed():
    assert shown(build(Sample))[0] == "1e-05"
