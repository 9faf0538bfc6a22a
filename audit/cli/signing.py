"""``inspectoscope sign``: signs a report or a statement with a key of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sign(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A report (PDF), or an in-toto statement (JSON), as the tool wrote it."),
    ],
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="PKCS#12, PEM or DER file, or a pkcs11: URI.")],
    certificate: Annotated[
        list[Path] | None,
        typer.Option("--certificate", help="The key's certificate and those above it, where KEY lacks them."),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="File that holds the key's passphrase; else it is asked.")
    ] = None,
    passphrase_env: Annotated[
        str | None, typer.Option("--passphrase-env", metavar="NAME", help="Environment variable that holds it.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="PAdES level: b-b, b-t or b-lta; by default the highest in reach.")
    ] = None,
    timestamp: Annotated[
        str, typer.Option("--timestamp", metavar="URL", help="Timestamp service (RFC 3161); without it no network.")
    ] = "",
    timestamp_required: Annotated[
        bool, typer.Option("--timestamp-required", help="Fail rather than sign at a lower level.")
    ] = False,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", help="Root certificates that you trust; may be repeated.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Who signs, as they state it.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why they sign.")] = "",
    location: Annotated[str, typer.Option("--location", help="Where they sign.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="How to reach them.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; by default beside FILE, as .signed.pdf or .dsse.json.")
    ] = None,
) -> None:
    """Sign a report (PAdES) or a statement (DSSE) with your own key."""
    from audit.signing import command, pades, passphrase

    wish = pades.Wish(
        stated=pades.Stated(name=name, reason=reason, location=location, contact=contact),
        level=pades.level(level),
        timestamp=timestamp,
        required=timestamp_required,
        trust=tuple(trust or ()),
    )
    secret = passphrase.asked(passphrase_file, passphrase_env)
    order = command.Order(file=file, key=key, secret=secret, certificates=tuple(certificate or ()), wish=wish, out=out)
    for line in command.lines(command.carry_out(order)):
        typer.echo(line)
