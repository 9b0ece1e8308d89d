"""A log read while it is written."""

import pytest

from cad_studio.jobs._base import LOG_PART_BYTES
from cad_studio.jobs.logs import read_part


@pytest.fixture
def file(tmp_path):
    return tmp_path / "job-1.txt"


def test_what_is_appended_is_read_from_where_the_last_part_ended(file):
    file.write_bytes("Bild ü\n".encode())
    first = read_part(file, 0)
    assert first.text == "Bild ü\n"
    assert read_part(file, first.next_byte) == type(first)("", first.next_byte)
    with file.open("ab") as log:
        log.write(b"weiter\n")
    assert read_part(file, first.next_byte).text == "weiter\n"


def test_a_long_log_comes_in_parts_that_put_together_are_the_whole(file):
    text = "ünïcödé 𝄞 line\n" * 20_000
    file.write_bytes(text.encode())
    parts, after = [], 0
    while (part := read_part(file, after)).text:
        assert len(part.text.encode()) <= LOG_PART_BYTES
        parts.append(part.text)
        after = part.next_byte
    assert "".join(parts) == text
    assert after == len(text.encode())


@pytest.mark.parametrize("character", ["ü", "€", "𝄞"])
def test_a_character_half_written_is_left_for_the_next_time(file, character):
    whole = character.encode()
    for n_written in range(1, len(whole)):
        file.write_bytes(b"a" + whole[:n_written])
        part = read_part(file, 0)
        assert (part.text, part.next_byte) == ("a", 1)
        file.write_bytes(b"a" + whole)
        assert read_part(file, part.next_byte).text == character


def test_bytes_that_are_no_text_are_shown_as_such_and_hold_nothing_up(file):
    file.write_bytes(b"a\xff\x80\x80\x80\x80b\xff")
    part = read_part(file, 0)
    assert part.next_byte == 8
    assert part.text.startswith("a\N{REPLACEMENT CHARACTER}")


def test_the_end_is_read_by_counting_from_it_and_begins_with_a_whole_character(file):
    file.write_bytes("0123ü789".encode())
    assert read_part(file, -3).text == "789"
    assert read_part(file, -4).text == "789"  # the fourth byte from the end is inside the ü
    assert read_part(file, -5).text == "ü789"
    assert read_part(file, -500).text == "0123ü789"
    assert read_part(file, -4).next_byte == 9


def test_a_log_that_is_missing_or_shorter_than_thought_is_empty_there(file):
    assert (read_part(file, 0).text, read_part(file, 0).next_byte) == ("", 0)
    file.write_text("short")
    assert (read_part(file, 99).text, read_part(file, 99).next_byte) == ("", 5)
