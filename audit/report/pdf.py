"""Writes the report as PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1) in one file.

The pages are laid out in a process of their own, ``python -m audit.report.pdf``, with a time limit and
a memory limit: a policy is text from outside, and layout engines can be made to run for ever. That
process may read the template folder and nothing else. The same record gives the same bytes: every date
comes from the record, every font from the tool.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from audit import explanation as explanations
from audit import record as records
from audit import resources, temporary
from audit.errors import UserError, user_error
from audit.explanation import Explanation
from audit.record import Record
from audit.report import explanation as explained
from audit.report import page, toolchain, view
from audit.report.changes import document
from audit.report.renderers import MISSING_PANGO
from audit.types import Comparison

_VARIANT = "pdf/a-3a"
_TITLE = "The PDF cannot be made"
_NO_LIBRARY = 69  # EX_UNAVAILABLE of sysexits.h
_NO_ROOM = 73  # EX_CANTCREAT


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a layout may take; hostile text can make one endless."""

    seconds: float = 1800.0
    """Of waiting. A busy machine may let a layout starve, which says nothing of the report."""
    processor_seconds: int = 300
    """Of computing; a report of 300 pages takes about half a minute."""
    memory_bytes: int = 4 * 1024**3
    """Of address space; a report of 300 pages needs less than a quarter of it."""

    def __str__(self) -> str:
        return (
            f"a PDF within {self.seconds:g} seconds, {self.processor_seconds} of them of computing, and "
            f"{self.memory_bytes // 1024**2} MiB of address space"
        )


def render(record: Record, template: str = "technical", *, limits: Limits | None = None) -> bytes:
    """Return ``report.pdf``, with the record and the policy attached.

    Raises
    ------
    UserError
        When the libraries that draw text are missing, or when laying out took too much time or memory.
    """
    return _laid_out(record.to_json(), template, record.created, limits or Limits())


def render_changes(comparison: Comparison, *, limits: Limits | None = None) -> bytes:
    """Return ``changes.pdf``, with the comparison attached; raises as ``render`` does."""
    return _laid_out(document.to_json(comparison), document.TEMPLATE, comparison.new.created, limits or Limits())


def render_explanation(explanation: Explanation, *, limits: Limits | None = None) -> bytes:
    """Return ``explanation.pdf``, with the explanation attached; raises as ``render`` does."""
    return _laid_out(explanation.to_json(), explained.TEMPLATE, explanation.created, limits or Limits())


def _laid_out(content: str, template: str, created: str, limits: Limits) -> bytes:
    """Lay out a record or a comparison in a process of its own."""
    with ExitStack() as stack:
        with temporary.named(_TITLE):
            made = tempfile.TemporaryDirectory(prefix="inspectoscope-", ignore_cleanup_errors=True)
            folder = stack.enter_context(made)
            source, target = Path(folder, "record.json"), Path(folder, "report.pdf")
            source.write_text(content, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "audit.report.pdf"]
        command += [str(source), str(target), template, str(limits.memory_bytes), str(limits.processor_seconds)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                command, capture_output=True, timeout=limits.seconds, check=False, env=_surroundings(created)
            )
        except subprocess.TimeoutExpired as error:
            raise _stopped(f"no result after {limits.seconds:g} seconds", limits) from error
        except OSError as error:
            raise _stopped(f"the layout process cannot be started: {error.strerror or error}", limits) from error
        if done.returncode:
            raise _failure(done.returncode, done.stderr.decode("utf-8", "replace"), limits)
        with temporary.named(_TITLE):
            return target.read_bytes()


def _surroundings(created: str) -> dict[str, str]:
    # Where libharfbuzz-subset is missing, fontTools cuts the fonts and dates them with this.
    return os.environ | {"SOURCE_DATE_EPOCH": str(int(view.moment(created).timestamp()))}


def _failure(code: int, errors: str, limits: Limits) -> UserError:
    if code == -getattr(signal, "SIGXCPU", 0):
        return _stopped(f"no result after {limits.processor_seconds} seconds of computing", limits)
    last = errors.strip().splitlines()[-1:] or [f"the layout process ended with code {code}"]
    if code == _NO_ROOM:
        return temporary.refused(_TITLE, last[0])
    if code == _NO_LIBRARY:
        return user_error(
            _TITLE,
            where="Pango",
            found=last[0],
            expected="the system libraries that draw text (Pango, HarfBuzz)",
            do=f"{MISSING_PANGO} (Debian, Ubuntu); the other formats need none of them",
        )
    return _stopped(last[0], limits)


