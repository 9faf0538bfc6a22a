"""Whether a certificate is vouched for by roots that somebody trusts, in words, and without the network.

The rules are those of ETSI EN 319 102-1 as pyHanko applies them; here its indications become sentences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from audit.attestation import Standing
from audit.signing import certificates
from audit.signing.reading import quiet
from audit.text import printable

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.sign.validation import EmbeddedPdfSignature

GIVE_ROOTS = "give the root certificates that you trust (--trust FILE)"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What ETSI EN 319 102-1 says of a signature by given roots."""

    indication: str
    """``OK``, or the name of the standard's sub-indication."""
    status: Any
    """pyHanko's status of the signature: intact, valid, coverage, validation path."""
    revocation: bool
    """Revocation lists of the signer's whole chain were there, and held up."""
    clocks: bool
    """The same for the chains of the timestamps."""
    archived: Any = None
    """The time of the oldest timestamp over the file that holds up; None without one."""


_NO_PROOF = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
"""Everything held up, but for proof that whoever issued the revocation list was there before the certificate ended.

pyHanko 0.38 looks for that list on a path that begins at the signer's own authority, and so finds none that an
intermediate authority signed itself. A timestamp over lists and certificates, from before that end, is the proof.
"""

_WAYS = (("require", "require"), ("require", "none"), ("soft-fail", "none"))
"""How revocation lists are asked for: of the signer's chain, and of that of a timestamp service.

The lists in the file are from the day of signing. They show what was known of the signer then, and nothing of whether a
timestamp service that is still in term was revoked since; only its own newest list could, and no network is used.
"""


def judge(
    signature: EmbeddedPdfSignature, roots: Sequence[Certificate], level: str, *, protected: bool = False
) -> Judged:
    """Judge a signature by roots: first with all revocation lists required, then with fewer.

    ``level`` says what the file holds: ``b-b``, ``b-t``, ``b-lt`` or ``b-lta``; ``protected``, that its first
    timestamp over the file covers revocation lists.
    """
    found: list[Judged] = []
    for signer, clock in _WAYS:
        with quiet():
            result = _run(signature, _spec(roots, signer, clock), level)
        archived = getattr(result, "oldest_evidence_record_timestamp", None)
        indication = unvouched(str(result.ades_subindic.standard_name), signature.signer_cert)
        if indication == _NO_PROOF and protected and archived and archived <= signature.signer_cert.not_valid_after:
            indication = "OK"
        judged = Judged(
            indication=indication,
            status=result.api_status,
            revocation=indication == "OK" and signer == "require",
            clocks=indication == "OK" and clock == "require",
            archived=archived,
        )
        if indication == "OK" or indication in UNKNOWN:
            return judged
        found.append(judged)
    return next((each for each in found if each.indication in REVOKED), found[-1])


def _run(signature: EmbeddedPdfSignature, spec: Any, level: str) -> Any:
    from pyhanko.sign.validation import ades
    from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec

    if level == "b-lta":
        return asyncio.run(ades.ades_lta_validation(signature, PdfSignatureValidationSpec(spec)))
    verb = ades.ades_basic_validation if level == "b-b" else ades.ades_with_time_validation
    return asyncio.run(verb(signature.signed_data, spec, raw_digest=signature.compute_digest()))


def _spec(roots: Sequence[Certificate], signer: str, clock: str) -> Any:
    from pyhanko.sign.validation import KeyUsageConstraints
    from pyhanko.sign.validation.policy_decl import (
        CertificateFetchingRule,
        RevinfoOnlineFetchingRule,
        RevocationInfoGatheringSpec,
        SignatureValidationSpec,
    )
    from pyhanko_certvalidator.context import CertValidationPolicySpec
    from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, RevocationCheckingPolicy
    from pyhanko_certvalidator.registry import SimpleTrustManager

    def policy(mode: str) -> Any:
        lists = NO_REVOCATION if mode == "none" else RevocationCheckingPolicy.from_legacy(mode)
        trusted = SimpleTrustManager.build(trust_roots=list(roots))
        return CertValidationPolicySpec(trust_manager=trusted, revinfo_policy=CertRevTrustPolicy(lists))

    return SignatureValidationSpec(
        policy(signer),
        RevocationInfoGatheringSpec(
            RevinfoOnlineFetchingRule.LOCAL_ONLY, certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH
        ),
        ts_cert_validation_policy=policy(clock),
        key_usage_settings=KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}),
    )


def context(roots: Sequence[Certificate], *, now: datetime | None = None) -> Any:
    """Return pyHanko's context for one certificate: these roots, no network, no revocation lists."""
    from pyhanko_certvalidator import ValidationContext
    from pyhanko_certvalidator.registry import SimpleTrustManager

    return ValidationContext(
        trust_manager=SimpleTrustManager.build(trust_roots=list(roots)), moment=now, allow_fetching=False
    )


# ---- words ---------------------------------------------------------------------------------------

REVOKED = {"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"}
UNKNOWN = {"NO_CERTIFICATE_CHAIN_FOUND"}
_LAPSED = {"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED", "NOT_YET_VALID", _NO_PROOF}
_WEAK = "it rests on an algorithm that no longer counts as secure"
_SAID = {
    **dict.fromkeys(REVOKED, (Standing.BROKEN, "it was revoked")),
    "CHAIN_CONSTRAINTS_FAILURE": (Standing.BROKEN, "its chain breaks a rule of the certificates in it"),
    "SIG_CONSTRAINTS_FAILURE": (
        Standing.BROKEN,
        "it is not made for signing documents, or the signature breaks a rule of its format",
    ),
    "CRYPTO_CONSTRAINTS_FAILURE": (Standing.BROKEN, _WEAK),
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": (Standing.BROKEN, _WEAK),
    "TIMESTAMP_ORDER_FAILURE": (Standing.BROKEN, "the timestamps contradict each other"),
    "TRY_LATER": (
        Standing.ASSERTED,
        "the revocation lists in the file are too old or too few to show that it was valid",
    ),
}


def spoken(indication: str, certificate: Certificate, root: Certificate | None, roots: bool) -> tuple[Standing, str]:
    """Return how far a certificate can be relied on, and a sentence that says why."""
    if indication == "OK":
        return Standing.ATTESTED, _vouched(certificate, root)
    if indication in _LAPSED:
        lapsed = certificates.out_of_term(certificate, datetime.now(UTC)) or "a certificate of its chain is out of term"
        return Standing.ASSERTED, f"it is out of term ({lapsed}), and no trusted time shows that it signed before"
    if indication in UNKNOWN:
        why = "none of the roots that you trust vouches for it" if roots else f"no roots were given: {GIVE_ROOTS}"
        return Standing.ASSERTED, f"the key is unknown, so anybody may have made it ({why})"
    return _SAID.get(indication, (Standing.ASSERTED, f"it could not be checked to the end ({printable(indication)})"))


def unvouched(indication: str, certificate: Certificate) -> str:
    """Return the indication, and for a certificate of its own making the one that says that nobody vouches for it.

    Such a certificate is its own chain. Where it is none of the roots, the rules of a certification authority are asked
    of it, which it need not keep: that is no sign that anything was broken.
    """
    alone = indication == "CHAIN_CONSTRAINTS_FAILURE" and certificate.self_issued
    return "NO_CERTIFICATE_CHAIN_FOUND" if alone else indication


def _vouched(certificate: Certificate, root: Certificate | None) -> str:
    if root is not None and root.sha256 == certificate.sha256:
        return "it is itself one that you trust"
    by = "a root" if root is None else f"the root {certificates.short(root)}"
    return f"it is vouched for by {by}, which you trust"
