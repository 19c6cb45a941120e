"""What each document takes for granted, by its commands, and which of these cannot be run in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.documents import scenery
from tests.documents.scenery import Scene
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DOCUMENTS", "NOT_RUN", "PLACEHOLDERS", "scene_of"]

_PLACES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "benchmarks/README.md")

DOCUMENTS = tuple(path.relative_to(ROOT).as_posix() for pattern in _PLACES for path in sorted(ROOT.glob(pattern)))

_AWS_CLI = "the AWS CLI, on what the stage has made already or cannot have"
_BENCHMARKS = "takes minutes"
_BUCKET = "needs a bucket, as tests/export has one of moto's"
_CLUSTER = "needs a cluster on other machines, as tests/cluster has one on this"
_ESP_IDF = "needs ESP-IDF, which is no package"
_FLASHES = "writes to a device that is plugged in"
_INSTALLS = "installs packages"
_TESTS = "is the tests themselves"

NOT_RUN: Mapping[str, str] = {
    "aws iam create-policy --policy-name thingmill --policy-document file://thingmill.json": _AWS_CLI,
    "aws iam attach-user-policy --user-name line-7"
    " --policy-arn arn:aws:iam::123456789012:policy/thingmill": _AWS_CLI,
    "aws configure --profile factory": _AWS_CLI,
    "esptool.py write_flash 0x340000 devices/pump-001/esp-nvs/pump-001.nvs.bin": _FLASHES,
    "make test": _TESTS,
    "pip install thingmill": _INSTALLS,
    "pip install 'thingmill[local,mqtt]'": _INSTALLS,
    "pip install 'thingmill[mqtt]'": _INSTALLS,
    "pip install 'thingmill[dask]'": _INSTALLS,
    "thingmill run line-7.csv --profile factory --policy device --workers tls://scheduler:8786": _CLUSTER,
    "thingmill export line-7 --format pem --to s3://line-7-bundles/july": _BUCKET,
    "thingmill export line-7 --format pem --to s3://line-7-bundles/july --profile factory": _BUCKET,
    "python $IDF_PATH/tools/mass_mfg/mfg_gen.py generate mass-mfg/config.csv mass-mfg/values.csv line-7 0x6000"
    " --fileid node_id --outdir ~/partitions": _ESP_IDF,
    "python -m benchmarks": _BENCHMARKS,
    "python -m benchmarks keys quota": _BENCHMARKS,
    "python -m benchmarks calls --quick": _BENCHMARKS,
}
"""Commands, to the letter, that no test runs, and why. Their options are looked at all the same."""

PLACEHOLDERS: Mapping[str, str] = {"age1…": "$(cat ~/recipient.txt)"}
"""What stands in a command for something that is a reader's own, and what takes its place."""

_PLANT = "thingmill run plant.txt --profile factory --policy pump.json --group pumps --key ec-p256 --yes"
_VERIFIED = "thingmill verify line-7 --remote --connect"

_SCENES: Mapping[str, Scene] = {
    "docs/buckets.md": Scene(
        prepare=scenery.all_of(scenery.line_7("pump-001"), scenery.identities, scenery.device_policy)
    ),
    "README.md": Scene(
        prepare=scenery.all_of(scenery.line_7("flow-7-001", "flow-7-002"), scenery.device_policy, scenery.demo)
    ),
    "docs/commands.md": Scene(
        prepare=scenery.all_of(
            scenery.line_7("flow-7-001"),
            scenery.device_json,
            scenery.csrs,
            scenery.identities,
            scenery.device_policy,
        ),
        before={
            "thingmill run line-7.csv --profile factory --policy device --dry-run": scenery.no_runs,
            "thingmill run output/line-7/failed.csv --profile factory": scenery.failed_and_mended,
            "thingmill export line-7 --format der --in-clear --identity key.txt": scenery.encrypted,
            "thingmill revoke line-7 --profile factory --failed-only": scenery.failed_again,
            "thingmill run line-7.csv --name line-7-2026 --existing rotate": scenery.all_of(
                scenery.anew, scenery.provisioned
            ),
            "thingmill retire line-7-2026 --seen connected.jsonl --dry-run": scenery.connected,
            "thingmill policy --profile factory --topic plant-2/line-7 > device.json": scenery.anew,
            "thingmill local": scenery.no_output,
        },
        usual=frozenset(
            {
                "thingmill run line-7.csv --profile factory --policy device",
                "thingmill status line-7",
                "thingmill report line-7",
                "thingmill export line-7 --format tar --format greengrass",
                "thingmill reconcile line-7 --profile factory --dry-run",
            }
        ),
    ),
    "docs/formats.md": Scene(
        prepare=scenery.all_of(scenery.line_7("pump-001"), scenery.password_store),
        before={
            "python -m esp_idf_nvs_partition_gen encrypt"
            " pump-001.nvs.csv pump-001.bin 0x6000 --inputkey nvs-keys.bin": scenery.nvs,
            'cd "$(mktemp -d)"; umask 077': scenery.esp_secure_cert,
        },
    ),
    "docs/keys.md": Scene(
        prepare=scenery.all_of(
            scenery.csrs, scenery.line_7("pump-001"), scenery.identities, scenery.device_policy
        ),
        before={
            "openssl pkey -in output/line-7/devices/pump-001/pump-001.key -passin file:passphrase": (
                scenery.with_a_passphrase
            ),
            "thingmill verify line-7 --identity key.txt --connect": scenery.with_recipients,
        },
    ),
    "docs/operations.md": Scene(
        prepare=scenery.line_7("flow-7-001", "flow-7-002", "flow-7-003"),
        before={
            _VERIFIED: scenery.a_policy_less,
            "thingmill retire line-7-2026 --seen connected.jsonl --dry-run": scenery.connected,
        },
        codes={_VERIFIED: 1},
    ),
    "docs/stations.md": Scene(
        prepare=scenery.all_of(
            scenery.line_7(*(f"flow-7-{number:03}" for number in range(1, 7))),
            scenery.device_policy,
            scenery.two_regions,
        ),
        before={"thingmill run line-7.csv --policy device --part batch --yes": scenery.batch},
    ),
    "docs/manifest.md": Scene(prepare=scenery.nothing, codes={"thingmill check manifests/faulty.csv": 2}),
    "docs/tuning.md": Scene(prepare=scenery.line_7(*(f"flow-7-{number:05}" for number in range(10_000)))),
    "docs/tutorial.md": Scene(
        prepare=scenery.pilot,
        before={"thingmill policy --profile factory > pump.json": scenery.allowed, _PLANT: scenery.sample},
        figures={str(scenery.SAMPLE): "1,000", str(scenery.SAMPLE - 3): "997"},
    ),
}


def scene_of(document: str) -> Scene:
    """Return what a document takes for granted."""
    return _SCENES.get(document, Scene(prepare=scenery.nothing))