def _stopped(found: str, limits: Limits) -> UserError:
    return user_error(
        _TITLE,
        where="layout of report.pdf",
        found=found,
        expected=str(limits),
        do="use report.html, which has the same content; look for very long texts in the policy or the data",
    )


# ---- the process that lays out -------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Lay out the record at ``arguments[0]`` into the file at ``arguments[1]``."""
    source, target, template, memory_bytes, processor_seconds = arguments
    try:
        # Before memory is limited: a library that does not fit must not be taken for one that is missing.
        import weasyprint  # noqa: F401
    except OSError as error:
        sys.stderr.write(str(error).splitlines()[0] + "\n")
        return _NO_LIBRARY
    _limit(int(memory_bytes), int(processor_seconds))
    content = _made(Path(source), template)
    try:
        Path(target).write_bytes(content)
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return _NO_ROOM
    return 0


def _made(source: Path, template: str) -> bytes:
    if template == document.TEMPLATE:
        return write_changes(document.read(source.read_text(encoding="utf-8")))
    if template == explained.TEMPLATE:
        return write_explanation(explanations.parsed(source.read_bytes(), str(source)))
    record = records.read(source)
    return write(record, page.fill(record, medium="print", template=template), template)


def _limit(memory_bytes: int, processor_seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return  # Windows has no such limits; that on waiting holds there alone
    for what, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, processor_seconds)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def write_changes(comparison: Comparison) -> bytes:
    """Return the PDF of a comparison, which is attached whole; raises as ``write`` does."""
    content = document.to_json(comparison)
    attached = (Attached(content, "changes.json", "Every number of this report", "Data"),)
    identifier = document.identity(comparison).digest
    printed = document.fill(comparison, medium="print")
    return _written(printed, document.TEMPLATE, identifier, comparison.new.created, attached)


def write_explanation(explanation: Explanation) -> bytes:
    """Return the PDF of an explanation, which is attached whole; raises as ``write`` does."""
    attached = (Attached(explanation.to_json(), "explanation.json", "Every number of this page", "Data"),)
    identifier = explained.identity(explanation).digest
    printed = explained.fill(explanation, medium="print")
    return _written(printed, explained.TEMPLATE, identifier, explanation.created, attached)


def write(record: Record, text: str, template: str = "technical") -> bytes:
    """Return the PDF of a filled template.

    Raises
    ------
    RuntimeError
        When WeasyPrint reports an error, such as a link to nowhere or a drawing without its sentence:
        the template is broken, and the PDF would be.
    """
    attached = (
        Attached(record.policy.source, "policy.yaml", "The policy, as it was run", "Source"),
        Attached(record.to_json(), "record.json", "Every number of this report", "Data"),
    )
    return _written(text, template, page.identity(record).digest, record.created, attached)


class Attached(NamedTuple):
    """A file that a PDF carries, and how it relates to the pages (ISO 19005-3, 6.8)."""

    text: str
    name: str
    description: str
    relationship: str


def _written(text: str, template: str, digest: str, created: str, attached: Sequence[Attached]) -> bytes:
    import weasyprint

    folder = resources.folder("report_templates")
    with _Complaints() as complaints:
        html = weasyprint.HTML(string=text, base_url=f"{folder.as_uri()}/", url_fetcher=_fetcher(folder))
        document = html.render(pdf_variant=_VARIANT)
        document.metadata.generate_rdf_metadata = _with_ua(document.metadata.generate_rdf_metadata)
        # Who verifies the report years later must know what it was made with, or cannot make it again.
        document.metadata.custom = {toolchain.KEY: json.dumps(toolchain.this(template))}
        out: bytes = document.write_pdf(
            pdf_variant=_VARIANT,
            custom_metadata=True,
            pdf_identifier=digest[:32].encode("ascii"),
            attachments=_attachments(attached, created),
            finisher=_finisher(_headings(text)),
        )
    if complaints.errors:
        raise RuntimeError("; ".join(complaints.errors))
    return out


