"""Says in plain words what the signature of a PDF shows: whether it is intact, what it covers, by whom, since when.

No network is used. A signature by an unknown key is stated as such: its bytes fit together, and anybody could have
made it. What a certificate says of its holder is the word of whoever issued it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.attestation import Standing, Statement
from audit.errors import UserError
from audit.signing import certificates, trust
from audit.signing.reading import library, open_pdf, quiet
from audit.text import printable

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import EmbeddedPdfSignature

SIGNATURE = "the signature"
CHANGES = "the file since it was signed"
CERTIFICATE = "the signing certificate"
TIME = "the time of signing"
LEVEL = "the level of the signature"
REVOCATION = "revocation"
STATED = "what the signer states"
MEANING = "what a signature covers"

MEANS = (
    "A signature shows who sealed which bytes. That the numbers follow from the evidence, that the model is the one "
    "in use, and that the findings are right is not covered by it."
)


def inspect(pdf: bytes, trusted: Sequence[Path | str] = ()) -> tuple[Statement, ...]:
    """Return what the signatures of a PDF show, by the root certificates in the files ``trusted``.

    A file without a signature, one whose signature cannot be read, and an installation without the extra ``sign``
    give a statement too.

    Raises
    ------
    UserError
        When the file is no PDF that can be read, or a root certificate cannot be.
    """
    if lacking := missing(SIGNATURE):
        return (lacking,)
    roots = certificates.read(trusted)
    reader = open_pdf(pdf, "the PDF")
    try:
        with quiet():
            held = [each for each in reader.embedded_signatures if each.sig_object_type != "/DocTimeStamp"]
            clocks = [each for each in reader.embedded_signatures if each.sig_object_type == "/DocTimeStamp"]
            if not held:
                return (_unsigned(clocks),)
            said = [
                statement
                for number, each in enumerate(held, 1)
                for statement in _told(reader, each, clocks, roots, "" if len(held) == 1 else f" {number}")
            ]
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise anything; it is said, not swallowed
        found = printable(f"{type(error).__name__}: {error}")
        says = f"The signature cannot be read ({found}); a signature that holds up can be."
        return (Statement(about=SIGNATURE, standing=Standing.BROKEN, says=says),)
    return (*said, Statement(about=MEANING, standing=Standing.NOT_COVERED, says=MEANS))


def missing(about: str) -> Statement | None:
    """Return what is said where the libraries that look at signatures are not installed."""
    try:
        library()
    except UserError as error:
        says = f"It was not looked at: {error.title.lower()} ({error.problems[0].do})."
        return Statement(about=about, standing=Standing.NOT_COVERED, says=says)
    return None


def _unsigned(clocks: Sequence[Any]) -> Statement:
    says = "The file holds no signature: nothing in it shows who issued it, or that it is unchanged."
    if clocks:
        says = "The file holds a timestamp and no signature: it existed then; nothing in it shows who issued it."
    return Statement(about=SIGNATURE, standing=Standing.NOT_COVERED, says=says)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One signature, with all that was found out about it."""

    signature: EmbeddedPdfSignature
    judged: trust.Judged
    level: str
    roots: Sequence[Certificate]
    tail: Any
    """What was done behind the last of this signature and its timestamps (pyHanko's level); None: nothing."""

    @property
    def intact(self) -> bool:
        """Return whether the signed bytes are those that were signed."""
        status = self.judged.status
        return bool(status is not None and status.intact and status.valid)


def _told(
    reader: PdfFileReader,
    signature: EmbeddedPdfSignature,
    clocks: Sequence[Any],
    roots: Sequence[Certificate],
    number: str,
) -> Iterator[Statement]:
    signature.compute_integrity_info()
    later = [each for each in clocks if each.signed_revision > signature.signed_revision]
    level = _level(reader, signature, later)
    protected = bool(later) and _holds_lists(reader.get_historical_resolver(later[0].signed_revision))
    look = _Look(
        signature=signature,
        judged=trust.judge(signature, roots, level, protected=protected),
        level=level,
        roots=roots,
        tail=_tail([signature, *later][-1]),
    )
    verbs = (_integrity, _changes, _certificate, _time, _level_reached, _revocation, _stated)
    for verb in verbs if look.intact else (_integrity, _changes, _stated):
        about, standing, says = verb(look)
        if says:
            yield Statement(about=f"{about}{number}", standing=standing, says=says)


