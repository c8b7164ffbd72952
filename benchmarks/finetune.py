"""A model fine-tuned on a training set, by the tools that buyers use: `make finetune`.

    .build/finetune/bin/python -m benchmarks.finetune [--set FOLDER] [--model FOLDER] [--large]

`datasets` loads the set as `qmia buyer train-set` writes it. `trl` trains a small GPT from scratch,
with and without what was bought, then adapters on it (LoRA, by `peft`), then preferences (DPO).
`--large` trains adapters of SmolLM2-135M, too. Losses are nats per token on held-out text of every
source. Without `--set` the texts are those of five providers of the demonstration, as if bought.

Each step is kept in the folder of `--out`, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Nothing is fetched, and nobody is told about it.
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
    TOKENIZERS_PARALLELISM="false", TRL_EXPERIMENTAL_SILENCE="1",
)  # fmt: skip
warnings.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oracles.training import Bought

ROOT = Path(__file__).resolve().parents[1]
SELLERS = ("newspaper", "publisher", "university", "institute", "law-firm")
#: Of the small model; a run's name depends on it.
SHAPE = {"layers": 2, "width": 128, "heads": 4, "context": 128, "vocabulary": 2048}
STEPS = {"base": 60, "tuned": 60, "lora": 30, "dpo": 10, "large": 6}
BATCH, RATE = 8, 5e-3
END = "<|end|>"
#: Characters of held-out text that SmolLM2 reads.
LARGE_TEXT = 6_000


class Run:
    """Results of steps, kept as soon as each is done.

    Args:
        folder: of this run; what depends on other inputs is in another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "results.json"
        self.results: dict[str, Any] = {}
        if self._file.exists():
            self.results = json.loads(self._file.read_text())

    def step(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, unless it is done."""
        if name not in self.results:
            note(f"{name} …")
            start, cpu = time.monotonic(), time.process_time()
            found = work()
            found["seconds"] = round(time.monotonic() - start, 1)
            found["processor_seconds"] = round(time.process_time() - cpu, 1)
            self.results[name] = found
            beside = self._file.with_suffix(".tmp")
            beside.write_text(json.dumps(self.results, indent=1))
            beside.replace(self._file)
        told = {key: value for key, value in self.results[name].items() if key != "path"}
        note(f"{name}: " + ", ".join(f"{key} {value}" for key, value in told.items()))
        result: dict[str, Any] = self.results[name]
        return result


def note(text: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


# THE SET


def write_set(folder: Path, preference: tuple[str, str, str] | None = None) -> Path:
    """A training set of the demonstration's texts, by the code behind `qmia buyer train-set`."""
    from oracles.training import Conversation, build

    if folder.exists():
        return folder
    plain = folder.with_name(folder.name + "-plain")
    bought = [sold(plain, index, preference) for index in range(len(SELLERS))]
    build(bought, folder, conversation=Conversation(None, preference) if preference else None)
    shutil.rmtree(plain)
    return folder


def sold(folder: Path, index: int, preference: tuple[str, str, str] | None) -> Bought:
    """What one provider sold, as `qmia buyer receive` leaves it."""
    from oracles.dataset import Document, MerkleRoot, encode_document, leaf_hash
    from oracles.training import Bought
    from scripts import demo_data

    person = next(p for p in demo_data.providers() if p.name == SELLERS[index])
    root = MerkleRoot()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"1-{index}.jsonl"
    with path.open("wb") as file:
        for record in person.records:
            metadata = {name: value for name, value in record.items() if name != "text"}
            if preference:
                metadata |= dict(zip(preference, preferred(record["text"]), strict=True))
            line = encode_document(Document(record["text"], metadata))
            root.add(leaf_hash(line))
            file.write(line + b"\n")
    nobody = f"0x{index:040x}"
    return Bought(path, 31337, nobody, 1, index, nobody, root.digest(), nobody, 0.8, 0.5)


def preferred(text: str) -> tuple[str, str, str]:
    """A question, a good answer and a bad one: how a text goes on, and its words in reverse."""
    words = text.split()
    asked, answer = words[:12], words[12:32]
    return " ".join(asked), " ".join(answer), " ".join(reversed(answer))


def load(folder: Path) -> Any:
    """The set as `datasets` reads it."""
    import datasets

    datasets.disable_progress_bars()
    files = str(folder / "data" / "*.parquet")
    # Its cache lies in the run's folder: nothing is left behind elsewhere.
    return datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(folder.parent / "cache")
    )


# TRAINING


