"""Every answer that a test brings about is held against what its route declares."""

from functools import cache

import pytest
from pydantic import TypeAdapter, ValidationError

import cad_studio.ui.answers as answers

_untrue: list[str] = []


@cache
def _adapter(view):
    return TypeAdapter(view)


def untruths(body: bytes, view: object) -> list[str]:
    """What of an answer's JSON is not as its view says: kinds, and names that it lacks."""
    adapter = _adapter(view)
    try:
        read = adapter.validate_json(body, strict=True)
    except ValidationError as error:
        return [f"{each['loc']}: {each['msg']}, {each['input']!r:.60}" for each in error.errors()]
    return undeclared(TypeAdapter(object).validate_json(body), adapter.dump_python(read), "")


def undeclared(given: object, kept: object, place: str) -> list[str]:
    """Names in `given` that are not in `kept`, which holds the declared ones alone."""
    if isinstance(given, dict) and isinstance(kept, dict):
        names = {str(name): value for name, value in kept.items()}
        return [
            found
            for name, value in given.items()
            for found in (
                undeclared(value, names[name], f"{place}.{name}")
                if name in names
                else [f"{place}.{name} is not declared"]
            )
        ]
    if isinstance(given, list) and isinstance(kept, list):
        pairs = zip(given, kept, strict=True)
        return [found for one, two in pairs for found in undeclared(one, two, f"{place}[]")]
    return []


@pytest.fixture(scope="session", autouse=True)
def _answers_are_looked_at():
    """Stands between routes and what they send."""
    told = answers.json_answer

    def looked_at(value, view=None):
        response = told(value, view)
        if view is not None:
            _untrue.extend(f"{view}: {each}" for each in untruths(response.body, view))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "json_answer", looked_at)
        yield


@pytest.fixture(autouse=True)
def _answers_are_as_declared():
    """A test in which a route answered otherwise than its view says is in error."""
    yield
    found = sorted(set(_untrue))
    _untrue.clear()
    assert not found, "\n".join(found[:20])
