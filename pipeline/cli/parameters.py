"""Arguments and options that several commands share, and the panels that options stand in."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.bundles.names import FORMAT_NAMES, LISTING_NAMES
from pipeline.cli import completion
from pipeline.settings import KeyType

__all__ = [
    "ACCOUNT_PANEL",
    "BILLING_GROUP",
    "BUNDLES_PANEL",
    "CSR_DIR",
    "DEVICE",
    "DEVICES_PANEL",
    "ENDPOINT_URL",
    "FORMATS",
    "GROUP",
    "IDENTITY",
    "INSECURE_WORKERS",
    "KEY",
    "KEYS_PANEL",
    "KEY_MAKERS",
    "LOCAL",
    "MANIFEST",
    "OPENING_PASSPHRASE",
    "OUTPUT",
    "PART",
    "PKCS12_PASSWORD",
    "POLICY",
    "PROFILE",
    "QUOTA",
    "RATE",
    "REGION",
    "REGION_OF_RUN",
    "RUN",
    "RUN_PANEL",
    "SAYS_PANEL",
    "THING_TYPE",
    "WORKERS",
    "YES",
]

RUN_PANEL = "The run"
ACCOUNT_PANEL = "AWS account"
DEVICES_PANEL = "Things, groups and policies"
KEYS_PANEL = "Keys"
BUNDLES_PANEL = "Bundles"
SAYS_PANEL = "What it asks and says"

_SOURCE = "prompt, file:PATH or fd:N, never the {} itself."

FORMATS = f"{', '.join(FORMAT_NAMES)}; for a whole run {', '.join(LISTING_NAMES)} (see docs/formats.md)."
"""The names, for help."""

MANIFEST = typer.Argument(
    metavar="MANIFEST", help="A file of devices (.csv, .tsv, .txt, .jsonl, .toml), or - for standard input."
)
RUN = typer.Argument(
    metavar="RUN", help="A run's name (demo), or its folder (output/demo).", autocompletion=completion.runs
)

OUTPUT = typer.Option(
    Path("output"), "--output", metavar="DIR", help="Where runs land.", rich_help_panel=RUN_PANEL
)
DEVICE = typer.Option(
    None, "--device", metavar="NAME", help="Only the device of this name; repeatable.", rich_help_panel=RUN_PANEL
)
WORKERS = typer.Option(
    None,
    "--workers",
    metavar="N",
    show_default="one a core",
    help="Processes that make keys.",
    rich_help_panel=RUN_PANEL,
)
KEY_MAKERS = typer.Option(
    None,
    "--workers",
    metavar="WORKERS",
    show_default="one a core",
    help="Processes that make keys, or the Dask scheduler (tls://HOST:PORT) of a cluster that does.",
    rich_help_panel=RUN_PANEL,
)
INSECURE_WORKERS = typer.Option(
    False,
    "--insecure-workers",
    help="Let the cluster be without TLS, on this machine (tcp://127.0.0.1:PORT), to try it out.",
    rich_help_panel=RUN_PANEL,
)
PART = typer.Option(
    None,
    "--part",
    metavar="K/N",
    show_default="all of it",
    help="Only this part of the manifest, for one of N stations; batch: the job's in an array of AWS Batch.",
    rich_help_panel=RUN_PANEL,
)
RATE = typer.Option(None, "--rate", metavar="N", help="Devices per second at most.", rich_help_panel=RUN_PANEL)

PROFILE = typer.Option(
    None, "--profile", metavar="NAME", help="AWS profile to take credentials from.", rich_help_panel=ACCOUNT_PANEL
)
REGION = typer.Option(
    None,
    "--region",
    metavar="REGION",
    show_default="the profile's",
    help="AWS Region.",
    rich_help_panel=ACCOUNT_PANEL,
)
REGION_OF_RUN = typer.Option(
    None, "--region", metavar="REGION", show_default="the run's", help="AWS Region.", rich_help_panel=ACCOUNT_PANEL
)
ENDPOINT_URL = typer.Option(
    None,
    "--endpoint-url",
    metavar="URL",
    help="Where all calls go instead of AWS, for an emulator.",
    rich_help_panel=ACCOUNT_PANEL,
)
LOCAL = typer.Option(
    False,
    "--local",
    help="Against the embedded AWS IoT, as the run was made.",
    rich_help_panel=ACCOUNT_PANEL,
)
QUOTA = typer.Option(
    None,
    "--quota",
    metavar="API=TPS",
    help="Calls per second of one operation, whatever the account says; repeatable.",
    rich_help_panel=ACCOUNT_PANEL,
)

THING_TYPE = typer.Option(
    None, "--thing-type", metavar="NAME", help="Thing type of rows that name none.", rich_help_panel=DEVICES_PANEL
)
GROUP = typer.Option(
    None,
    "--group",
    metavar="NAME",
    help="Thing group of rows that name none; repeatable.",
    rich_help_panel=DEVICES_PANEL,
)
BILLING_GROUP = typer.Option(
    None,
    "--billing-group",
    metavar="NAME",
    help="Billing group of rows that name none.",
    rich_help_panel=DEVICES_PANEL,
)
POLICY = typer.Option(
    None,
    "--policy",
    metavar="POLICY",
    help="Policy of rows that name none, or FILE.json, which is made a policy of its name.",
    rich_help_panel=DEVICES_PANEL,
)

KEY = typer.Option(
    None,
    "--key",
    metavar="TYPE",
    show_default=KeyType.RSA_4096.value,
    help=f"Keys to make: {', '.join(KeyType)}.",
    rich_help_panel=KEYS_PANEL,
)
CSR_DIR = typer.Option(
    None,
    "--csr-dir",
    metavar="DIR",
    help="CSRs of devices that keep their own key, NAME.csr or NAME.pem.",
    rich_help_panel=KEYS_PANEL,
)
IDENTITY = typer.Option(
    None,
    "--identity",
    metavar="FILE",
    help="Opens keys that are encrypted to age or SSH recipients; repeatable.",
    rich_help_panel=KEYS_PANEL,
)
OPENING_PASSPHRASE = typer.Option(
    None,
    "--passphrase",
    metavar="SOURCE",
    help=f"Opens keys that a passphrase encrypts: {_SOURCE.format('passphrase')}",
    rich_help_panel=KEYS_PANEL,
)
PKCS12_PASSWORD = typer.Option(
    None,
    "--pkcs12-password",
    metavar="SOURCE",
    help=f"Encrypts the files of --format pkcs12: {_SOURCE.format('password')}",
    rich_help_panel=BUNDLES_PANEL,
)

YES = typer.Option(False, "--yes", "-y", help="Do not ask.", rich_help_panel=SAYS_PANEL)
