"""Commands that annotate, read the log, and simulate what annotation is worth."""

import getpass
import json
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.command_line import Json, Line, Name, opened, run, show
from cad_studio.core.errors import SettingError
from cad_studio.services.access import user_line
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.consensus import DAWID_SKENE
from cad_studio.services.annotation.simulation import SimulationConfig
from cad_studio.services.datasets.datasets import class_index
from cad_studio.services.datasets.export_formats import formats_of

annotate_app = typer.Typer(help="Annotate, read the log, simulate.", no_args_is_help=True)
users_app = typer.Typer(help="Who can log in to the window.", no_args_is_help=True)

Who = Annotated[str, typer.Option(help="Name of the annotator.")]
By = Annotated[
    str,
    typer.Option(
        help="How annotators are judged: dawid-skene, by the votes alone; or crowdlab, by the "
        "votes and a classifier of the images."
    ),
]
Class = Annotated[str | None, typer.Option("--class", help="Name of a class.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(annotate_app, name="annotate")
    app.add_typer(users_app, name="users")


@annotate_app.command()
def act(
    name: Name,
    kind: Annotated[str, typer.Argument(help="toggle, label, none, flag, same, assign, add, ...")],
    row: Annotated[list[int] | None, typer.Option(help="A sample; may be given again.")] = None,
    class_name: Class = None,
    other: Annotated[str | None, typer.Option(help="Of a pair, the second's class.")] = None,
    text: Annotated[str | None, typer.Option(help="A comment, or a new class name.")] = None,
    tag: Annotated[str | None, typer.Option(help="Name of a tag, for tag and untag.")] = None,
    into: Annotated[str | None, typer.Option(help="Class that another is merged into.")] = None,
    skip_last: Annotated[
        bool, typer.Option("--skip-last", help="Leave out samples that would lose all candidates.")
    ] = False,
    why: Annotated[str, typer.Option(help="A reason, kept in the log.")] = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Do what an annotator does in the window."""
    with opened() as services:
        record = services.datasets.get(name)
        arguments: dict[str, Any] = {}
        if class_name is not None:
            arguments["class"] = class_index(record, class_name)
            if kind in {"none", "decide"}:
                arguments["classes"] = [arguments["class"]]
        for key, given in (("other_class", other), ("into", into)):
            if given is not None:
                arguments[key] = class_index(record, given)
        if text is not None:
            arguments["name" if kind == "rename-class" else "text"] = text
        if tag is not None:
            arguments["tag"] = tag
        if skip_last:
            arguments["skip_last"] = True
        request = request_of(kind, who, rows=row or [], arguments=arguments, why=why)
        show(services.annotation.act(name, request), as_json, _act_text)


@annotate_app.command()
def undo(name: Name, who: Who = "", as_json: Json = False) -> None:
    """Take back the annotator's last action."""
    with opened() as services:
        show(services.annotation.act(name, request_of("undo", who)), as_json, _act_text)


@annotate_app.command()
def redo(name: Name, who: Who = "", as_json: Json = False) -> None:
    """Do again what was taken back last."""
    with opened() as services:
        show(services.annotation.act(name, request_of("redo", who)), as_json, _act_text)


@annotate_app.command()
def restore(
    name: Name,
    number: Annotated[int, typer.Argument(help="Action to go back to; 0 for the imported sets.")],
    row: Annotated[
        list[int] | None, typer.Option(help="Only this sample; may be repeated.")
    ] = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Bring back the sets as they were after an action, as a new action."""
    with opened() as services:
        made = services.history.restore(name, number, row, request_of("restore", who))
        show(made, as_json, _act_text)


@annotate_app.command()
def history(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")] = "",
    row: Annotated[int | None, typer.Option(help="Only what was done to this sample.")] = None,
    limit: Annotated[int, typer.Option(help="Newest actions to show.")] = 20,
    removed: Annotated[
        bool, typer.Option("--removed", help="List the logs of removed datasets.")
    ] = False,
    book: Annotated[int | None, typer.Option(help="Print one of those whole.")] = None,
    as_json: Json = False,
) -> None:
    """Say who did what."""
    with opened() as services:
        if book is not None:
            for action in services.history.of_removed(book):
                print(json.dumps(action, ensure_ascii=False))
            return
        if removed:
            show({"removed": services.history.removed()}, as_json, _removed_text)
            return
        if row is None:
            found = services.history.newest(name, limit=limit)
        else:
            found = {"actions": services.history.of_row(name, row)}
    show(found, as_json, lambda r: "\n".join(map(_line_text, r["actions"])) or "Nothing yet.")


@annotate_app.command()
def verify(
    name: Name,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the state beside the log anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay the log and hold it against the state kept beside it."""
    with opened() as services:
        found = services.history.rebuild(name) if rebuild else services.history.verify(name)
    show(
        found,
        as_json,
        lambda r: (
            f"{r['actions']:,} actions on {r['samples']:,} samples replay to the same state "
            f"(digest {r['digest'] or 'none'})."
        ),
    )


@annotate_app.command()
def agreement(name: Name, by: By = DAWID_SKENE, as_json: Json = False) -> None:
    """Say how far the annotators agree, by their statements and imported votes."""
    with opened() as services:
        found = {
            **services.annotators.agreement(name),
            "consensus": services.consensus.people(name, by),
        }
        names = services.datasets.get(name).class_names
    show(found, as_json, lambda r: _agreement_text(r, names))


@annotate_app.command()
def settled(name: Name, who: Who = "", as_json: Json = False) -> None:
    """Say of how many samples the live belief is sure, and by which features."""
    with opened() as services:
        found = services.live.standing(name, who, is_idle=True)
    show(found, as_json, _settled_text)


@annotate_app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Name of the dataset; sample is the bundled one.")],
    queue: Annotated[str, typer.Option(help="Order of the work.")] = "expected-gain",
    actions: Annotated[int, typer.Option(help="Decisions to make.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    error_rate: Annotated[float, typer.Option(help="Share of wrong answers, 0 to 1.")] = 0.0,
    features: Annotated[
        str, typer.Option(help="Extractor; left out, the best of those that were extracted.")
    ] = "",
    every: Annotated[int, typer.Option(help="Actions between two points of the curve.")] = 100,
    train_epochs: Annotated[
        int, typer.Option(help="Also train a small network on the sets before and after.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Let a simulated annotator work, who answers from the true labels; nothing is saved."""
    config = SimulationConfig(queue, actions, seed, error_rate, features, every)
    line = Line()
    with opened(name) as services:
        try:
            found, after = services.simulation.annotated(name, config, line)
            if train_epochs:
                found["training"] = {
                    when: services.simulation.train(name, sets, train_epochs, seed, line)
                    for when, sets in (("before", None), ("after", after))
                }
        finally:
            line.clear()
    show(found, as_json, _simulation_text)


@annotate_app.command()
def export(
    name: Name,
    out: Annotated[
        Path,
        typer.Option(
            help="File to write; of huggingface and fiftyone a folder, unless it ends in .zip."
        ),
    ],
    format_name: Annotated[
        str, typer.Option("--format", help=f"One of: {', '.join(formats_of(annotation=True))}.")
    ] = "sets",
    selection: Annotated[int | None, typer.Option(help="Only a stored selection.")] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Only samples that annotators changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write what was annotated, for an import or for other tools."""
    arguments = {
        "name": name, "format": format_name, "out": str(out.absolute()),
        "selection": selection, "only_changed": only_changed,
    }  # fmt: skip
    run(
        "export-annotation",
        arguments,
        as_json,
        lambda r: f"{r['rows']:,} lines written to {r['out']} ({r['bytes'] / 1e6:.1f} MB)",
    )


@annotate_app.command()
def correct(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines, Parquet, or Label Studio JSON.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Take it over; left out, only the difference is shown.")
    ] = False,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Show what a file corrected elsewhere would change, or take it over as an action."""
    with opened() as services:
        if apply:
            made = services.corrections.apply(name, file, request_of("correct", who))
            show(made, as_json, _act_text)
        else:
            show(services.corrections.preview(name, file), as_json, _difference_text)


@users_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help="viewer, annotator or owner.")] = "annotator",
    file: Annotated[
        Path | None, typer.Option(help="Users file to append to; left out, the line is printed.")
    ] = None,
) -> None:
    """Make a line for the users file; it holds a hash, never the password itself."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    made = user_line(name, role, password)
    if file is None:
        print(made)
        return
    if file.exists() and any(
        each.startswith(f"{name}:") for each in file.read_text(encoding="utf-8").splitlines()
    ):
        raise SettingError(f"{file} has a user {name!r} already. Take that line out first.")
    with file.open("a", encoding="utf-8") as out:
        out.write(made + "\n")
    file.chmod(0o600)
    print(f"{name} can log in as {role}: python app.py --users {file}")


def request_of(kind: str, who: str, **more: Any) -> ActionRequest:
    """An action asked for on the command line, under the name given or that of the login."""
    return ActionRequest(
        kind, who=who or getpass.getuser(), key=f"cli-{secrets.token_hex(8)}", window="cli", **more
    )


def _act_text(result: dict[str, Any]) -> str:
    note = f" {result['note']}" if result["note"] else ""
    return f"Action {result['number']} ({result['kind']}): {result['changed']:,} samples.{note}"


def _line_text(action: dict[str, Any]) -> str:
    about = ", ".join(map(str, action["rows"])) or "classes"
    why = f": {action['why']}" if action["why"] else ""
    what = f"{action['who']}  {action['kind']}  {about}{why}"
    return f"{action['number']:>6}  {action['at'][:19]}  {what}"


def _difference_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['changed']:,} of {result['n_rows']:,} samples would change"
        + (f"; {result['unknown']:,} ids are not known" if result["unknown"] else "")
        + (f"; {result['empty']:,} have no candidates and stay" if result["empty"] else "")
        + ". Take it over with --apply."
    ]
    if "statements" in result:
        people = ", ".join(f"{who} ({count:,})" for who, count in result["people"].items())
        lines.append(f"{result['statements']:,} statements: {people or 'none'}")
        if result["contradictions"]:
            lines.append(f"{result['contradictions']:,} samples on which annotators contradict")
        lines += [f"Left out: {line}" for line in result["left_out"]]
    for each in result["changes"]:
        line = f"{each['id']}: {', '.join(each['before']) or 'none'} -> {', '.join(each['after'])}"
        said = "; ".join(f"{who}: {' or '.join(c)}" for who, c in each.get("said", {}).items())
        mark = ", contradiction" if each.get("contradicts") else ""
        lines.append(f"  {line}" + (f"  ({said}{mark})" if said else ""))
    return "\n".join(lines)


def _removed_text(result: dict[str, Any]) -> str:
    lines = [
        f"{each['book']}: {each['dataset']}, {each['actions']:,} actions"
        for each in result["removed"]
    ]
    return "\n".join(lines) or "No annotated dataset was removed."


def _agreement_text(result: dict[str, Any], names: list[str]) -> str:
    if not result["items"]:
        return f"{result['votes']:,} votes, and no sample with two of them yet."
    alpha = "-" if result["alpha"] is None else f"{result['alpha']:.3f}"
    lines = [
        f"{result['votes']:,} votes; on {result['items']:,} samples with two or more, "
        f"{result['raw']:.1%} of couples agree, Krippendorff's alpha {alpha}; "
        f"{result['disputed']:,} disputed"
    ]
    for pair in result["class_pairs"][:10]:
        a, b = (names[index] for index in pair["classes"])
        alpha = "-" if pair["alpha"] is None else f"{pair['alpha']:.3f}"
        lines.append(f"  {a} x {b}: confused {pair['confused']:,} times, alpha {alpha}")
    for each in result["consensus"]["people"]:
        if each["accuracy"] is not None:
            rating = "" if each["rating"] is None else f"; rating {each['rating']:.3f}"
            lines.append(
                f"  {each['who']}: right in {each['accuracy']:.1%} (95 % interval "
                f"{each['low']:.1%} to {each['high']:.1%}) of {each['n_votes']:,} votes, by the "
                f"consensus of all{rating}"
            )
    return "\n".join(lines)


def _settled_text(result: dict[str, Any]) -> str:
    if not result["is_ready"]:
        return (
            f"The neighbours by {result['features']} are not found yet. Open a queue by them first."
        )
    return (
        f"{result['settled']:,} of {result['open']:,} samples with several candidates are above "
        f"{result['sure']:g}, by {result['features']} features, after action {result['action']:,}"
    )


def _simulation_text(result: dict[str, Any]) -> str:
    gain = result["disambiguation_after"] - result["disambiguation_before"]
    lines = [
        f"{result['queue']} by {result['features']}, {result['actions']:,} actions, "
        f"seed {result['seed']}: "
        f"disambiguation {result['disambiguation_before']:.2%} -> "
        f"{result['disambiguation_after']:.2%} ({gain * 100:+.2f} points), entangled "
        f"{result['entangled_before']:.2%} -> {result['entangled_after']:.2%}, pairs "
        f"{result['pairs_before']:,} -> {result['pairs_after']:,} (uses true labels), "
        f"{result['seconds']:.0f} s"
    ]
    for when, found in result.get("training", {}).items():
        lines.append(f"  network {when}: test accuracy {found['accuracy']:.2%} (uses true labels)")
    return "\n".join(lines)
