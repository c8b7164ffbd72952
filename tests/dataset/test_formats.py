"""The test vectors on the page of formats are what the code computes."""

import json
import re
from pathlib import Path

from oracles.dataset import (
    Binding,
    DeliveryContext,
    Document,
    EncryptionKey,
    content_digest,
    draw,
    encode_document,
    key_commitment,
    leaf_hash,
    opening_context,
    page_key,
    wrap,
    wrap_delivery,
)
from oracles.dataset.archive import sketch_key
from oracles.dataset.sketch import fold, run_hashes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
KEY = bytes(range(32))
BINDING = Binding(31337, "0x" + "11" * 20, 7, "0x" + "22" * 20)
DOCUMENTS = [
    Document("A note.", {"title": "First", "n": 1.0}),
    Document('Zwei  Zeilen\nund ein "Zitat".'),
]


def vectors():
    recipient = EncryptionKey(bytes(31) + b"\5").public
    context = opening_context(BINDING, 3)
    delivery_context = DeliveryContext(31337, BINDING.contract, 7, 3)
    delivery = wrap_delivery(KEY, recipient, delivery_context)
    encoded = [encode_document(each) for each in DOCUMENTS]
    return {
        "documents": [each.decode() for each in encoded],
        "document_leaves": [leaf_hash(each).hex() for each in encoded],
        "content_digest": content_digest(DOCUMENTS).hex(),
        "key_commitment": key_commitment(KEY).hex(),
        "page_key_0": page_key(KEY, 0).hex(),
        "page_key_1": page_key(KEY, 1).hex(),
        "sketch_key": sketch_key(KEY).hex(),
        "fold": {
            text: "".join(map(chr, fold(text)))
            for text in ("Naïve ÉTÉ, word7 42!", "½ ﬁne ＦＵＬＬ", "中文 テスト")
        },
        "runs": {
            text: [f"{value:016x}" for value in run_hashes(fold(text)).tolist()]
            for text in ("the quick brown fox jumps",)
        },
        "recipient": recipient.hex(),
        "opening_context": context.encode().hex(),
        "wrapped": wrap(KEY, recipient, context).hex(),
        "draw_5_of_100_key_01_manifest_02": draw(b"\1" * 32, 7, 3, b"\2" * 32, 100, 5),
        "delivery_context": delivery_context.digest.hex(),
        "delivery": delivery.wrapped.hex(),
        "delivery_point": "".join(f"{each:064x}" for each in delivery.point),
    }


def test_page__has_the_vectors_that_the_code_computes():
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert json.loads(block) == vectors()
