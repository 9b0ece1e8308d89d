"""Whatever a page reads or does can be had from Python, too: each has a call."""

import inspect
from types import FunctionType

import pytest

from cad_studio.interface import annotation, augmentations, dataset, run, studio
from cad_studio.ui.app import build_window
from cad_studio.ui.routes import build_api, described
from tests.ui.small_project import functions_of

NOUNS = {
    "studio": studio.Studio,
    "data": dataset.StudioDataset,
    "run": run.StudioRun,
    "annotation": annotation.StudioAnnotation,
    "queue": annotation.StudioQueue,
    "augmentations": augmentations.StudioAugmentations,
}

WINDOW = "of a window alone"
"""Pictures on sheets, what a window needs to keep up, and the trial of who may store nothing."""

FUNCTIONS = {
    "header": {
        "stop": "studio.stop", "resume": "studio.resume", "look_alikes": "data.pairs",
        "retrain": "data.retrain", "diagnose": "run.predictions", "act": "data.annotate",
    },
    "dataset-page": {
        "start_import": "studio.import_dataset", "preview_import": "studio.preview",
        "synthesize": "data.synthesize", "export": "data.export",
        "remove": "data.remove", "check": "studio.verify", "preview_split": "data.divide",
        "split": "data.divide", "preview_votes": "data.sets_from_votes",
        "make_sets": "data.sets_from_votes", "tag": "data.annotate", "undo": "data.annotate",
        "search_picture": "data.search", "hub_models": "studio.models",
        "extract_features": "data.features",
    },
    "pairs-page": {"mine": "data.pairs"},
    "augment-page": {
        "make": "augmentations.make", "measure": "augmentations.estimate",
        "train": "augmentations.train_editor", "judge": "augmentations.judge",
        "resume": "studio.resume", "drop": "augmentations.remove_editor",
        "remove": "augmentations.remove", "save": "augmentations.set_prompts",
        "restore": "augmentations.restore_prompts",
    },
    "train-page": {
        "known": "data.estimate", "start": "data.train", "pack": "data.pack",
        "take": "studio.take", "estimate": "data.estimate", "purge": "studio.purge",
        "push": "run.push", "stop": "run.stop", "resume": "run.resume", "move": "studio.move",
        "rename": "run.rename", "note": "run.note", "remove": "run.remove",
        "restore": "run.restore",
    },
    "diagnose-page": {
        "diagnose": "run.predictions", "lay_out": "data.map", "find_suspects": "data.suspects",
        "report": "run.report", "pairs_among": "data.pairs",
    },
    "annotate-page": {
        "act": "data.annotate", "take": "queue.take", "open_queue": "annotation.queue",
        "release": "queue.release", "overlap": "queue.set_overlap",
        "select": "annotation.queue", "preview": "data.annotate", "bulk": "data.annotate",
        "restore": "annotation.restore", "export": "data.export",
        "difference": "annotation.correct", "correct": "annotation.correct",
    },
}  # fmt: skip

ROUTES = {
    "/image/{version}/{name}/{row}": "data.images",
    "/sprite/{version}/{name}.png": WINDOW,
    "/alive": WINDOW,
    "/forms/{form}": WINDOW,
    "/state": "studio.datasets",
    "/jobs/{job}": "studio.job",
    "/jobs/{job}/file": "data.export",
    "/datasets/{name}/minings/{mining}/pair/{i}-{j}": "run.pair",
    "/datasets/{name}/minings/{mining}/pairs": "data.pairs",
    "/datasets/{name}/minings": "data.searches",
    "/datasets/{name}/minings/{mining}": "data.searches",
    "/datasets/{name}/minings/{mining}/agreement/{other}": "data.agreement_of_searches",
    "/datasets/{name}/minings/{mining}/pairs.csv": "data.pairs",
    "/datasets/{name}/rows": "data.rows",
    "/datasets/{name}/instance/{row}": "data.sample",
    "/datasets/{name}": "data.describe",
    "/datasets/{name}/co-occurrence": "data.co_occurrence",
    "/datasets/{name}/set-model": "data.set_model",
    "/datasets/{name}/neighbours/{row}": "data.neighbours",
    "/datasets/{name}/search": "data.search",
    "/datasets/{name}/search/rows": "data.search",
    "/datasets/{name}/search/picture/{picture}": WINDOW,
    "/datasets/{name}/zero-shot/{row}": "data.zero_shot",
    "/standing/{name}": "data.standing",
    "/training/offers": "data.training_offers",
    "/training/runs": "studio.runs",
    "/training/follow": "run.epochs",
    "/training/runs/{run}": "run.describe",
    "/training/runs/{run}/usage": "run.usage",
    "/training/runs/{run}/model": "run.model_path",
    "/diagnosis/compare": "studio.compare",
    "/diagnosis/of/{name}": "data.runs",
    "/diagnosis/map/{name}": "data.map",
    "/diagnosis/map/{name}/points": "data.map",
    "/diagnosis/{run}/overview": "run.figures",
    "/diagnosis/{run}/classes": "run.classes",
    "/diagnosis/{run}/reliability": "run.reliability",
    "/diagnosis/{run}/entanglement": "run.entanglement",
    "/diagnosis/{run}/rows": "run.behind",
    "/diagnosis/{run}/tiles": "run.predictions",
    "/diagnosis/{run}/colours": "run.predictions",
    "/diagnosis/{run}/columns": "run.predictions",
    "/diagnosis/{run}/field": "data.fields",
    "/diagnosis/{run}/slices": "run.slices",
    "/diagnosis/{run}/fields": "data.fields",
    "/diagnosis/{run}/suspects": "data.suspects",
    "/diagnosis/{run}/instance/{row}": "run.sample",
    "/diagnosis/{run}/apart": "run.came_apart",
    "/diagnosis/{run}/pair/{i}-{j}": "run.pair",
    "/annotate/{name}/card": "data.sample",
    "/annotate/{name}": "annotation.queues",
    "/annotate/{name}/queues/{queue}/items/{position}": "queue.take",
    "/annotate/{name}/suggestions/{row}": "annotation.belief",
    "/annotate/{name}/trial": WINDOW,
    "/annotate/{name}/trial/worth": WINDOW,
    "/annotate/{name}/live": "annotation.live",
    "/annotate/{name}/history": "annotation.log",
    "/annotate/{name}/history.jsonl": "annotation.log",
    "/annotate/{name}/history/{row}": "annotation.log",
    "/annotate/{name}/agreement": "annotation.agreement",
    "/annotate/{name}/selections": "annotation.queues",
    "/augment/sets/{set}/gallery": "augmentations.edits",
    "/augment/sets/{set}/{content}/sprite.png": "augmentations.image",
    "/augment/editors/{editor}/samples/{epoch}.png": "augmentations.drawn",
    "/augment/{name}/offers": "augmentations.editors",
    "/augment/{name}/look": "augmentations.look",
    "/augment/{name}/prompts": "augmentations.prompts",
}


def test_every_function_of_a_page_has_a_call(services):
    told = {f"{page} {name}" for page, named in FUNCTIONS.items() for name in named}
    assert told == set(functions_of(build_window(services)))


def test_every_route_has_a_call():
    assert set(ROUTES) == set(described(build_api())["paths"])


@pytest.mark.parametrize(
    "call",
    sorted({*ROUTES.values(), *(each for named in FUNCTIONS.values() for each in named.values())}
           - {WINDOW}),
)  # fmt: skip
def test_every_call_is_there(call):
    noun, _, name = call.partition(".")
    assert isinstance(inspect.getattr_static(NOUNS[noun], name), FunctionType)