def _level(reader: PdfFileReader, signature: EmbeddedPdfSignature, later: Sequence[Any]) -> str:
    """Return the level by what the file holds (ETSI EN 319 142-1, clause 6)."""
    from pyhanko.sign.validation.generic_cms import extract_tst_data_iter

    if next(iter(extract_tst_data_iter(signature.signer_info, signed=False)), None) is None:
        return "b-b"
    if not _holds_lists(reader):
        return "b-t"
    return "b-lta" if later else "b-lt"


def _holds_lists(revision: Any) -> bool:
    """Return whether a revision of the file stores revocation lists or answers."""
    from pyhanko.sign.validation.dss import DocumentSecurityStore
    from pyhanko.sign.validation.errors import NoDSSFoundError

    try:
        stored = DocumentSecurityStore.read_dss(revision)
    except NoDSSFoundError:
        return False
    return bool(stored.crls or stored.ocsps)


def _tail(last: EmbeddedPdfSignature) -> Any:
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation import SignatureCoverageLevel

    if last.evaluate_signature_coverage() is SignatureCoverageLevel.ENTIRE_FILE:
        return None
    last.compute_integrity_info()
    return getattr(last.diff_result, "modification_level", ModificationLevel.OTHER)


# ---- one statement each --------------------------------------------------------------------------

_Said = tuple[str, Standing, str]


def _integrity(look: _Look) -> _Said:
    own = certificates.named(look.signature.signer_cert)
    if not look.intact:
        status = look.judged.status
        if status is not None and not status.intact:
            found = "The signed bytes are not those that were signed"
        else:
            found = "The signature was not made by the key of its certificate, or its format is broken"
        return SIGNATURE, Standing.BROKEN, f"{found}. It claims to be by {own}."
    standing = Standing.ATTESTED if look.judged.indication == "OK" else Standing.ASSERTED
    return SIGNATURE, standing, f"The signed bytes are those that were signed with the key of {own}."


def _changes(look: _Look) -> _Said:
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation import SignatureCoverageLevel

    certified = look.signature.docmdp_level is not None
    rule = "the signature allows no change" if certified else "no rule in it says which changes are allowed"
    standing = Standing.ATTESTED if look.judged.indication == "OK" else Standing.ASSERTED
    if not look.intact:
        return CHANGES, Standing.BROKEN, f"The file is not as it was signed; {rule}."
    if look.signature.coverage is SignatureCoverageLevel.ENTIRE_FILE:
        return CHANGES, standing, "The signature covers the whole file: nothing was added."
    info = look.signature.summarise_integrity_info()
    level = getattr(info["diff_result"], "modification_level", ModificationLevel.OTHER)
    if level is ModificationLevel.NONE or look.tail is ModificationLevel.NONE:
        return CHANGES, Standing.BROKEN, f"Bytes were added behind the signed ones; {rule}."
    if level is ModificationLevel.LTA_UPDATES and info["docmdp_ok"]:
        rest = "" if look.tail is None else "; the last of it is covered by no signature and no timestamp"
        says = f"Only what keeps the signature checkable was added (certificates, revocation lists, timestamps){rest}."
        return CHANGES, standing, says
    why = (
        str(info["diff_result"]) if isinstance(info["diff_result"], Exception) else "what it shows or holds is another"
    )
    return CHANGES, Standing.BROKEN, f"The file was changed after it was signed ({printable(why)}); {rule}."


def _certificate(look: _Look) -> _Said:
    own = look.signature.signer_cert
    path = look.judged.status.validation_path
    root = path.first if look.judged.indication == "OK" and path is not None else None
    standing, why = trust.spoken(look.judged.indication, own, root, bool(look.roots))
    term = f"valid from {certificates.day(own.not_valid_before)} to {certificates.day(own.not_valid_after)}"
    return CERTIFICATE, standing, f"{certificates.short(own)}, {term}: {why}."