class _Complaints(logging.Handler):
    """Keeps what WeasyPrint logs as errors, and passes its warnings on to standard error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        else:
            sys.stderr.write(f"{record.getMessage()}\n")

    def __enter__(self) -> Self:
        logging.getLogger("weasyprint").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("weasyprint").removeHandler(self)


def _fetcher(folder: Path) -> Any:
    """Return a fetcher that opens files of the template folder and ``data:`` URLs, and fails on others."""
    from weasyprint.urls import URLFetcher

    class OnlyTemplates(URLFetcher):  # type: ignore[misc]  # its library is not annotated
        def __init__(self) -> None:
            super().__init__(allowed_protocols={"file", "data"}, allow_redirects=False, fail_on_errors=True)

        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            if urlsplit(url).scheme == "file":
                path = Path(unquote(urlsplit(url).path)).resolve()
                if not path.is_relative_to(folder.resolve()):
                    raise ValueError(f"{path} is outside the template folder")
            return super().fetch(url, headers)

    return OnlyTemplates()


# ---- what WeasyPrint leaves open -----------------------------------------------------------------

_UA_NAMESPACES = {
    "pdfuaid": "http://www.aiim.org/pdfua/ns/id/",
    "pdfaExtension": "http://www.aiim.org/pdfa/ns/extension/",
    "pdfaSchema": "http://www.aiim.org/pdfa/ns/schema#",
    "pdfaProperty": "http://www.aiim.org/pdfa/ns/property#",
}

_UA_METADATA = (
    '<rdf:Description rdf:about="" pdfuaid:part="1"/>'
    '<rdf:Description rdf:about=""><pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">'
    "<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>"
    "<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>"
    '<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">'
    "<pdfaProperty:name>part</pdfaProperty:name>"
    "<pdfaProperty:valueType>Integer</pdfaProperty:valueType>"
    "<pdfaProperty:category>internal</pdfaProperty:category>"
    "<pdfaProperty:description>Part of ISO 14289 that the file follows</pdfaProperty:description>"
    "</rdf:li></rdf:Seq></pdfaSchema:property>"
    "</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"
)


def _with_ua(metadata: Callable[..., bytes]) -> Callable[..., bytes]:
    """Return a metadata generator that also declares PDF/UA-1.

    WeasyPrint writes one variant. The second declaration must stand in the same ``rdf:RDF``, and PDF/A
    wants its schema described (ISO 19005-3, 6.6.2.3.3).
    """
    names = "".join(f' xmlns:{prefix}="{name}"' for prefix, name in _UA_NAMESPACES.items())

    def declared(*arguments: Any, **options: Any) -> bytes:
        rdf = metadata(*arguments, **options)
        opened = rdf.replace(b"<rdf:RDF", b"<rdf:RDF" + names.encode(), 1)
        return opened.replace(b"</rdf:RDF>", _UA_METADATA.encode() + b"</rdf:RDF>")

    return declared


def _attachments(attached: Sequence[Attached], created: str) -> list[Any]:
    from weasyprint import Attachment

    at = view.moment(created)  # "now" would change the bytes with every run
    return [
        Attachment(
            string=each.text,
            name=each.name,
            description=each.description,
            relationship=each.relationship,
            created=at,
            modified=at,
        )
        for each in attached
    ]


def _finisher(headings: Mapping[str, str]) -> Callable[[Any, Any], None]:
    """Return the last touches on the PDF's objects.

    Attachments are listed once (WeasyPrint lists them twice), names in a name tree are sorted (ISO
    32000-1, 7.9.6), and a link says in words where it leads instead of naming an anchor.
    """

    def finish(_document: Any, pdf: Any) -> None:
        import pydyf

        catalog = pdf.catalog
        catalog["AF"] = pydyf.Array(dict.fromkeys(catalog["AF"]))
        tree = pdf.objects[int(catalog["Names"]["EmbeddedFiles"].split()[0])]["Names"]
        pairs = sorted(zip(tree[0::2], tree[1::2], strict=True), key=lambda pair: pair[0].data)
        tree[:] = [item for pair in pairs for item in pair]
        for item in pdf.objects:
            if isinstance(item, dict) and item.get("Subtype") == "/Link" and "Dest" in item:
                anchor = item["Dest"].string
                name = anchor.decode() if isinstance(anchor, bytes) else anchor
                item["Contents"] = pydyf.String(f"Go to: {headings.get(name, name)}")

    return finish


def _headings(text: str) -> Mapping[str, str]:
    """Return the text of every heading that has an anchor."""
    parser = _Headings()
    parser.feed(text)
    return {anchor: " ".join("".join(words).split()) for anchor, words in parser.found.items()}


class _Headings(HTMLParser):
    """Collects headings by their ``id``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._open: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        anchor = dict(attrs).get("id")
        if tag in {"h1", "h2", "h3", "h4"} and anchor:
            self._open = self.found.setdefault(anchor, [])

    def handle_endtag(self, tag: str) -> None:
        if tag in {"h1", "h2", "h3", "h4"}:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.append(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
