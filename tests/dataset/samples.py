"""Small files of the forms that programs write and people do not."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING

import docx

if TYPE_CHECKING:
    from collections.abc import Sequence


def pdf_file(pages: Sequence[str]) -> bytes:
    """A PDF file with a line of text a page; an empty line is a page without text."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 20 50 Td ({text}) Tj ET" if text else ""
        objects += [
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100]"
            f" /Contents {5 + 2 * number} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode()
    start = len(out)
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}".encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def word_file(paragraphs: Sequence[str], *, header: str = "") -> bytes:
    """A Word file."""
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if header:
        document.sections[0].header.paragraphs[0].text = header
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def warc_file(*records: tuple[str, str, bytes], status: str = "200 OK") -> bytes:
    """A WARC file; for each record its kind, its media type and its bytes."""
    out = b""
    for number, (kind, media, body) in enumerate(records):
        block = body
        if kind == "response":
            head = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\n\r\n"
            block, media = head.encode() + body, "application/http; msgtype=response"
        digest = base64.b32encode(hashlib.sha1(block).digest()).decode()  # noqa: S324 (the format)
        out += (
            (
                f"WARC/1.0\r\nWARC-Type: {kind}\r\n"
                f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012}>\r\n"
                f"WARC-Target-URI: http://example.org/{number}\r\n"
                "WARC-Date: 2026-01-02T03:04:05Z\r\n"
                f"WARC-Block-Digest: sha1:{digest}\r\n"
                f"Content-Type: {media}\r\nContent-Length: {len(block)}\r\n\r\n"
            ).encode()
            + block
            + b"\r\n\r\n"
        )
    return out
