"""`qmia impact`: estimate φ̂ of data sets, and measure how well it predicts retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape

from oracles.cli.output import (
    ClusterOption,
    JsonOption,
    bars,
    print_json,
    show_rows,
    stderr,
    stdout,
)
from oracles.errors import InputError

if TYPE_CHECKING:
    from oracles.dataset import Document
    from oracles.impact.report import Rescaling

app = typer.Typer(no_args_is_help=True, help="Estimate φ̂: what a data set is worth to the model.")

SeedOption = Annotated[
    Path, typer.Option("--seed-corpus", help="Public documents: a file or directory.")
]
EvaluationOption = Annotated[
    Path, typer.Option("--evaluation", help="Held-out documents: a file or directory.")
]
EpochsOption = Annotated[
    int,
    typer.Option(min=0, help="Passes over the data; 0 for a fixed number of steps."),
]
CacheOption = Annotated[
    Path | None, typer.Option(help="Directory of finished runs, to resume from.")
]


def load_documents(path: Path) -> list[Document]:
    """Documents of a file or directory; what could not be read is told on standard error."""
    from oracles.dataset import Finding, read_documents

    findings: list[Finding] = []
    documents = list(read_documents(path, findings=findings))
    for finding in findings:
        stderr.print(escape(f"{finding.where}: {finding.detail} ({finding.count}×)"))
    return documents


def load_submissions(paths: list[Path], *others: Path) -> dict[str, list[Document]]:
    """One provider a path, named by its stem, in the order given.

    Raises:
        InputError: two have one name, or one is among `others`, the auction's own documents.
    """
    found: dict[str, list[Document]] = {}
    for path in paths:
        if path.resolve() in [other.resolve() for other in others]:
            raise InputError(
                f"{path} is no submission: it was given as the auction's own documents"
            )
        name = path.name.partition(".")[0] if path.is_file() else path.name
        if name in found:
            raise InputError(f"two submissions are called {name!r}: rename one")
        found[name] = load_documents(path)
    return found


@app.command()
def estimate(
    submissions: Annotated[
        list[Path],
        typer.Argument(help="One file or directory per provider, in the order of commitment."),
    ],
    seed_corpus: SeedOption,
    evaluation: EvaluationOption,
    estimator: Annotated[str, typer.Option(help="aumann-shapley, unrolled, cg, ekfac, …")] = (
        "aumann-shapley"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Runs that are averaged.")] = 2,
    share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Where influence is taken, from no submissions (0, add-one)"
            " to all of them (1, leave-one-out); aumann-shapley goes the whole way.",
        ),
    ] = 0.5,
    order: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="How much of what the same words in random order are worth is taken off, 0 to 1.",
        ),
    ] = 0.5,
    model: Annotated[
        Path | None, typer.Option(help="Hugging Face causal LM directory to use instead.")
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="Part of the name of the layers to train; repeatable.")
    ] = None,
    rank: Annotated[
        int, typer.Option(min=0, help="Rank of its low-rank adapters; 0: the layers themselves.")
    ] = 8,
    context: Annotated[int, typer.Option(min=2, help="Tokens in one of its sequences.")] = 128,
    epochs: EpochsOption = 0,
    rescaling: Annotated[str, typer.Option(help="zero (anchored) or minmax (the paper's).")] = (
        "zero"
    ),
    device: Annotated[
        str, typer.Option(help="cpu, or cuda for exploration: its results cannot be signed.")
    ] = "cpu",
    processes: Annotated[int, typer.Option(min=1, help="Seeds that run at the same time.")] = 2,
    cluster: ClusterOption = None,
    cache: CacheOption = None,
    tensors: Annotated[
        Path | None, typer.Option(help="Write the evidence's tensors to this safetensors file.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Estimate φ̂ of all submissions jointly."""
    from oracles.engine import open_map
    from oracles.impact import GRID, Parameters, Pretrained, Recipe
    from oracles.impact import estimate as estimate_impact

    if rescaling not in ("zero", "minmax"):
        raise InputError(f"no rescaling is called {rescaling!r}; choose zero or minmax")
    parameters = Parameters(
        estimator=estimator,
        recipe=Recipe(epochs=epochs),
        seeds=tuple(range(seeds)),
        share=share,
        order=order,
        rescaling=cast("Rescaling", rescaling),
    )
    if model is not None:
        chosen = Pretrained(model, context, rank=rank)
        if layers:
            chosen = replace(chosen, trainable=tuple(layers))
        parameters = replace(parameters, model=chosen)
    with bars() as progress, open_map(min(processes, seeds), cluster=cluster, batch=1) as mapper:
        report = estimate_impact(
            load_documents(seed_corpus),
            load_submissions(submissions, seed_corpus, evaluation),
            load_documents(evaluation),
            parameters,
            mapper=mapper,
            cache=cache,
            device=device,
            progress=progress,
        )
    if tensors is not None:
        from safetensors.numpy import save_file

        save_file(report.tensors, tensors)
    if json_:
        print_json(report.to_json())
        return
    rows = [
        {
            "provider": provider.name,
            "φ̂": f"{provider.phi / GRID:.4f}",
            "gain (nats/token)": f"{provider.influence:+.5f}",
            "standard error": f"{provider.standard_error:.5f}",
            "eligible": provider.phi > 0,
            "tokens": provider.tokens,
        }
        for provider in report.providers
    ]
    show_rows(rows, json=False, empty="no providers")
    stdout.print(f"version {report.version}; suggested κ {report.kappa:.3f}, γ {report.gamma:.3f}")


