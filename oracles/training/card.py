"""Cards: what a set and a model trained on it are made of, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.training.sets import Built, TrainingSet

_NAME: Final = "qmia-training-set"
#: Stands for the names that are too many.
OTHERS: Final = "(others)"
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (10**6, "100K<n<1M"),
)
_DESCRIPTION: Final = (
    "Texts bought in Q-MIA auctions. Each row names the auction, the winner and the document that"
    " it is, and its Merkle leaf, which proves that against the digest committed on chain."
)
_COLUMNS: Final = {
    "text": "the document's text",
    "messages": "the conversation",
    "prompt": "what was asked",
    "chosen": "the better answer",
    "rejected": "the worse answer",
    "metadata": "what the provider says about the document, as one JSON value",
    "qmia": "where the row comes from: chain, contract, auction, index of the bid, document, leaf",
    "weight": "quality times impact of the winner, with mean 1 over all rows",
}


def dataset_card(identity: Mapping[str, Any], told: Built) -> str:
    """README.md of a set, with the front matter that dataset hubs read."""
    licenses = sorted(name for name in told.licenses if name not in ("", OTHERS))
    languages = sorted(name for name in told.languages if name not in ("", OTHERS))
    size = next((name for bound, name in _SIZES if told.rows < bound), "n>1M")
    front: dict[str, Any] = {
        "configs": [{"config_name": "default", "data_files": "data/*.parquet"}],
        "size_categories": [size],
        "tags": ["qmia"],
    }
    if licenses:
        front["license"] = [name.lower() for name in licenses]
    if languages:
        front["language"] = languages
    winners = [
        f"| {each['auction']}-{each['index']} | `{each['provider']}` | {each['rows']} |"
        f" {each['quality']:.4f} | {each['impact']:.6f} | `{each['content_digest']}` |"
        for each in identity["winners"]
    ]
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=True, allow_unicode=True).rstrip(),
        "---",
        "# A training set bought in Q-MIA auctions",
        "",
        _DESCRIPTION,
        "",
        f"{told.rows} rows. Columns:",
        "",
        *(f"- `{name}`: {_COLUMNS[name]}" for name in identity["columns"]),
        "",
        "## Of whom",
        "",
        "| winner | provider | rows | q | φ̂ | content digest |",
        "|---|---|---|---|---|---|",
        *winners,
        "",
        *_facts(identity, told),
    ]
    return "\n".join(lines) + "\n"


def _facts(identity: Mapping[str, Any], told: Built) -> list[str]:
    facts = []
    if told.licenses:
        facts += ["## Licences, as the providers state them", "", *_counts(told.licenses), ""]
    if told.languages:
        facts += ["## Languages, as the providers state them", "", *_counts(told.languages), ""]
    notes = []
    if told.repeated:
        notes.append(
            f"- {told.repeated} rows repeat a text that another row has. They are left in."
        )
    if told.retained:
        notes.append(
            f"- {told.retained} rows of other winners have a text that was taken out: they sold it,"
            " too. Take them out as well if the text itself must go."
        )
    notes += [
        f"- {count} documents of winner {winner} are not in the set: they do not fit."
        for winner, count in sorted(told.unfit.items())
    ]
    for gone in identity.get("forgotten", []):
        notes.append(
            f"- Winner {gone['auction']}-{gone['index']} was taken out ({gone['rows']} rows, digest"
            f" `{gone['content_digest']}`); its rows are in `forget/`, for unlearning alone."
        )
    return [*facts, *(["## To know before training", "", *notes] if notes else [])]


def _counts(counter: Mapping[str, int]) -> list[str]:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    named = ((f"`{name.replace('`', '')}`" if name else "not stated", n) for name, n in ordered)
    return [f"- {name}: {count} documents" for name, count in named]


def croissant(identity: Mapping[str, Any], told: Built) -> str:
    """Croissant metadata (MLCommons, 1.0 with RAI 1.0) as JSON-LD.

    Raises:
        InputError: the library that writes it is not installed, or finds it wrong.
    """
    try:
        import mlcroissant as mlc
    except ImportError as error:
        raise InputError("a card needs one more package: pip install mlcroissant") from error
    files: Sequence[Mapping[str, Any]] = identity["shards"]
    distribution: list[Any] = [
        mlc.FileObject(
            id=each["file"],
            name=each["file"],
            content_url=f"data/{each['file']}",
            encoding_formats=["application/x-parquet"],
            sha256=each["sha256"],
        )
        for each in files
    ]
    metadata = mlc.Metadata(
        name=_NAME,
        description=_DESCRIPTION,
        url=f"https://eips.ethereum.org/EIPS/eip-155#{identity['winners'][0]['chain_id']}",
        license=sorted(name for name in told.licenses if name not in ("", OTHERS)) or None,
        distribution=distribution,
        record_sets=[_records(mlc, each["file"], identity["columns"]) for each in files],
        data_collection=(
            "Each provider committed to its data before it was scored; independent operators scored"
            " quality and impact; an auction chose the winners."
        ),
        in_language=sorted(name for name in told.languages if name not in ("", OTHERS)) or None,
        data_collection_type=["Others"],
        data_collection_missing_data=_missing(told),
        data_preprocessing_protocol=[
            "Texts are as their providers committed to them (RFC 8785 documents); nothing was"
            " cleaned, cut or put in another order than auction, bid, document."
        ],
        data_manipulation_protocol=_gone(identity),
        data_biases=_biases(identity, told),
        data_use_cases=["Training language models, within the licences that the rows state."],
        data_release_maintenance_plan=(
            "Rows are taken out with `qmia buyer forget`; the set that is left names what is gone."
        ),
        data_limitations=(
            "Licences and languages are the providers' own statements. Texts that several providers"
            " sold are left in."
        ),
        personal_sensitive_information=["Not checked beyond what the quality score reports."],
    )
    if metadata.ctx.issues.errors:
        raise InputError(f"the Croissant card is wrong: {sorted(metadata.ctx.issues.errors)}")
    return json.dumps(metadata.to_json(), indent=1, default=str) + "\n"


def _missing(told: Built) -> str | None:
    """What the rows do not say, in a sentence for each kind."""
    found = [
        f"{counter['']} of {told.documents} documents state no {what}."
        for what, counter in (("licence", told.licenses), ("language", told.languages))
        if counter.get("")
    ]
    found += [f"{sum(told.unfit.values())} documents do not fit and are left out."] * any(
        told.unfit.values()
    )
    return " ".join(found) or None


def _gone(identity: Mapping[str, Any]) -> str | None:
    gone = [f"{each['auction']}-{each['index']}" for each in identity.get("forgotten", [])]
    return f"The rows of winners {', '.join(gone)} were taken out." if gone else None


def _biases(identity: Mapping[str, Any], told: Built) -> list[str]:
    """How unevenly the rows come: by winner, and by repeated texts."""
    winners = sorted(identity["winners"], key=lambda each: -int(each["rows"]))
    rows = sum(int(each["rows"]) for each in winners)
    largest = winners[0]
    found = [
        f"The largest of {len(winners)} winners, {largest['auction']}-{largest['index']}, has"
        f" {largest['rows']} of {rows} rows."
    ]
    if told.repeated:
        found.append(f"{told.repeated} rows repeat the text of another row.")
    return found


def _records(mlc: Any, file: str, columns: Sequence[str]) -> Any:
    name = file.removesuffix(".parquet")
    plain = [each for each in columns if each not in ("messages", "qmia")]
    return mlc.RecordSet(
        id=name,
        name=name,
        fields=[
            mlc.Field(
                id=f"{name}/{column}",
                name=column,
                description=_COLUMNS[column],
                data_types=[mlc.DataType.FLOAT if column == "weight" else mlc.DataType.TEXT],
                source=mlc.Source(file_object=file, extract=mlc.Extract(column=column)),
            )
            for column in plain
        ],
    )


def model_card(source: TrainingSet, *, name: str, base: str | None = None) -> str:
    """README.md of a model that was trained on a set: who shares in its revenue, and where.

    Args:
        source: the set.
        name: of the model.
        base: name of the model that training began with.
    """
    winners = source.winners
    front: dict[str, Any] = {"tags": ["qmia"], "datasets": [_NAME]}
    if base:
        front["base_model"] = base
    front["qmia"] = [
        {
            "chain": each["chain_id"],
            "contract": each["contract"],
            "auction": each["auction"],
            "index": each["index"],
            "content_digest": each["content_digest"],
            **({"mut": each["mut"]} if each["mut"] else {}),
        }
        for each in winners
    ]
    tokens = {each["auction"]: each["mut"] for each in winners if each["mut"]}
    revenue = [
        f"- auction {auction}: revenue goes to its MUT at `{mut}`, which shares it among holders"
        for auction, mut in sorted(tokens.items())
    ]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=True, allow_unicode=True).rstrip(),
            "---",
            f"# {name}",
            "",
            f"Trained on {sum(each['rows'] for each in winners)} rows of {len(winners)} data sets,"
            " bought in Q-MIA auctions. Their identities are in the front matter above.",
            "",
            "## Revenue",
            "",
            *(revenue or ["- no auction paid in MUT: no revenue is shared"]),
            "",
        ]
    )
