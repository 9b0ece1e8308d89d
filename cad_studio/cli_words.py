"""How the commands about datasets put their results into words."""

from typing import Any


def synthesis_text(result: dict[str, Any]) -> str:
    """A synthesis: what was made, by which setting, and how hard it is."""
    lines = [
        f"{result['name']} v{result['version_number']}: {result['mean_candidates']:.2f} candidates "
        f"a sample, annotator {result['annotator']} at {result['annotator_accuracy']:.1%} "
        f"(uses true labels), {result['seconds']:.0f} s"
    ]
    if "calibration" in result:
        found = result["calibration"]
        lines.append(
            f"  for a mean size of {found['mean_size']:g} found: {' and '.join(found['found'])}; "
            f"expected {found['expected_size']:.2f} (tolerance {found['tolerance']:g}). The same "
            f"again: --epochs {result['annotator_settings']['epochs']} --rate {result['rate']:g} "
            f"--seed {result['seed']}"
        )
    return "\n".join([*lines, *_distractor_lines(result["worst_distractor"])])


def preview_text(result: dict[str, Any]) -> str:
    """What an import would bring: counts, what was understood, what is left out, the first rows."""
    splits = ", ".join(f"{name} {count:,}" for name, count in result["splits"].items())
    lines = [
        f"{result['source']}: {result['n']:,} samples, {result['k']} classes, splits {splits}; "
        f"{result['mean_candidates']:.2f} candidates a sample. Nothing was imported.",
        *(f"  {line}" for line in result["lines"]),
        *(f"  {line}" for line in result["problem_lines"]),
    ]
    if result["n_bad"]:
        lines.append(
            f"  {result['n_bad']:,} of them cannot be imported; --skip-bad would leave them out."
        )
    lines.append("First rows:")
    for row in result["rows"]:
        label = "" if row["label"] is None else f"  true: {row['label']}"
        lines.append(f"  {row['split']}  {row['id']}  {' | '.join(row['candidates'])}{label}")
    return "\n".join(lines)


def description_text(result: dict[str, Any]) -> str:
    """A dataset: its size, its sets, and what they say of its classes."""
    known = result["truth_known"]
    inside = result["truth_in_candidates"]
    truth = (
        f"true label known for {known:,}, in the set for {inside:,}" if known else "no true labels"
    )
    splits = ", ".join(f"{count:,} {split}" for split, count in result["splits"].items())
    said = (
        f"{result['name']} v{result['version_number']} {result['version']}: "
        f"{result['n']:,} samples ({splits}), {result['k']} classes\n"
        f"  {result['mean_candidates']:.2f} candidates a sample; {result['empty']:,} empty, "
        f"{result['singletons']:,} singletons, {result['full']:,} full\n  {truth}"
    )
    lines = [said, *_distractor_lines(result["worst_distractor"]), *_by_sets_lines(result)]
    if result["note"]:
        lines.append(f"  {result['note']}")
    return "\n".join(lines)


def _distractor_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    worst = sorted((c for c in found["classes"] if c["share"]), key=lambda c: -c["share"])
    listed = "; ".join(
        f"{each['class']} with {each['distractor']} in {each['share']:.1%}" for each in worst[:3]
    )
    lines = [
        f"  most frequent distractor of a class (uses true labels): mean {found['mean']:.1%} of "
        f"its sets; {listed or 'none'}",
        f"  {found['carrying']:.1%} of the samples carry one that at least "
        f"{found['threshold']:.0%} of their class carry",
    ]
    return [*lines, f"  Warning: {found['warning']}"] if found["warning"] else lines


def _by_sets_lines(result: dict[str, Any]) -> list[str]:
    lines = []
    if result["held_together"] is not None:
        pairs = [c for c in result["held_together"]["classes"] if c["share"]]
        pairs.sort(key=lambda c: -c["share"])
        lines += [
            f"  {c['other']} is in {c['share']:.1%} of the sets that hold {c['class']}, "
            f"{c['class']} in {c['back']:.1%} of those that hold {c['other']}"
            for c in pairs[:3]
        ]
        lines.append(f"  {result['held_together']['about']}")
    taken = sorted(
        (c for c in result["mistaken_for"]["classes"] if c["share"]), key=lambda c: -c["share"]
    )
    if taken:
        listed = "; ".join(f"{c['class']} for {c['other']} ({c['share']:.0%})" for c in taken[:3])
        lines.append(f"  mistaken, by the sets alone (set model, estimated): {listed}")
    return lines
