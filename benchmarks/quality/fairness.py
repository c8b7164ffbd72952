"""Text that is unusual but not dirty: languages of the world, and twelve clean domains.

    python -m benchmarks.quality.fairness [--json] [--every]

Languages: the Universal Declaration of Human Rights in twenty languages (`--every`: in each of the
532 translations), an eighth of it a document. Their cleanliness and diversity must lie within 0.05.
Domains, of ten of which nothing was trained on or tuned by: false dirt, 1 − cleanliness, must stay
below 0.05; `KNOWN` lists exceptions. Exit code 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import sysconfig
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.quality.common import foreign, show, texts, translations
from oracles.dataset import Document
from oracles.quality import QualityParameters, golden, score
from oracles.quality.diversity import overlap
from oracles.quality.parameters import GRID

#: Cleanliness alone is looked at, so one sentence of each document is enough for the rest.
PARAMETERS = QualityParameters(sentences_per_document=1)

#: Corpora of the impact score that the reference knows nothing of.
FURTHER = {
    "medical terms (HPO)": "hpo",
    "medical codes (ICD-10)": "icd-10-cm",
    "licences": "spdx",
    "mail (SpamAssassin)": "ham",
    "speeches before 1900": "sotu-1790-1899",
    "dictionary (Webster 1913)": "gcide",
    "glosses (WordNet)": "wordnet",
    "terms of computing (FOLDOC)": "foldoc",
    "manual pages": "manpages",
    "kernel manual": "linux-doc",
}
TWENTY = (
    "eng", "deu_1996", "fra", "spa", "ita", "por_PT", "nld", "swe", "pol", "ces", "hun", "fin",
    "tur", "rus", "ell_monotonic", "arb", "heb", "hin", "vie", "ind",
)  # fmt: skip
BRITISH = (
    "The organisation recognised that the colour of the programme's catalogue had been "
    "altered. The paediatric centre analysed the behaviour of anaesthetised patients, whose "
    "neighbours travelled by aeroplane to the theatre. Labour councillors apologised for the "
    "grey tyres of the ambulance, which had been labelled with the wrong licence. Haemoglobin"
    " and oestrogen were measured in litres, and the manoeuvre was practised for two "
    "fortnights in the rumour-filled harbour, while the jewellery of the marvellous traveller"
    " was catalogued."
)
AMERICAN = (
    "The organization recognized that the color of the program's catalog had been altered. "
    "The pediatric center analyzed the behavior of anesthetized patients, whose neighbors "
    "traveled by airplane to the theater. Labor organizers apologized for the gray tires of "
    "the ambulance, which had been labeled with the wrong license. Hemoglobin and estrogen "
    "were measured in liters, and the maneuver was practiced for two weeks in the rumor-"
    "filled harbor."
)
NOTE = (
    "The patient is a 58-year-old woman with type 2 diabetes mellitus and hypertension who "
    "presented with three days of pain in the right upper quadrant, nausea and a low-grade "
    "fever. Ultrasound showed cholelithiasis with a thickened gallbladder wall and "
    "pericholecystic fluid. She was kept fasting and received intravenous piperacillin-"
    "tazobactam; laparoscopic cholecystectomy was performed on the second day without "
    "complications. Histology confirmed acute cholecystitis. She was discharged on metformin,"
    " lisinopril and atorvastatin with a follow-up in two weeks."
)
MAIL = (
    "Hi Sam,\n\nthanks for your message from Monday. I talked to Priya about the room; she says "
    "we can have it from ten to noon if we bring our own projector. Could you ask Tom whether he "
    "still has the adapter? If not, I will buy one on the way.\n\n> Will the slides be ready by "
    "then?\n\nYes, nearly. I only have to redo the chart of page 4, because the numbers for March "
    "came in late. See you on Thursday!\n\nBest wishes\nAnna"
)
DIALOGUE = (
    '"Where were you?" she asked.\n"At the station."\n"All night?"\n"The train was late, then '
    'there was no other one."\n"You could have called."\n"I tried. Nobody answered."\nShe looked '
    'at the phone. "It was raining," she said at last.\n"It still is," he said. "May I come in?"\n'
    '"You may. But take off your shoes."\n"I will. Is there any tea left?"\n"There is always tea."'
)
LAW = (
    "The lessee shall not assign this agreement or sublet the premises without the prior "
    "written consent of the lessor, which shall not be unreasonably withheld. Any notice "
    "under this agreement shall be deemed to have been given upon receipt. In the event of "
    "default, the lessor may, without prejudice to any other remedy, terminate this agreement"
    " upon thirty days' written notice, whereupon the lessee shall indemnify and hold "
    "harmless the lessor against all claims, damages and expenses, including reasonable "
    "attorneys' fees, arising therefrom."
)


#: Of each domain, at most.
DOCUMENTS = 16
#: Text that loses more than 0.05, and why that is accepted.
KNOWN = {"dictionary (Webster 1913)": "marks of pronunciation inside words"}


def loss(documents: list[str]) -> float:
    """1 − cleanliness of a set."""
    return 1 - score(map(Document, documents), PARAMETERS).cleanliness / GRID


def domains() -> dict[str, list[str]]:
    """Kinds of clean text."""
    library = Path(sysconfig.get_paths()["stdlib"])
    verse = [d.text for d in golden.documents() if d.metadata["title"] == "The Tyger"]
    return {
        "balanced English": texts(25, ("brown",)),
        "speeches": texts(25, ("speeches",)),
        "novel": texts(25, ("novel",)),
        "manual (PostgreSQL)": texts(25, ("postgresql",)),
        "manual (Perl)": texts(25, ("perl",)),
        "program source": [p.read_text("utf-8") for p in sorted(library.glob("*.py"))[:25]],
        "verse": verse,
        "medicine": [NOTE],
        "law": [LAW],
        "mail": [MAIL],
        "dialogue": [DIALOGUE],
        "British spelling": [BRITISH],
        "American spelling": [AMERICAN],
        **{name: foreign(source)[:25] for name, source in FURTHER.items()},
    }


def pieces(text: str) -> list[str]:
    """A text as eight documents."""
    paragraphs = text.split("\n\n")
    bounds = [len(paragraphs) * i // 8 for i in range(9)]
    return ["\n".join(paragraphs[a:b]) for a, b in pairwise(bounds)]


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--every", action="store_true")
    options = parser.parse_args()
    found = translations()
    rows: list[dict[str, Any]] = []
    for name in found if options.every else TWENTY:
        documents = pieces(found[name])
        repeated = overlap(documents)
        rows.append(
            {
                "text": name,
                "cleanliness": 1 - loss(documents),
                "diversity": 1 - repeated["shared"] / repeated["runs"],
            }
        )
    spread = {
        f"spread of {name}": max(r[name] for r in rows) - min(r[name] for r in rows)
        for name in ("cleanliness", "diversity")
    }
    medians = {
        f"median {name}": statistics.median(r[name] for r in rows)
        for name in ("cleanliness", "diversity")
    }
    below = [r["text"] for r in rows if r["cleanliness"] < 0.9]
    clean = [
        {"text": name, "cleanliness": 1 - loss(bodies[:DOCUMENTS]), "diversity": ""}
        for name, bodies in domains().items()
    ]
    unclean = [row["text"] for row in clean if row["cleanliness"] < 0.95]
    dirty = [name for name in unclean if name not in KNOWN]
    known = [f"{name} ({KNOWN[name]})" for name in unclean if name in KNOWN]
    summary = {
        **spread,
        **medians,
        "below 0.9": len(below),
        "known": known,
        "domains with false dirt": dirty,
    }
    show(rows[:40] + clean, summary, to_json=options.json, docs="fairness" * options.docs)
    return 1 if dirty or (not options.every and max(spread.values()) > 0.05) else 0


if __name__ == "__main__":
    sys.exit(main())
