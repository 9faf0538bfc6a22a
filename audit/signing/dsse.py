"""Signs an in-toto statement in a DSSE envelope, and says what the signatures of one show.

DSSE 1.0.2 (github.com/secure-systems-lab/dsse): what is signed is the pre-authentication encoding of type and payload.
The format has no place for certificates; the chain is written as ``cert`` (PEM, its own first), a field beyond the
specification that others pass over. Nobody has to believe it: the signature is checked with it, and it with the roots.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.attestation import Standing, Statement
from audit.errors import UserError, user_error
from audit.signing import certificates, inspection, trust
from audit.signing.keys import SigningKey, digest_for
from audit.signing.reading import quiet
from audit.text import printable

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST = 64 * 1024**2
"""Bytes of a statement or an envelope."""

MOST_SIGNATURES = 64
"""Each costs time to check, and who writes an envelope could write any number."""

_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


def pae(kind: str, body: bytes) -> bytes:
    """Return the pre-authentication encoding (DSSE protocol, "Signature Definition"): lengths count bytes."""
    name = kind.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def sign(statement: bytes, key: SigningKey, *, where: str = "the statement") -> bytes:
    """Return the envelope of an in-toto statement, whose bytes are kept as they are.

    Raises
    ------
    UserError
        When it is no in-toto statement.
    """
    _statement(statement, where)
    signature = {
        "keyid": key.certificate.public_key.sha256.hex(),
        "sig": _encoded(key.sign(pae(PAYLOAD_TYPE, statement), _digest(key.certificate))),
        "cert": _pem(_ordered(key)),
    }
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": _encoded(statement), "signatures": [signature]}
    return (json.dumps(envelope, indent=1) + "\n").encode("utf-8")


def is_envelope(data: bytes) -> bool:
    """Return whether ``data`` looks like an envelope; it may still be a broken one."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"payload", "payloadType", "signatures"} <= found.keys()