def small(tokenizer: Any) -> Any:
    """The small model, before any training."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=SHAPE["context"], n_embd=SHAPE["width"],
            n_layer=SHAPE["layers"], n_head=SHAPE["heads"], bos_token_id=end, eos_token_id=end,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    )  # fmt: skip


def make_tokenizer(texts: Sequence[str]) -> Any:
    """A byte-pair tokenizer of the texts, with a chat template as servers want one."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, SHAPE["vocabulary"], special_tokens=[END], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer, model_max_length=SHAPE["context"],
        **dict.fromkeys(("eos_token", "bos_token", "pad_token"), END),
    )  # fmt: skip
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    return tokenizer


def sft(model: Any, tokenizer: Any, texts: Sequence[str], steps: int, **more: Any) -> Any:
    """Train on texts (trl's SFTTrainer); gives the trained model."""
    import datasets
    import trl

    config = trl.SFTConfig(**common("sft", steps, RATE), max_length=SHAPE["context"], packing=True,
                           packing_strategy="wrapped", dataset_text_field="text")  # fmt: skip
    trainer = trl.SFTTrainer(
        model=model,
        args=config,
        train_dataset=datasets.Dataset.from_dict({"text": list(texts)}),
        processing_class=tokenizer,
        **more,
    )
    return trained(trainer)


def trained(trainer: Any) -> Any:
    """Train, silently; gives the model."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer.model


def common(name: str, steps: int, rate: float) -> dict[str, Any]:
    """Settings that all trainers share: on the processor, silent, the same each time."""
    return {
        "output_dir": f"unused-{name}", "max_steps": steps, "learning_rate": rate,
        "per_device_train_batch_size": BATCH, "use_cpu": True, "bf16": False, "fp16": False,
        "report_to": [], "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
        "seed": 0, "gradient_checkpointing": False, "dataloader_pin_memory": False,
        "lr_scheduler_type": "cosine",
    }  # fmt: skip


def adapters(targets: Sequence[str], *, transposed: bool = False) -> Any:
    """Low-rank adapters on the attention."""
    from peft import LoraConfig

    return LoraConfig(
        r=8, lora_alpha=16, target_modules=list(targets), task_type="CAUSAL_LM",
        fan_in_fan_out=transposed,
    )  # fmt: skip


def loss(model: Any, tokenizer: Any, texts: Sequence[str], context: int) -> float:
    """Mean loss on texts, nats per token."""
    import torch

    model.eval()
    total = count = 0
    with torch.no_grad():
        for text in texts:
            ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=context)
            wanted = ids["input_ids"]
            if wanted.shape[1] > 1:
                told = model(input_ids=wanted, labels=wanted)
                total += float(told.loss) * (wanted.shape[1] - 1)
                count += wanted.shape[1] - 1
    return round(total / count, 4)


def gain(model: Any, tokenizer: Any, pairs: Any) -> float:
    """How much more likely good answers are than bad ones, nats per token, mean."""
    total = 0.0
    for pair in pairs:
        good, bad = (
            loss(model, tokenizer, [pair["prompt"] + " " + pair[kind]], SHAPE["context"])
            for kind in ("chosen", "rejected")
        )
        total += bad - good
    return round(total / len(pairs), 4)


# STEPS


def small_steps(run: Run, folder: Path, held_out: list[str], *, brief: bool) -> None:
    """Everything with the small model; if brief, with it and without what was bought alone."""
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    from scripts import demo_data

    bought = load(folder)
    own = [record["text"] for record in demo_data.seed_corpus()]
    texts = own + list(bought["text"])
    run.step("set", lambda: {"rows": len(bought), "columns": bought.column_names})
    names = {name: run.folder / name for name in ("tokenizer", "base", "without", "with")}

    def read(name: str) -> Any:
        return GPT2LMHeadModel.from_pretrained(names[name])

    if not names["tokenizer"].exists():
        make_tokenizer(texts).save_pretrained(names["tokenizer"])
    tokenizer = PreTrainedTokenizerFast.from_pretrained(names["tokenizer"])

    def train(name: str, of: Any, on: Sequence[str], steps: int) -> dict[str, Any]:
        before = loss(of, tokenizer, held_out, SHAPE["context"])
        model = sft(of, tokenizer, on, steps)
        model.save_pretrained(names[name])
        tokenizer.save_pretrained(names[name])
        after = loss(model, tokenizer, held_out, SHAPE["context"])
        return {"before": before, "after": after, "steps": steps}

    run.step("base", lambda: train("base", small(tokenizer), own, STEPS["base"]))
    run.step("without", lambda: train("without", read("base"), own, STEPS["tuned"]))
    run.step("with", lambda: train("with", read("base"), texts, STEPS["tuned"]))

    if brief:
        return

    def lora() -> dict[str, Any]:
        model = read("base")
        before = loss(model, tokenizer, held_out, SHAPE["context"])
        model = sft(
            model, tokenizer, texts, STEPS["lora"],
            peft_config=adapters(["c_attn"], transposed=True),
        )  # fmt: skip
        after = loss(model, tokenizer, held_out, SHAPE["context"])
        return {"before": before, "after": after, "steps": STEPS["lora"]}

    run.step("lora", lora)

    def dpo() -> dict[str, Any]:
        import trl

        pairs = load(write_set(run.folder / "preferences", ("ask", "good", "bad")))
        pairs = pairs.select_columns(["prompt", "chosen", "rejected"]).shuffle(seed=0)
        train_on, rest = pairs.select(range(80)), pairs.select(range(80, 100))
        model = read("with")
        before = gain(model, tokenizer, rest)
        trainer = trl.DPOTrainer(
            model=model,
            args=trl.DPOConfig(**common("dpo", STEPS["dpo"], 5e-4), max_length=SHAPE["context"]),
            train_dataset=train_on,
            processing_class=tokenizer,
        )
        after = gain(trained(trainer), tokenizer, rest)
        return {"margin before": before, "margin after": after, "steps": STEPS["dpo"]}

    run.step("dpo", dpo)


def large_steps(run: Run, folder: Path, held_out: list[str], cache: Path) -> None:
    """Adapters of SmolLM2-135M, a few steps."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from benchmarks.impact.smollm2 import directory

    def work() -> dict[str, Any]:
        place = directory(cache)
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
        size, read = 0, []
        for text in held_out[::7]:
            read.append(text)
            size += len(text)
            if size > LARGE_TEXT:
                break
        before = loss(model, tokenizer, read, SHAPE["context"])
        texts = load(folder).shuffle(seed=0)["text"][:60]
        model = sft(
            model, tokenizer, texts, STEPS["large"],
            peft_config=adapters(["q_proj", "v_proj"]),
        )  # fmt: skip
        after = loss(model, tokenizer, read, SHAPE["context"])
        return {"before": before, "after": after, "steps": STEPS["large"]}

    run.step("large", work)