@app.command()
def evaluate(
    submissions: Annotated[
        list[Path], typer.Argument(help="One file or directory per provider; 10 or more.")
    ],
    seed_corpus: SeedOption,
    evaluation: EvaluationOption,
    cache: Annotated[
        Path, typer.Option(help="Directory of finished retrainings; run again to go on.")
    ],
    subsets: Annotated[int, typer.Option(min=8, help="Random halves of the providers.")] = 20,
    truth_seeds: Annotated[int, typer.Option(min=1, help="Retrainings of each subset.")] = 2,
    truths: Annotated[
        list[str] | None,
        typer.Option("--truth", help="same, longer or larger; repeatable. All by default."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each estimator.")] = 2,
    epochs: EpochsOption = 0,
    page: Annotated[
        Path | None, typer.Option(help="Write the report page with its plots to this HTML file.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure on your own data how well every estimator predicts retraining."""
    from oracles.files import write_file
    from oracles.impact import Parameters, Recipe
    from oracles.impact import page as pages
    from oracles.impact.evaluation import Plan
    from oracles.impact.evaluation import evaluate as evaluate_impact
    from oracles.impact.truth import TRUTHS

    unknown = sorted(set(truths or []) - set(TRUTHS))
    if unknown:
        raise InputError(f"no truth is called {unknown[0]!r}; choose {', '.join(TRUTHS)}")
    chosen = tuple(range(100, 100 + truth_seeds))
    plan = Plan(subsets=subsets, seeds=chosen, truths=tuple(truths or TRUTHS))
    with bars() as progress:
        result = evaluate_impact(
            load_documents(seed_corpus),
            load_submissions(submissions, seed_corpus, evaluation),
            load_documents(evaluation),
            Parameters(recipe=Recipe(epochs=epochs), seeds=tuple(range(seeds))),
            plan,
            cache=cache,
            progress=progress,
        )
    if page is not None:
        write_file(page, pages.page(result))
    if json_:
        print_json(result)
        return
    for rows in (
        [
            dict(zip(pages.predictor_header(result), row, strict=True))
            for row in pages.predictor_rows(result)
        ],
        [
            dict(zip(pages.AGREEMENT_HEADER, row, strict=True))
            for row in pages.agreement_rows(result)
        ],
        result["eligibility"],
    ):
        show_rows(rows, json=False, empty="nothing was measured")
