from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from oracles.cli import main
from oracles.errors import InputError
from oracles.impact import Parameters, Pretrained, Recipe, estimate
from oracles.impact.corpus import train_tokenizer
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.model import GPT, LanguageModel
from oracles.impact.training import Trainer, mean_gradient, mean_loss
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS


def test_language_model__subset_of_parameters__only_these_are_in_theta():
    module = GPT(50, 8, 8, 1, 2)
    module.initialise(0)
    model = LanguageModel(module, ["up", "down"])
    assert model.names == ["blocks.0.up.weight", "blocks.0.down.weight"]
    assert len(model.theta) == 2 * 8 * 32
    with pytest.raises(InputError, match="no parameter"):
        LanguageModel(module, ["elsewhere"])


def test_token_losses__equal_to_cross_entropy():
    module = GPT(50, 8, 8, 1, 2)
    module.initialise(0)
    sequences = torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(0))
    logits = module(sequences[:, :-1])
    expected = nn.functional.cross_entropy(
        logits.flatten(0, 1), sequences[:, 1:].flatten(), reduction="none"
    )
    model = LanguageModel(module)
    losses = model.token_losses(model.theta, sequences)
    assert torch.allclose(losses.flatten(), expected, atol=1e-5)


def test_gpt__later_tokens_change__earlier_logits_do_not():
    module = GPT(50, 8, 8, 2, 2)
    module.initialise(0)
    tokens = torch.arange(8)[None]
    changed = tokens.clone()
    changed[0, 5:] = 40
    same = torch.isclose(module(tokens), module(changed)).all(-1)[0]
    assert same.tolist() == [True] * 5 + [False] * 3


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A Hugging Face model with random weights and its tokenizer, on disk."""
    from transformers import LlamaConfig, LlamaForCausalLM

    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer = train_tokenizer((document.text for document in SEED_CORPUS), 300)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize("rank", [0, 2])
def test_pretrained__chosen_layers_or_adapters__adjoint_is_exact(directory, rank):
    choice = Pretrained(directory, context=16, trainable=("q_proj", "v_proj"), rank=rank)
    pool = make_pool(SEED_CORPUS, {"north": SUBMISSIONS["north"][:3]}, EVALUATION, choice)
    model = make_model(choice, 0)
    assert len(model.theta) == 2 * (2 * 16 * rank if rank else 16 * 16)
    model.module.double()
    model.theta = model.theta.double()
    recipe = Recipe(learning_rate=1e-2)

    def value(weight):
        weights = np.array([1.0, weight])
        theta = Trainer(model, pool.training, recipe, 0, weights).run()
        return mean_loss(model, theta, pool.evaluation)[0]

    trainer = Trainer(model, pool.training, recipe, 0, np.ones(2))
    slopes = trainer.adjoint(lambda theta: mean_gradient(model, theta, pool.evaluation)[None])[1]
    numeric = (value(1.001) - value(0.999)) / 0.002
    assert slopes[0][pool.training.owners == 1].sum() == pytest.approx(numeric, rel=1e-3)


def test_estimate__pretrained_model__phi_for_every_provider(directory):
    choice = Pretrained(directory, context=16, rank=2)
    # One training a seed: what is tested is the model, not the path.
    parameters = Parameters("unrolled", choice, Recipe(learning_rate=1e-2))
    report = estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, parameters)
    assert report.phi().keys() == SUBMISSIONS.keys()
    assert "directory" not in report.evidence["parameters"]["model"]
    assert report.providers[0].influence > report.providers[1].influence


def test_pretrained__nothing_there__input_error(tmp_path):
    with pytest.raises(InputError, match="no tokenizer"):
        estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, Parameters(model=Pretrained(tmp_path)))
    with pytest.raises(InputError, match="no Hugging Face causal LM"):
        make_model(Pretrained(tmp_path), 0)


def test_gpt2__its_transposed_layers_and_adapters__phi_by_the_command(tmp_path, capsys):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=300, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    tokenizer = train_tokenizer((document.text for document in SEED_CORPUS), 300)
    tokenizer.save(str(tmp_path / "gpt2" / "tokenizer.json"))
    parts = {**SUBMISSIONS, "seed": SEED_CORPUS, "evaluation": EVALUATION}
    for name, documents in parts.items():
        lines = (json.dumps({"text": document.text}) + "\n" for document in documents)
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    files = [str(tmp_path / f"{name}.jsonl") for name in SUBMISSIONS]
    corpora = ["--seed-corpus", str(tmp_path / "seed.jsonl")]
    corpora += ["--evaluation", str(tmp_path / "evaluation.jsonl"), "--seeds", "1"]
    model = ["--model", str(tmp_path / "gpt2"), "--rank", "2", "--json"]
    model += ["--estimator", "unrolled"]
    for options, complaint in (
        (["--context", "16"], None),
        ([], "choose a context of 32"),
        (["--context", "16", "--layers", "nothing"], "no linear layer"),
        (["--context", "16", "--device", "cuda:7"], "choose cpu"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["impact", "estimate", *files, *corpora, *model, *options])
        printed = capsys.readouterr()
        if complaint is None:
            report = json.loads(printed.out)
            assert [provider["name"] for provider in report["providers"]] == list(SUBMISSIONS)
        else:
            assert stop.value.code == 2
            assert complaint in " ".join(printed.err.split())
