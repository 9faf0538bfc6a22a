"""Arguments and options that several commands share, as typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PolicyArg = Annotated[
    str, typer.Argument(metavar="POLICY", help="Path of a policy, or the name of one that is shipped.")
]
ModelOpt = Annotated[str, typer.Option("--model", metavar="PATH_OR_ID", help="Model folder or hub id.")]
OutOpt = Annotated[Path, typer.Option("--out", help="Folder for the record and the reports.")]
SetOpt = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the policy; may be repeated."),
]
StoreOpt = Annotated[
    Path | None, typer.Option("--store", help="Folder of stored answers; by default the user's cache.")
]
DeviceOpt = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
DtypeOpt = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
RevisionOpt = Annotated[str | None, typer.Option("--revision", help="Revision of a hub model.")]
PickleOpt = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Read weights from formats that can run code. Only for sources you trust."),
]
RemoteOpt = Annotated[
    bool, typer.Option("--allow-remote-code", help="Run code from the model folder. Only for sources you trust.")
]
MarginOpt = Annotated[
    float,
    typer.Option(
        "--margin",
        metavar="SHARE",
        help="Count a change only where it is shown to exceed this share of its bound's distance from no effect.",
    ),
]
FormatOpt = Annotated[
    str | None,
    typer.Option(
        "--format", help="Reports to write, separated by commas; `--format help` lists them and their readers."
    ),
]
