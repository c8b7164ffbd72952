"""The pipeline of Appendix D: documents in, φ̂ with errors and evidence out."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import load_file, save

from oracles.errors import InputError
from oracles.files import write_file
from oracles.impact import estimators
from oracles.impact.corpus import Pages, Pool, build_pool
from oracles.impact.model import GPT, LanguageModel, load_causal_lm
from oracles.impact.problem import Influence, Problem
from oracles.impact.report import ImpactReport, Rescaling, summarise
from oracles.impact.training import Recipe
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.progress import Progress

#: Part of the metric version: raise it with every change of the code that may change a number.
#: The golden values in the tests show such a change.
CODE_VERSION = 7


@dataclass(frozen=True, slots=True)
class Architecture:
    """The transformer that is trained from scratch.

    Attributes:
        vocabulary: size of the byte-level BPE trained on the seed corpus.
        context: tokens in a sequence.
        width: model dimension.
        layers: transformer blocks.
        heads: attention heads.
    """

    vocabulary: int = 512
    context: int = 32
    width: int = 32
    layers: int = 2
    heads: int = 2


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A Hugging Face causal LM used instead.

    Attributes:
        directory: local directory, as written by `save_pretrained`, with its tokenizer.
        context: tokens in a sequence.
        trainable: substrings of the names of the parameters that are trained; by default the
            attention projections, as common architectures name them.
        rank: rank of low-rank adapters on these layers; 0 trains the layers themselves.
    """

    directory: Path
    context: int = 128
    trainable: tuple[str, ...] = ("q_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn")
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything about the method that an auction fixes at CREATE.

    Attributes:
        estimator: a name in `oracles.impact.estimators.ESTIMATORS`.
        model: a model trained from scratch, or a pretrained one.
        recipe: how it is trained.
        seeds: runs that are averaged; each draws initial weights, data order and probes.
        share: where influence is taken, on the way from no submissions (0, add-one at the base
            model) to all of them (1, leave-one-out at a model that has seen everything): their part
            of the training tokens, as a share of the part that they hold at full weight. The
            default estimator goes the whole way and does not use it.
        order: part of the gain on the evaluation set with its words in another order that is taken
            off: by about so much words alone lower the loss on text, for each nat by which they
            lower it on their like. Words in no order are worth nothing then; 0 pays for them in
            full.
        clip: bound on the influence a token of one block, see `report.clip_blocks`.
        m: standard errors that are taken off: φ̂ is rescaled from max(0, influence − m·error).
        rescaling: "zero" (anchored) or "minmax" (the paper's).
    """

    estimator: str = "aumann-shapley"
    model: Architecture | Pretrained = field(default_factory=Architecture)
    recipe: Recipe = field(default_factory=Recipe)
    seeds: tuple[int, ...] = (0, 1)
    share: float = 0.5
    order: float = 0.5
    clip: float = 4.0
    m: float = 1.0
    rescaling: Rescaling = "zero"

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible form; a directory is named by its content in the version, not here."""
        plain = asdict(self)
        plain["seeds"] = list(self.seeds)
        if isinstance(self.model, Pretrained):
            plain["model"]["trainable"] = list(self.model.trainable)
            del plain["model"]["directory"]
        return plain


@contextmanager
def pinned_kernels() -> Iterator[None]:
    """One thread and deterministic kernels, whatever the caller uses; restored afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    debugging: Any = torch.utils.deterministic
    fill = debugging.fill_uninitialized_memory
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Filling new memory only shows reads before writes; it takes a tenth of the time.
    debugging.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        debugging.fill_uninitialized_memory = fill


def make_model(choice: Architecture | Pretrained, seed: int, device: str = "cpu") -> LanguageModel:
    """The model that training starts from under one seed (a pretrained one ignores the seed).

    Raises:
        InputError: the device is not there.
    """
    if isinstance(choice, Pretrained):
        model = load_causal_lm(choice.directory, choice.context, choice.trainable, choice.rank)
    else:
        module = GPT(choice.vocabulary, choice.context, choice.width, choice.layers, choice.heads)
        module.initialise(seed)
        model = LanguageModel(module)
    try:
        return model.to(device)
    except (AssertionError, RuntimeError) as error:
        raise InputError(f"cannot compute on {device!r}: {error}; choose cpu") from error


def make_pool(
    seed_corpus: Iterable[Document],
    submissions: Mapping[str, Iterable[Document] | Pages],
    evaluation: Iterable[Document],
    choice: Architecture | Pretrained,
    *,
    deduplicate: bool = True,
    outcome: Iterable[Document] = (),
) -> Pool:
    """Documents of one auction, encoded for a model; see `build_pool`."""
    tokenizer = None
    vocabulary = 0
    if isinstance(choice, Pretrained):
        from tokenizers import Tokenizer

        path = choice.directory / "tokenizer.json"
        if not path.exists():
            raise InputError(f"{choice.directory} has no tokenizer.json: save the tokenizer there")
        tokenizer = Tokenizer.from_file(str(path))
    else:
        vocabulary = choice.vocabulary
    return build_pool(
        seed_corpus,
        submissions,
        evaluation,
        context=choice.context,
        vocabulary=vocabulary,
        tokenizer=tokenizer,
        deduplicate=deduplicate,
        outcome=outcome,
    )


def run_seed(
    pool: Pool,
    parameters: Parameters,
    seed: int,
    cache: Path | None = None,
    device: str = "cpu",
) -> Influence:
    """One run of the estimator; read from the cache if the same run is there.

    Args:
        pool: documents of the auction.
        parameters: of the method.
        seed: one of `parameters.seeds`.
        cache: directory of finished runs.
        device: where to compute; only "cpu" is reproducible on other machines.
    """
    path = None
    if cache is not None:
        facts = [CODE_VERSION, parameters.to_json(), seed, device, len(pool.providers)]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        training = pool.training
        for array in (
            training.tokens,
            training.block,
            training.owners,
            pool.evaluation.tokens,
            pool.disordered.tokens,
        ):
            key.update(np.ascontiguousarray(array).tobytes())
        if isinstance(parameters.model, Pretrained):
            key.update(make_model(parameters.model, seed).digest().encode())
        path = cache / f"influence-{key.hexdigest()}.safetensors"
        if path.exists():
            return _read(path)
    with pinned_kernels() if device == "cpu" else nullcontext():
        model = make_model(parameters.model, seed, device)
        problem = Problem(model, pool, parameters.recipe, seed, parameters.share, parameters.order)
        influence = estimators.run(parameters.estimator, problem)
    if path is not None:
        _write(path, influence)
    return influence


def _write(path: Path, influence: Influence) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    arrays = {f"tensor.{name}": value for name, value in influence.tensors.items()}
    arrays["providers"] = influence.providers
    if influence.blocks is not None:
        arrays["blocks"] = influence.blocks
    # The log first: a run is found by its arrays.
    write_file(path.with_suffix(".json"), json.dumps(influence.log))
    write_file(path, save(arrays))


def _read(path: Path) -> Influence:
    arrays = load_file(path)
    tensors = {
        name.removeprefix("tensor."): value
        for name, value in arrays.items()
        if name.startswith("tensor.")
    }
    log = json.loads(path.with_suffix(".json").read_text())
    return Influence(arrays["providers"], arrays.get("blocks"), log, tensors)


def run_seeds(
    pool: Pool,
    parameters: Parameters,
    *,
    mapper: Mapper = map,
    cache: Path | None = None,
    progress: Progress = silent,
    device: str = "cpu",
) -> list[Influence]:
    """Run the estimator under every seed.

    The result does not depend on `mapper`: each run is single-threaded and complete in itself.

    Args:
        pool: documents of the auction.
        parameters: of the method.
        mapper: see `oracles.engine`.
        cache: directory of finished runs, which are not repeated.
        progress: told of finished runs.
        device: see `run_seed`.
    """
    run = partial(run_seed, pool, parameters, cache=cache, device=device)
    finished: list[Influence] = []
    for influence in mapper(run, parameters.seeds):
        finished.append(influence)
        progress("impact", len(finished), len(parameters.seeds))
    return finished


def describe(pool: Pool, parameters: Parameters) -> dict[str, Any]:
    """Everything that fixes the method, JSON-compatible; its SHA-256 is the version."""
    return {
        "parameters": parameters.to_json(),
        "code": CODE_VERSION,
        "seed_corpus": pool.seed_digest,
        "tokenizer": pool.tokenizer_digest,
        "model": make_model(parameters.model, parameters.seeds[0]).digest(),
    }


def estimate(
    seed_corpus: Iterable[Document],
    submissions: Mapping[str, Iterable[Document] | Pages],
    evaluation: Iterable[Document],
    parameters: Parameters | None = None,
    *,
    mapper: Mapper = map,
    cache: Path | None = None,
    progress: Progress = silent,
    device: str = "cpu",
) -> ImpactReport:
    """Estimate φ̂ of every provider jointly (Appendix D).

    Args:
        seed_corpus: public documents that the base model is trained on.
        submissions: provider to documents, or to a sample of pages, in the order of their final
            commitments: the earliest keeps the credit for shared text.
        evaluation: held-out documents that no provider sees.
        parameters: of the method; the defaults if None.
        mapper: how the seeds are spread; see `oracles.engine`.
        cache: directory of finished runs, so that an interrupted estimate resumes.
        progress: told of finished seeds.
        device: where to compute. Anything but "cpu" is for exploration: it enters the version, so
            that the result never carries the version of an auction.

    Raises:
        InputError: there are no submissions, no text in the seed corpus or evaluation set, or the
            device is not there.

    Example:
        With real corpora leave `parameters` out; these make a tiny model for a first try.

        >>> import qmia
        >>> from oracles.impact import Architecture, Parameters, Recipe
        >>> model = Architecture(vocabulary=300, context=16, width=16, layers=1, heads=2)
        >>> tiny = Parameters(model=model, recipe=Recipe(steps=16, batch=4), seeds=(0,))
        >>> seed = [qmia.Document("The train leaves at noon. " * 20)]
        >>> held_out = [qmia.Document(f"Clinic {n} closes at five. " * 20) for n in range(9)]
        >>> sets = {"north": [qmia.Document("The clinic opens at nine. " * 20)]}
        >>> [provider.name for provider in qmia.estimate(seed, sets, held_out, tiny).providers]
        ['north']
    """
    chosen = parameters or Parameters()
    if not submissions:
        raise InputError("there are no submissions: give at least one provider's documents")
    if not chosen.seeds:
        raise InputError("no seeds are given: name at least one, two or more for standard errors")
    pool = make_pool(seed_corpus, submissions, evaluation, chosen.model)
    runs = run_seeds(pool, chosen, mapper=mapper, cache=cache, progress=progress, device=device)
    method = describe(pool, chosen)
    if device != "cpu":
        method["device"] = device
    version = hashlib.sha256(json.dumps(method, sort_keys=True).encode()).hexdigest()
    evidence = {**method, "torch": torch.__version__, "evaluation": pool.evaluation_digest}
    return report_runs(pool, runs, chosen, version=version, evidence=evidence)


def report_runs(
    pool: Pool,
    runs: list[Influence],
    parameters: Parameters,
    *,
    version: str = "",
    evidence: dict[str, Any] | None = None,
) -> ImpactReport:
    """Put the runs of all seeds together, as the parameters say.

    Args:
        pool: documents of the auction.
        runs: one a seed.
        parameters: with which they were made.
        version: digest of the method; empty where nobody holds the report against it.
        evidence: log of parameters and digests.
    """
    return summarise(
        pool,
        runs,
        bound=parameters.clip,
        m=parameters.m,
        rescaling=parameters.rescaling,
        version=version,
        evidence=evidence or {},
    )
