"""The report of a study: tables and pictures, as one HTML page or as Markdown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from oracles.study.cells import REGIMES, SHORT, rules_in, share
from oracles.study.pictures import pictures
from oracles.study.plan import SMALLEST
from oracles.study.sections import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;"
    "padding:0 1em;background:Canvas;color:CanvasText}table{border-collapse:collapse;width:100%;"
    "font-size:14px}td,th{padding:.25em .6em;border-bottom:1px solid GrayText;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    "svg{margin:1.2em 0;max-width:48em;display:block}"
    ".note{border:1px solid GrayText;padding:.2em 1em}.wide{overflow-x:auto}"
    "code{overflow-wrap:anywhere}"
    "@media print{body{max-width:none;margin:0;font-size:11pt}table{font-size:8.5pt}"
    "svg,table,tr,.note{break-inside:avoid}h2{break-after:avoid}}"
)
_CHANGE = (
    f"A mean difference of H1, H2 or H3 below {SMALLEST} nats with an interval that excludes more.",
    "A primary that turns its sign under another seed of the worlds.",
    f"A submodular rule that buys data at least {SMALLEST} nats better for the same money.",
    "A provider's lie about its cost that gains under the clock: one is enough.",
)


def summary(result: Mapping[str, Any]) -> list[str]:
    """What the tables say, for and against, in sentences."""
    made = result["tables"]
    verdicts = {
        verdict: [r["hypothesis"] for r in made["primaries"] if r["verdict"] == verdict]
        for verdict in ("supported", "contradicted", "undecided")
    }
    counts = ", ".join(f"{len(names)} {verdict}" for verdict, names in verdicts.items())
    found = [f"Primary hypotheses: {counts}."]
    found += [
        f"{verdict.capitalize()}: {'; '.join(names)}."
        for verdict, names in verdicts.items()
        if names
    ]
    for regime, name in REGIMES.items():
        rows = [row for row in rules_in(result, regime) if "difference" in row]
        for what, chosen in (
            ("better", [r for r in rows if (r["difference"][2] or 0) < 0]),
            ("worse", [r for r in rows if (r["difference"][1] or 0) > 0]),
        ):
            listed = ", ".join(f"{SHORT[r['rule']]} ({r['difference'][0]:+.3f})" for r in chosen)
            found.append(
                f"With {name}, rules that bought {what} data than Q-MIA with an interval that "
                f"excludes 0: {listed or 'none'}."
            )
    for word in ("failed", "undecided"):
        listed = ", ".join(r["key"] for r in made["secondaries"] if r["verdict"] == word)
        found.append(
            f"Expectations that {'are ' if word == 'undecided' else ''}{word}: {listed or 'none'}."
        )
    return found


def _versions(found: Mapping[str, Any]) -> str:
    text = f"Code of q: {found['q'][:16]}…; of φ̂: version {found['phi']}"
    method = found.get("phi_parameters")
    return f"{text}, order {method['order']:g}, m {method['m']:g}." if method else f"{text}."


def _head(result: Mapping[str, Any]) -> list[str]:
    plan = result["plan"]
    run, planned = len(result["worlds"]), plan["worlds"]
    worlds = (
        f"all {planned} planned worlds"
        if run == planned
        else f"the first {run} of {planned} planned worlds; the run was stopped or goes on, and "
        "worlds are run in order so that no result decides which are left out"
    )
    return [
        f"Profile {plan['profile']}, seed {plan['seed']}, {worlds}. A world has up to "
        f"{plan['providers']} providers with {plan['characters']:,} characters on average, "
        f"{share(plan['damaged'])} of them damaged, and {plan['draws']} cost draws. Budgets are "
        f"{', '.join(share(b) for b in plan['budgets'])} of all costs. A training at fixed "
        f"compute has {plan['steps']} steps; the outcome has {len(plan['truth_seeds'])} seed(s).",
        f"Plan (SHA-256) {result['hash']}, registered before anything was trained; purchases, "
        f"frozen world by world before their outcomes were trained, {result['purchases']}. "
        f"{_versions(result['versions'])}",
        "Loss is that of a model retrained on the seed corpus and on what a rule bought, on part "
        "B of the held-out set. φ̂, V̂ and early stopping see part A only. A difference above 0 "
        "means that Q-MIA is better. Intervals are 95 % by Student's t over worlds (over cost "
        "draws where there is one world), and primaries are tested together by Holm's method at "
        "5 %. What is neither a primary nor an expectation stated beforehand is exploratory.",
        "Limits: worlds share their sources, the held-out text, one small model and one seed of "
        "the outcome; intervals cover the draw of providers, documents, damage and costs, and "
        "nothing else.",
        *result.get("notes", ()),
    ]


def html(result: Mapping[str, Any]) -> str:
    """One self-contained page."""
    parts = [f"<p>{escape(text)}</p>" for text in _head(result)]
    said = "".join(f"<li>{escape(text)}</li>" for text in summary(result))
    parts.append(f'<div class="note"><h2>In short</h2><ul>{said}</ul></div>')
    drawn = [f"<figure>{picture}</figure>" for picture in pictures(result)]
    for number, (title, header, rows) in enumerate(tables(result)):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        parts.append(
            f'<h2>{escape(title)}</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>'
        )
        if number == 0:
            wishes = "".join(f"<li>{escape(text)}</li>" for text in _CHANGE)
            parts.append(
                f'<div class="note"><h2>What would change our mind</h2><ul>{wishes}</ul></div>'
                "<h2>Pictures</h2>" + "".join(drawn)
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>Does the auction buy better data?</title>'
        f"<style>{_STYLE}figure{{margin:0}}</style><h1>Does the auction buy better data?</h1>"
        + "".join(parts)
        + "</html>\n"
    )


def markdown(result: Mapping[str, Any]) -> str:
    """The same head and tables for `docs/study.md`."""
    lines = [
        "# Does the auction buy better data?",
        "",
        "Written by `qmia study report --markdown`, remarks by `--note`; do not edit. To run it on "
        "your own texts:",
        "",
        "```sh",
        "qmia study run providers/*.jsonl --seed-corpus seed.jsonl \\",
        f"  --evaluation evaluation.jsonl --folder study --profile {result['plan']['profile']}",
        "qmia study report --folder study --page study.html",
        "```",
        "",
        "`python -m benchmarks.impact.texts FOLDER` writes the texts used here.",
    ]
    for text in _head(result):
        lines += ["", text]
    lines += ["", "## In short", "", *(f"- {text}" for text in summary(result))]
    for number, (title, header, rows) in enumerate(tables(result)):
        lines += ["", f"## {title}", "", "| " + " | ".join(header) + " |"]
        lines.append("|" + " --- |" * len(header))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        if number == 0:
            lines += ["", "## What would change our mind", "", *(f"- {text}" for text in _CHANGE)]
    return "\n".join(lines) + "\n"
