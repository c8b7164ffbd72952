"""The language models that influence is measured on, as pure functions of flat parameters.

Every estimator sees a model through `LanguageModel`: a parameter vector θ of shape [P] and the
per-token loss as a function of it. Derivatives of any order are then taken by torch itself.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.random import Philox
from torch import Tensor, nn
from torch.func import functional_call

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang & Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis: [..., C] to [..., C]."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class TransformerBlock(nn.Module):
    """Pre-norm transformer block: causal self-attention, then a GELU feed-forward layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = RMSNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = RMSNorm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map [B, T, C] to [B, T, C]; `mask` is the additive causal mask [T, T]."""
        batch, length, width = x.shape
        qkv = self.query_key_value(self.attention_norm(x))
        q, k, v = qkv.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        # Written out: the fused kernels have no second derivative.
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads) + mask
        mixed = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.attention_out(mixed)
        hidden = nn.functional.gelu(self.up(self.feed_forward_norm(x)))
        return x + cast("Tensor", self.down(hidden))


class GPT(nn.Module):
    """A small causal transformer with tied input and output embeddings."""

    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.register_buffer("mask", torch.full((context, context), -1e9).triu(1), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] to logits [B, T, V]."""
        length = tokens.shape[1]
        # Unit-variance inputs: with small ones the first normalisation multiplies every gradient,
        # and training stops being a smooth function of the data's weights.
        x = (self.tokens(tokens) + self.positions.weight[:length]) * math.sqrt(self.width)
        mask = cast("Tensor", self.mask)[:length, :length]
        for block in self.blocks:
            x = block(x, mask)
        return nn.functional.linear(self.norm(x), self.tokens.weight)

    def initialise(self, seed: int) -> None:
        """Draw all weights in the order of their names, each with a variance of 1 / inputs.

        Residual outputs are scaled by the depth (GPT-2), so that training is smooth from step one.
        """
        draw = Philox(key=seed)
        for name, parameter in sorted(self.named_parameters()):
            if parameter.dim() < 2:
                continue
            scale = 1 / math.sqrt(parameter.shape[1])
            if name.endswith(("attention_out.weight", "down.weight")):
                scale /= math.sqrt(2 * len(self.blocks))
            with torch.no_grad():
                parameter.copy_(uniform(draw, parameter.shape, scale))


def uniform(draw: Philox, shape: Sequence[int], deviation: float) -> Tensor:
    """Float32 weights of a shape, uniform with mean 0 and a standard deviation.

    Made from the integers of a counter-based generator (Salmon et al. 2011) by exactly rounded
    operations only, so that every processor draws the same bytes.
    """
    integers = draw.random_raw(math.prod(shape)) >> np.uint64(40)
    centred = (integers.astype(np.float64) + 0.5) / 2**24 - 0.5
    return torch.from_numpy((centred * (math.sqrt(12) * deviation)).astype(np.float32)).view(*shape)