def table(results: dict[str, Any]) -> str:
    """What a person reads."""
    told = {
        "base": "from scratch, on public text",
        "without": "SFT, on the same text again",
        "with": "SFT, on it and what was bought",
        "lora": "LoRA on the base, on both",
        "large": "LoRA on SmolLM2-135M, on what was bought",
    }
    lines = [
        "| training | steps | held-out loss before | after | processor seconds |",
        "|---|---|---|---|---|",
    ]
    for name, what in told.items():
        if name in results:
            row = results[name]
            lines.append(
                f"| {what} | {row['steps']} | {row['before']:.3f} | {row['after']:.3f}"
                f" | {row['processor_seconds']:.0f} |"
            )
    if "dpo" in results:
        row = results["dpo"]
        lines += [
            "",
            f"DPO, {row['steps']} steps: good answers ahead of bad ones by"
            f" {row['margin before']:.3f} nats per token before, {row['margin after']:.3f} after,"
            f" on pairs that were kept back; {row['processor_seconds']:.0f} processor seconds.",
        ]
    return "\n".join(lines)


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, help="folder that `qmia buyer train-set` wrote")
    parser.add_argument("--model", type=Path, help="new folder for the model trained on the set")
    parser.add_argument("--out", type=Path, default=ROOT / ".build" / "finetune-run")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--large", action="store_true", help="train SmolLM2-135M, too")
    parser.add_argument("--only-large", action="store_true", help="train SmolLM2-135M alone")
    parser.add_argument("--brief", action="store_true", help="neither adapters nor preferences")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.model and options.model.exists():
        parser.error(f"{options.model} is there already")
    target = options.model and options.model.resolve()
    import torch
    import transformers

    from scripts import demo_data

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    options.out.mkdir(parents=True, exist_ok=True)
    folder = options.set or write_set(options.out / "train-set")
    sums = (folder / "SHA256SUMS").read_bytes()
    key = hashlib.sha256(sums + json.dumps([SHAPE, STEPS, BATCH, RATE]).encode()).hexdigest()
    run = Run(options.out / key[:16])
    os.chdir(run.folder)
    held_out = [record["text"] for record in demo_data.evaluation()]
    if not options.only_large:
        small_steps(run, folder.resolve(), held_out, brief=options.brief)
    if options.large or options.only_large:
        large_steps(run, folder.resolve(), held_out, options.cache)
    if target:
        shutil.copytree(run.folder / "with", target)
    answer = {**run.results, "folder": str(run.folder)}
    sys.stdout.write((json.dumps(answer) if options.json else table(run.results)) + "\n")


if __name__ == "__main__":
    main()
