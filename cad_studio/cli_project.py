"""Commands about the project as a whole: is it whole, and what to do where it is not."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cad_studio.command_line import Json, Line, opened, project_folder, show
from cad_studio.core.errors import ProjectError
from cad_studio.services.operations import run_operation
from cad_studio.services.verifying import summary, unopened
from cad_studio.store.backups import Backups
from cad_studio.store.repair import repair as repair_project
from cad_studio.store.repair import restore as restore_project

_NOT_WHOLE = 2


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (verify, backups, restore, repair):
        app.command()(command)


def verify(as_json: Json = False) -> None:
    """Check the database, every stored file, and the logs; exit status 0 only when all is whole."""
    line = Line()
    try:
        with opened() as services:
            result = run_operation(services, "verify", {}, line)
    except ProjectError as error:
        result = unopened(project_folder(), error)
    finally:
        line.clear()
    show(result, as_json, summary)
    if not result["is_whole"]:
        raise typer.Exit(_NOT_WHOLE)


def backups(as_json: Json = False) -> None:
    """List the copies of the database, newest first; one is made a day, the last few are kept."""
    folder = project_folder()
    found = [
        {**asdict(each), "file": each.file.name}
        for each in Backups(folder / "backups", folder / "project.db").all()
    ]
    show({"backups": found}, as_json, _backups_text)


def restore(
    name: Annotated[
        str | None, typer.Argument(help="File of the copy; the newest when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go back to a copy of the database. What is there now is set aside, not deleted."""
    show(restore_project(project_folder(), name), as_json, _restored_text)


def repair(as_json: Json = False) -> None:
    """Make a project with a lost or damaged database usable again; no file is deleted."""
    show(repair_project(project_folder()), as_json, _repaired_text)


def _backups_text(result: dict[str, Any]) -> str:
    lines = [
        f"{each['file']}: {each['made_at']}, {each['size_bytes'] / 1e6:.1f} MB, "
        + ("unreadable" if each["datasets"] is None else ", ".join(each["datasets"]) or "empty")
        for each in result["backups"]
    ]
    return "\n".join(lines) or "No copies yet; one is made within a day of the first dataset."


def _restored_text(result: dict[str, Any]) -> str:
    lines = [
        f"The database is that of {result['made_at']} ({result['restored']}): "
        f"{', '.join(result['datasets'] or []) or 'no datasets'}."
    ]
    if result["missing"]:
        lines.append(f"{result['missing']:,} files it names are missing: see `verify`.")
    return "\n".join([*lines, *_aside_text(result)])


def _repaired_text(result: dict[str, Any]) -> str:
    lines = {
        "whole": "The database is whole and was kept.",
        "damaged": "The database was damaged; what could be read of it is in a new one"
        + (", which is all of it." if result["is_complete"] else ". Some rows are lost."),
        "lost": "The database was lost; there is a new, empty one.",
        "foreign": "The database was that of another project; there is a new, empty one.",
    }
    text = [lines[result["database"]]]
    if result["restored"]:
        text = [f"The database was {result['database']}; it is that of {result['restored']} now."]
    text += [f"Forgotten, as its files are damaged: {words}." for words in result["forgotten"]]
    return "\n".join([*text, *_aside_text(result), "Check it: python -m cad_studio verify."])


def _aside_text(result: dict[str, Any]) -> list[str]:
    if not result["set_aside"]:
        return []
    return [
        f"{result['set_aside']:,} files ({result['bytes'] / 1e6:.1f} MB) were set aside in "
        f"{result['folder']}. Delete that folder when nothing in it is needed."
    ]