class LanguageModel:
    """A causal LM as a function of its flat trainable parameters.

    Attributes:
        theta: initial trainable parameters, [P], float32 or float64.
        module: the underlying module; its own parameter values are not used for trainable ones.
    """

    def __init__(self, module: nn.Module, trainable: Sequence[str] | None = None) -> None:
        """Wrap a module.

        Args:
            module: maps token ids [B, T] to logits [B, T, V] (or an output with `.logits`).
            trainable: substrings of parameter names to differentiate; all parameters if None.

        Raises:
            InputError: no parameter name contains any of the substrings.
        """
        self.module = module.eval()
        self.names: list[str] = []
        self.shapes: list[torch.Size] = []
        parts: list[Tensor] = []
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(False)
            if trainable is None or any(part in name for part in trainable):
                self.names.append(name)
                self.shapes.append(parameter.shape)
                parts.append(parameter.detach().reshape(-1))
        if not parts:
            raise InputError(f"no parameter of the model matches {list(trainable or [])}")
        self.theta = torch.cat(parts).clone()
        self._sizes = [shape.numel() for shape in self.shapes]

    def to(self, device: str) -> LanguageModel:
        """Move all parameters to a device of torch; returns the model itself."""
        self.module.to(device)
        self.theta = self.theta.to(device)
        return self

    def unflatten(self, theta: Tensor) -> dict[str, Tensor]:
        """Views of a flat vector [P] under the parameters' names and shapes."""
        parts = torch.split(theta, self._sizes)
        return {
            name: part.view(shape)
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def logits(self, theta: Tensor, tokens: Tensor) -> Tensor:
        """Logits [B, T, V] at parameters θ for token ids [B, T]."""
        output: Any = functional_call(
            self.module, self.unflatten(theta), (tokens.to(theta.device),)
        )
        return cast("Tensor", output if isinstance(output, Tensor) else output.logits)

    def token_losses(self, theta: Tensor, sequences: Tensor) -> Tensor:
        """Next-token cross-entropy in nats, [B, T], of sequences [B, T+1]."""
        log_probabilities = torch.log_softmax(self.logits(theta, sequences[:, :-1]), -1)
        targets = sequences[:, 1:, None].to(theta.device)
        return -log_probabilities.gather(-1, targets).squeeze(-1)

    def digest(self) -> str:
        """SHA-256 of names, shapes and initial values of all weights."""
        state = hashlib.sha256()
        trainable = self.unflatten(self.theta)
        for name, value in sorted(self.module.named_parameters()):
            data = trainable.get(name, value).detach().cpu().contiguous()
            state.update(f"{name} {tuple(data.shape)} {data.dtype}".encode())
            state.update(data.view(-1).view(torch.uint8).numpy().tobytes())
        return state.hexdigest()


def load_causal_lm(
    directory: Path, context: int, trainable: Sequence[str], rank: int = 0
) -> LanguageModel:
    """Load any Hugging Face causal LM from a local directory.

    Args:
        directory: as written by `save_pretrained`.
        context: tokens in a sequence.
        trainable: substrings of parameter names that are trained and differentiated.
        rank: if positive, low-rank adapters (LoRA, Hu et al. 2021) of this rank are added to the
            matching linear layers and only these are trained.

    Raises:
        InputError: the directory holds no causal LM, it reads fewer tokens than `context`, or no
            layer matches.
    """
    from transformers import AutoModelForCausalLM

    try:
        module = AutoModelForCausalLM.from_pretrained(
            directory, local_files_only=True, attn_implementation="eager", dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{directory} holds no Hugging Face causal LM: {error}") from error
    positions = getattr(module.config, "max_position_embeddings", context)
    if positions < context:
        raise InputError(
            f"the model in {directory} reads {positions} tokens at most: "
            f"choose a context of {positions} instead of {context}"
        )
    module.config.use_cache = False
    if rank <= 0:
        return LanguageModel(module, trainable)
    draw = Philox(key=rank)
    for name, layer in list(module.named_modules()):
        shape = _features(layer)
        if shape and any(part in name for part in trainable):
            parent, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(parent), leaf, Adapter(layer, *shape, rank, draw))
    if not any(isinstance(layer, Adapter) for layer in module.modules()):
        raise InputError(
            f"no linear layer of the model in {directory} matches {list(trainable)}: name layers"
        )
    return LanguageModel(module, ["adapter_"])


def _features(layer: nn.Module) -> tuple[int, int] | None:
    """Inputs and outputs of a linear layer, None for any other."""
    from transformers.pytorch_utils import Conv1D

    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, Conv1D):  # GPT-2's linear layer, its weight transposed
        return layer.weight.shape[0], layer.weight.shape[1]
    return None


class Adapter(nn.Module):
    """A linear layer plus a trainable low-rank update, zero at the start (LoRA)."""

    def __init__(
        self, layer: nn.Module, inputs: int, outputs: int, rank: int, draw: Philox
    ) -> None:
        super().__init__()
        self.layer = layer
        self.adapter_down = nn.Parameter(uniform(draw, (rank, inputs), 1 / math.sqrt(inputs)))
        self.adapter_up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        update = nn.functional.linear(nn.functional.linear(x, self.adapter_down), self.adapter_up)
        return cast("Tensor", self.layer(x)) + update
