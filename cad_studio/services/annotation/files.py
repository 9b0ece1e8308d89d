"""What was said of samples, as files: the log, the votes, and a folder for the Hub with both."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cad_studio.core.progress import Part, Progress
from cad_studio.services.datasets.export_tables import write_parquet

if TYPE_CHECKING:
    from cad_studio.services.datasets.export_formats import Contents


def write_history(told: "Contents", path: Path, _progress: Progress) -> int:
    """Every action on the dataset, one a line."""
    n_written = 0
    with path.open("w", encoding="utf-8") as file:
        for action in told.history():
            file.write(json.dumps(action, ensure_ascii=False) + "\n")
            n_written += 1
    return n_written


def write_votes(told: "Contents", path: Path, _progress: Progress) -> int:
    """Who said what of the samples, one vote a line."""
    kept, data = set(told.rows.tolist()), told.data
    votes = [vote for vote in told.votes() if vote[0] in kept]
    names = data.record.class_names
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "annotator", "label"])
        writer.writerows([data.ids[row], who, names[label]] for row, who, label in votes)
    return len(votes)


def write_hub_folder(told: "Contents", folder: Path, progress: Progress) -> int:
    """Parquet, a dataset card, the log and the votes."""
    (folder / "data").mkdir()
    write_parquet(told, folder / "data" / "train.parquet", Part(progress, 0.0, 0.8))
    (folder / "README.md").write_text(_card(told), encoding="utf-8")
    said = folder / "annotation"
    said.mkdir()
    write_history(told, said / "history.jsonl", progress)
    write_votes(told, said / "votes.csv", progress)
    progress.report(1.0, f"{told.data.record.name} written")
    return len(told.rows)


def _card(told: "Contents") -> str:
    """A dataset card, with what the Hub needs to read the folder."""
    record, rows, found = told.data.record, told.rows, told.agreement()
    sizes = told.data.candidates.take(rows).sizes()
    size = next(
        words
        for most, words in (
            (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
            (1_000_000, "100K<n<1M"), (float("inf"), "n>1M"),
        )
        if len(rows) < most
    )  # fmt: skip
    alpha = "not known" if found["alpha"] is None else f"{found['alpha']:.3f}"
    described = "\n".join(
        f"- `{name}`{': ' + text if (text := record.class_descriptions.get(name)) else ''}"
        for name in record.class_names
    )
    mean = f"{sizes.mean():.2f}" if len(sizes) else "no"
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
path: data/train.parquet
task_categories:
- image-classification
tags:
- partial-label-learning
size_categories:
- {size}
---

# {record.name}

{len(rows):,} samples with candidate sets over {record.n_classes} classes, {mean} candidates on
average; the true class of a sample is taken to be in its set. The column `split` says which part
a sample belongs to, `candidates` holds class names, `label` a true label where one is known.

- Version {record.version.number}, content `{record.version.hash}`, made by {record.version.reason}
- {found["votes"]:,} votes of {len(found["people"])} annotators, Krippendorff's alpha {alpha}
- `annotation/history.jsonl` is the whole log, `annotation/votes.csv` has one vote a line
- Source: {record.source}. Add the licence of the images before you publish.

## Classes

{described}

Written by CAD Studio.
"""
