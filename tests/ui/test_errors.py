from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from cad_studio.core.errors import ReadOnlyError, RecordNotFoundError, SettingError
from cad_studio.ui.answers import Answered
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Real, Text, Whole, read_request

WORDS = "size is 0; the least is 1."
UNEXPECTED = "Unexpected error; the details are in the log of the studio."


class Asked(BaseModel):
    """One part of every kind."""

    number: Whole = 1
    share: Annotated[Real, Field(ge=0, le=1)] = 0.5
    text: Text = ""
    flag: bool = False
    rows: Annotated[list[Whole], Field(max_length=2)] = []
    values: dict[str, Any] = {}
    name: str


def refusing(error):
    def handler(asked: Asked) -> dict:
        if error is not None:
            raise error
        return {"name": asked.name}

    return handler


def test_server_functions_answer_with_words_and_never_raise(caplog):
    asked = {"name": "a"}
    assert answers_errors(refusing(ReadOnlyError("Only to look at.")))(asked) == {
        "error": "Only to look at."
    }
    assert answers_errors(refusing(KeyError("job")))(asked) == {"error": UNEXPECTED}
    assert "KeyError" in caplog.text
    assert answers_errors(refusing(SettingError("--id")), str.upper)(asked) == {"error": "--ID"}
    assert answers_errors(refusing(None))(asked) == {"name": "a"}


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
    def route() -> None:
        raise error

    answer = TestClient(FastAPI(routes=[Answered("/try", route)])).get("/try")
    assert (answer.status_code, answer.json()) == (status, {"error": words})


def test_a_route_that_works_is_left_alone():
    def route() -> dict:
        return {"a": 1}

    assert TestClient(FastAPI(routes=[Answered("/try", route)])).get("/try").json() == {"a": 1}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "The request lacks 'name'."),
        ({"name": 3}, "name is 3; expected text."),
        ({"name": "a", "number": "x"}, "number is 'x'; expected a whole number."),
        ({"name": "a", "number": True}, "number is True; expected a whole number."),
        ({"name": "a", "number": 2.5}, "number is 2.5; expected a whole number."),
        ({"name": "a", "number": 10**15}, "number is 1000000000000000; expected a whole number."),
        ({"name": "a", "share": 2}, "share is 2; the most is 1."),
        ({"name": "a", "share": float("nan")}, "share is None; expected a number."),
        ({"name": "a", "text": "x" * 201}, "text has more than 200 characters."),
        ({"name": "a", "flag": "yes"}, "flag is 'yes'; expected true or false."),
        ({"name": "a", "rows": [1, 2, 3]}, "rows has more than 2 values."),
        ({"name": "a", "rows": {}}, "rows is {}; expected a list."),
        ({"name": "a", "rows": [1, "b"]}, "rows.1 is 'b'; expected a whole number."),
        ({"name": "a", "values": []}, "values is []; expected named values."),
        ([], "This is not a request that a page makes: it has no named parts."),
    ],
)
def test_what_is_wrong_with_a_request_is_said_in_words(asked, words):
    with pytest.raises(SettingError) as caught:
        read_request(Asked, asked)
    assert str(caught.value) == words


def test_a_request_is_read_as_the_page_holds_it():
    asked = read_request(Asked, {"name": "a", "number": "12", "share": 1, "more": 3})
    assert (asked.number, asked.share) == (12, 1.0)
