import logging

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cad_studio.core.errors import ReadOnlyError, RecordNotFoundError, SettingError
from cad_studio.ui.errors import answers_errors, route_errors, shows_errors

WORDS = "size is 0; the least is 1."
UNEXPECTED = "Unexpected error; the details are in the log of the studio."


def raising(error):
    def handler(*_):
        raise error

    return handler


def test_an_expected_error_is_shown_in_its_own_words(caplog):
    with pytest.raises(gr.Error) as caught:
        shows_errors(raising(SettingError(WORDS)))()
    assert caught.value.message == WORDS
    assert not caplog.records


def test_a_bug_is_shown_as_one_and_its_details_go_to_the_log(caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as caught:
        shows_errors(raising(ValueError("row_count < 0 in /home/ada/secret.py")))()
    assert caught.value.message == UNEXPECTED
    assert "row_count < 0" in caplog.text


def test_server_functions_answer_with_words_and_never_raise(caplog):
    assert answers_errors(raising(ReadOnlyError("Only to look at.")))({}) == {
        "error": "Only to look at."
    }
    assert answers_errors(raising(KeyError("job")))({}) == {"error": UNEXPECTED}
    assert "KeyError" in caplog.text
    assert answers_errors(lambda wanted: wanted)({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (SettingError(WORDS), 400, WORDS),
        (RecordNotFoundError("No job 3."), 404, "No job 3."),
        (ReadOnlyError("Only to look at."), 403, "Only to look at."),
        (RuntimeError("secret"), 500, UNEXPECTED),
    ],
)
def test_routes_answer_errors_with_a_status_and_words(error, status, words):
    app = Starlette(routes=[Route("/try", route_errors(raising(error)))])
    answer = TestClient(app).get("/try")
    assert (answer.status_code, answer.json()) == (status, {"error": words})


def test_a_route_that_works_is_left_alone():
    app = Starlette(routes=[Route("/try", route_errors(lambda _: JSONResponse({"a": 1})))])
    assert TestClient(app).get("/try").json() == {"a": 1}
