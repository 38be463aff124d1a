"""Keys and the one certificate of a cluster, made anew for each start."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def write_key(path: Path) -> None:
    """A private key, as the API server signs service account tokens with."""
    _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(path))


def write_certificate(certificate: Path, key: Path, addresses: Sequence[str]) -> None:
    """A certificate that is its own authority, valid for IP addresses for two days."""
    names = ",".join([*(f"IP:{address}" for address in addresses), "DNS:localhost", "DNS:kubernetes.default.svc"])
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key))
    subject = ("-subj", "/CN=kubernetes", "-addext", f"subjectAltName={names}")
    _openssl("req", "-x509", *curve, "-days", "2", *subject, "-out", str(certificate))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
