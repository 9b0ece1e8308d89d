"""What an import tells in the window: of fields, not of options; names stay as they are."""

from dataclasses import replace

from cad_studio.ui.job_forms import in_fields
from cad_studio.ui.views import job_entry


def test_options_are_told_as_the_fields_of_the_form_and_nothing_else_changes():
    said = (
        "give --candidates, or --unlabelled keep; change with --list-separator. a--format --dry-run"
    )
    assert in_fields(said) == (
        'give "Candidate sets", or "Samples without label" keep; change with '
        '"Between candidates in a cell". a--format --dry-run'
    )


def test_only_sentences_of_an_import_are_changed(services):
    job = services.jobs.submit("import", {"source": "x", "name": "y"})
    done = replace(
        job, error="Say which with --format.",
        result={"name": "--format", "understood": ["6 images (change with --splits)"]},
    )  # fmt: skip
    told = job_entry(done)
    assert told["error"] == 'Say which with "Format".'
    assert told["result"] == {"name": "--format", "understood": ['6 images (change with "Splits")']}
    other = job_entry(replace(done, kind="train"))
    assert other["error"] == "Say which with --format."