def _time(look: _Look) -> _Said:
    claimed = look.signature.self_reported_timestamp
    told = f"The signer states {certificates.day(claimed)}" if claimed is not None else "The signer states no time"
    stamp = look.judged.status.timestamp_validity or _stamp(look)
    if stamp is None:
        return TIME, Standing.ASSERTED, f"{told}, by a clock of their own; there is no timestamp of anybody else."
    clock = f"the timestamp of {certificates.short(stamp.signing_cert)} says {certificates.day(stamp.timestamp)}"
    if not (stamp.intact and stamp.valid):
        return TIME, Standing.BROKEN, f"{told}; {clock}, and is not about this signature or broken."
    if stamp.trusted:
        return (
            TIME,
            Standing.ATTESTED,
            f"The signature existed by {certificates.day(stamp.timestamp)}: {clock}, and you trust its root. {told}.",
        )
    return TIME, Standing.ASSERTED, f"{told}; {clock}, and none of the roots that you trust vouches for it."


def _stamp(look: _Look) -> Any:
    """Return the status of the timestamp where the judgement ended before it came to that."""
    import asyncio

    from pyhanko.sign.validation.generic_cms import collect_timing_info

    found = asyncio.run(
        collect_timing_info(
            look.signature.signer_info, trust.context(look.roots), raw_digest=look.signature.compute_digest
        )
    )
    return found.get("timestamp_validity")


_LEVELS = {
    "b-b": "a signature without a timestamp; it can be checked while its certificate is valid",
    "b-t": "a signature with a timestamp; what shows that its certificate was not revoked is not in the file",
    "b-lt": "a signature with a timestamp and revocation lists; no timestamp protects these",
    "b-lta": "a signature with timestamp, revocation lists and a timestamp over all of it, for archives",
}


def _level_reached(look: _Look) -> _Said:
    if str(look.signature.sig_object.get("/SubFilter")) != "/ETSI.CAdES.detached":
        return LEVEL, Standing.NOT_COVERED, "The signature is not of the kind PAdES; its level is not assessed."
    certified = look.signature.docmdp_level
    seal = (
        " It is a certification signature (DocMDP), which allows no change."
        if certified is not None and certified.value == 1
        else ""
    )
    told = f"PAdES {look.level.upper()}, by what the file holds: {_LEVELS[look.level]}.{seal}"
    if look.level != "b-lta":
        return LEVEL, Standing.ATTESTED, told
    if look.judged.archived is None:
        return (
            LEVEL,
            Standing.ASSERTED,
            f"{told} The timestamp over the file is not vouched for by the roots that you trust.",
        )
    return (
        LEVEL,
        Standing.ATTESTED,
        f"{told} The file has been as it is since {certificates.day(look.judged.archived)}.",
    )


def _revocation(look: _Look) -> _Said:
    if look.judged.indication in trust.REVOKED:
        return REVOCATION, Standing.BROKEN, "A certificate of the chain is on a revocation list in the file."
    path = look.judged.status.validation_path
    if look.judged.indication == "OK" and path is not None and path.first.sha256 == look.signature.signer_cert.sha256:
        says = "You trust the signing certificate itself. No revocation list is kept over it: ask whose it is."
        return REVOCATION, Standing.NOT_COVERED, says
    if look.judged.revocation:
        says = "By the revocation lists in the file, no certificate of the signer's chain was revoked when it signed."
        if not look.judged.clocks:
            says += " Whether that of the timestamp service was revoked since is not known: no network was used."
        return REVOCATION, Standing.ATTESTED, says
    if look.level in {"b-b", "b-t"}:
        held = "the file holds no revocation list"
    elif look.judged.indication in trust.UNKNOWN:
        held = "without a trusted root the revocation lists in the file show nothing"
    else:
        held = "the revocation lists in the file are not enough"
    says = f"Whether the certificate was revoked is not known: {held}, and no network was used."
    return REVOCATION, Standing.NOT_COVERED, says


def _stated(look: _Look) -> _Said:
    fields = {"name": "/Name", "reason": "/Reason", "location": "/Location", "contact": "/ContactInfo"}
    held = {word: look.signature.sig_object.get(key) for word, key in fields.items()}
    told = "; ".join(f"{word}: {printable(str(value))[:300]}" for word, value in held.items() if value)
    return STATED, Standing.ASSERTED, f"{told}. Nobody has checked it." if told else ""
