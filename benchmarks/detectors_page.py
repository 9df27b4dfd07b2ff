"""The page of benchmarks/detectors.py, from its record and from the record of what was tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TRIED = Path(__file__).parent / "results" / "detectors-tried.json"


def cells(row: dict[str, Any]) -> str:
    """A row of the table; without accuracies where nothing was found."""
    start = f"| {row['detector']} | {row['roll']} | {row['faces']} | {row['found']:.1f} | {row['milliseconds']:.1f} |"
    if row["given"] is None:
        return f"{start} - | - | - | - |"
    difference = f"{row['mapped'] - row['given']:+.2f}"
    if row.get("interval"):
        difference += f" (± {row['interval']:.2f})"
    return f"{start} {row['given']:.2f} | {row['raw']:.2f} | {row['mapped']:.2f} | {difference} |"


def render(record: dict[str, Any]) -> str:
    """The page, from the record."""
    lines = [
        "# From a photograph to a face to an expression",
        "",
        f"{record['bundle']} on faces of {record['split']}, drawn with seed {record['seed']}; `faces` says how many.",
        f"Each face is {record['face']} pixels wide in a made picture of {record['picture']} x {record['picture']},"
        " turned clockwise by the roll; `benchmarks/detectors.py` says how.",
        "Accuracies are those on the faces that the detector found, so `given` differs from row to row. `raw box` is"
        " the detector's box (after the second look) as an upright square, `mapped` the crop that edgefer makes.",
        "The median time is of one thread on a busy machine, with a second pass where there was one"
        f"{record.get('times', '')}: an order of magnitude, no benchmark.",
        "",
        "| detector | roll | faces | found % | median ms | given % | raw box % | mapped % | mapped - given |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [cells(row) for row in record["rows"]]
    lines += [
        "",
        "± is the 95 % interval of the paired difference. `photographs` asks MTCNN, and BlazeFace where that found"
        " nothing. The goal is to be within 1 point of the given framing on the faces found, up to a roll of 45"
        " degrees: where the last column is below -1.00 it is missed here, and it is met for certain only where the"
        " interval ends above that. All rolls of a detector together:",
        "",
    ]
    lines += [f"- {line}" for line in pooled(record["rows"])]
    lines += [
        "",
        "## The maps",
        "",
        f"{record['maps']['source']}. Shares are of the longer side of the box, deviations robust (1.4826 MAD).",
        "",
        "| detector | found % | dx | dy | side | crop by |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, row in record["maps"]["evidence"].items():
        derived, spread = record["maps"]["maps"][name], row["deviation"]
        shares = " | ".join(f"{derived[key]:+.3f} ({spread[key]:.3f})" for key in ("dx", "dy", "side"))
        share = f", the box turned by the eyes {derived['box_share']:g}" if "box_share" in derived else ""
        lines.append(f"| {name} | {100 * row['found'] / row['faces']:.1f} | {shares} | {derived['align']}{share} |")
    return "\n".join([*lines, *tried(json.loads(TRIED.read_text()))]) + "\n"


def pooled(rows: list[dict[str, Any]]) -> list[str]:
    """The mean difference of each detector over the rolls, weighted by the faces found."""
    lines = []
    for name in dict.fromkeys(row["detector"] for row in rows):
        here = [row for row in rows if row["detector"] == name and row["given"] is not None]
        weights = [row["faces"] * row["found"] for row in here]
        mean = np.average([row["mapped"] - row["given"] for row in here], weights=weights)
        lines.append(f"{name}: {mean:+.2f} points")
    return lines


def tried(record: dict[str, Any]) -> list[str]:
    """What was tried on Training to come closer, of a record that was made by hand."""
    shown = " and ".join(
        f"{record['faces'][name]} faces of {name} ({record['pictures'][name]:,} pictures)" for name in record["faces"]
    )
    lines = [
        "",
        "## What was tried",
        "",
        f"On {record['split']} only, {shown} at all rolls: points of accuracy and natural log loss against the first"
        " way of each detector, with 95 % intervals of the paired difference (faces are the clusters). The last three"
        " of each know what no detector can know; they bound what a better map could give.",
        "",
        "| detector | square | points | log loss |",
        "| --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| {row['detector']} | {row['way']} | {row['points']:+.2f} (± {row['interval']:.2f}) |"
        f" {row['log_loss']:+.4f} (± {row['log_loss_interval']:.4f}) |"
        for row in record["ways"]
    ]
    lines += [
        "",
        "The second look, on faces turned by more than so many degrees, against 10 (with the maps before): from 5 on it"
        " made no difference that these faces show, and each second look costs a detection.",
        "",
        "| detector | second look | points | log loss |",
        "| --- | --- | ---: | ---: |",
    ]
    return lines + [
        f"| {row['detector']} | {row['when']} | {row['points']:+.2f} | {row['log_loss']:+.4f} |"
        for row in record["second_look"]
    ]