def _statement(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data) if len(data) <= LARGEST else None
    except (ValueError, RecursionError) as error:
        raise _unusable(where, f"no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("_type") not in _STATEMENTS:
        kind = found.get("_type", "no _type") if isinstance(found, dict) else "no object"
        raise _unusable(where, f"JSON with {kind!r}" if isinstance(kind, str) else "JSON of another kind")
    return found


def _unusable(where: str, found: str) -> UserError:
    return user_error(
        "The file cannot be signed",
        where=where,
        found=found,
        expected=f"a report as PDF, or an in-toto statement ({_STATEMENTS[0]})",
        do="`inspectoscope report RECORD --format in-toto` writes one",
    )


def _ordered(key: SigningKey) -> Iterator[Certificate]:
    """Return the certificate and those above it, each issued by the next; roots are for the reader to have."""
    at = key.certificate
    yield at
    above = [each for each in key.chain if not each.self_issued]
    while issuer := next((each for each in above if each.subject == at.issuer), None):
        above.remove(issuer)
        at = issuer
        yield at


def _pem(chain: Iterator[Certificate]) -> str:
    from asn1crypto import pem

    return "".join(pem.armor("CERTIFICATE", each.dump()).decode("ascii") for each in chain)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# ---- what an envelope shows ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    kind: str
    body: bytes
    signatures: Sequence[Mapping[str, Any]]


def inspect(
    envelope: bytes, trusted: Sequence[Path | str] = (), *, now: datetime | None = None
) -> tuple[Statement, ...]:
    """Return what the signatures of an envelope show, by the root certificates in the files ``trusted``.

    Raises
    ------
    UserError
        When it is no envelope, or a root certificate cannot be read.
    """
    if lacking := inspection.missing("the signature"):
        return (lacking,)
    roots = certificates.read(trusted)
    opened = _opened(envelope)
    moment = now or datetime.now(UTC)
    many = len(opened.signatures) > 1
    said = [
        statement
        for number, signature in enumerate(opened.signatures, 1)
        for statement in _told(opened, signature, roots, moment, f" {number}" if many else "")
    ]
    if not said:
        says = "The envelope holds no signature: nothing in it shows who issued it, or that it is unchanged."
        said = [Statement(about="the signature", standing=Standing.NOT_COVERED, says=says)]
    return (_content(opened), *said)


def _opened(data: bytes) -> _Envelope:
    try:
        match json.loads(data) if len(data) <= LARGEST else None:
            case {"payloadType": str(kind), "payload": str(body), "signatures": [*signatures]} if len(
                signatures
            ) <= MOST_SIGNATURES and all(isinstance(each, dict) for each in signatures):
                return _Envelope(kind=kind, body=_decoded(body), signatures=signatures)
        found = "JSON of another kind"
    except (ValueError, RecursionError) as error:
        found = str(error)
    raise user_error(
        "The envelope cannot be read",
        where="the envelope",
        found=found,
        expected="a DSSE envelope: JSON with payload, payloadType and signatures",
    )


def _decoded(text: object) -> bytes:
    """Return what base64 stands for, in either alphabet (DSSE envelope)."""
    if not isinstance(text, str):
        raise TypeError("base64 is a string")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error


def _content(opened: _Envelope) -> Statement:
    about = "the statement"
    if opened.kind != PAYLOAD_TYPE:
        says = f"The payload is of the type {printable(opened.kind)!r}, which is not assessed."
        return Statement(about=about, standing=Standing.NOT_COVERED, says=says)
    try:
        held = _statement(opened.body, about)
        subjects = [f"{kind}:{value}" for each in held["subject"] for kind, value in each["digest"].items()]
    except (UserError, KeyError, TypeError, AttributeError):
        says = "The payload is called an in-toto statement and is none."
        return Statement(about=about, standing=Standing.BROKEN, says=says)
    says = f"It speaks of {printable(', '.join(subjects))[:400]}, as {printable(str(held.get('predicateType')))[:200]}."
    return Statement(about=about, standing=Standing.ASSERTED, says=f"{says} A signature does not make it true.")


def _told(
    opened: _Envelope, signature: Mapping[str, Any], roots: Sequence[Certificate], now: datetime, number: str
) -> Iterator[Statement]:
    def told(about: str, standing: Standing, says: str) -> Statement:
        return Statement(about=f"{about}{number}", standing=standing, says=says)

    try:
        sig, chain = _decoded(signature["sig"]), _chain(signature)
    except (KeyError, TypeError, ValueError) as error:
        yield told("the signature", Standing.BROKEN, f"It cannot be read: {printable(str(error))}.")
        return
    message = pae(opened.kind, opened.body)
    own = next((each for each in (chain[:1] or roots) if _verifies(each, sig, message)), None)
    if own is None:
        if chain:
            says = f"The payload is not what was signed, or not by {certificates.named(chain[0])}."
            yield told("the signature", Standing.BROKEN, says)
        else:
            says = "It brings no certificate, and no certificate that you trust has made it."
            yield told("the signature", Standing.ASSERTED, says)
        return
    indication, root = _vouched(own, chain[1:], roots, now)
    standing, why = trust.spoken(indication, own, root, bool(roots))
    held = Standing.ATTESTED if indication == "OK" else Standing.ASSERTED
    yield told("the signature", held, f"The payload is what was signed with the key of {certificates.named(own)}.")
    term = f"valid from {certificates.day(own.not_valid_before)} to {certificates.day(own.not_valid_after)}"
    yield told("the signing certificate", standing, f"{certificates.short(own)}, {term}: {why}.")
    yield told("the time of signing", Standing.NOT_COVERED, "An envelope holds no time, and no revocation list.")


def _chain(signature: Mapping[str, Any]) -> list[Certificate]:
    text = signature.get("cert") or ""
    if not isinstance(text, str):
        raise TypeError("the certificate is no text")
    return certificates.parse(text.encode("utf-8")) if text else []


def _digest(certificate: Certificate) -> str:
    """Return the digest of a signature in an envelope: SHA-256 with RSA, as other tools expect, else the curve's."""
    return "sha256" if certificate.public_key.algorithm == "rsa" else digest_for(certificate)


def _verifies(certificate: Certificate, signature: bytes, message: bytes) -> bool:
    """Return whether a signature was made by the key of a certificate; RSA with either padding, as tools differ."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    sha256 = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO)
    try:
        key = serialization.load_der_public_key(certificate.public_key.dump())
        match key:
            case ec.EllipticCurvePublicKey():
                ways: list[tuple[Any, ...]] = [(ec.ECDSA(getattr(hashes, _digest(certificate).upper())()),)]
            case ed25519.Ed25519PublicKey():
                ways = [()]
            case rsa.RSAPublicKey():
                ways = [(padding.PKCS1v15(), sha256), (pss, sha256)]
            case _:
                return False
    except (UnsupportedAlgorithm, ValueError):
        return False
    for way in ways:
        try:
            key.verify(signature, message, *way)
        except InvalidSignature:
            continue
        return True
    return False


def _vouched(
    own: Certificate, above: Sequence[Certificate], roots: Sequence[Certificate], now: datetime
) -> tuple[str, Certificate | None]:
    """Return the standard's indication for a certificate, and the root that vouches for it."""
    import asyncio

    from pyhanko_certvalidator import CertificateValidator
    from pyhanko_certvalidator.errors import ExpiredError, NotYetValidError, PathBuildingError, ValidationError

    with quiet():
        validator = CertificateValidator(own, list(above), validation_context=trust.context(roots, now=now))
        try:
            path = asyncio.run(validator.async_validate_usage(set()))
        except PathBuildingError:
            return "NO_CERTIFICATE_CHAIN_FOUND", None
        except (ExpiredError, NotYetValidError):
            return "OUT_OF_BOUNDS_NO_POE", None
        except ValidationError:
            return trust.unvouched("CHAIN_CONSTRAINTS_FAILURE", own), None
    return "OK", path.first
