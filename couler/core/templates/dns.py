"""Settings of upstream Couler for the resolver of pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DnsConfigOption:
    """An option of the resolver, such as ``ndots``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """Name servers, options and search domains."""

    nameservers: Sequence[str] | None = None
    options: Sequence[DnsConfigOption] | None = None
    searches: Sequence[str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As Kubernetes writes it.

        >>> DnsConfig(options=[DnsConfigOption("ndots", "2")]).to_dict()
        {'options': [{'name': 'ndots', 'value': '2'}]}
        """
        found = {
            "nameservers": list(self.nameservers or ()),
            "options": [{"name": option.name, "value": option.value} for option in self.options or ()],
            "searches": list(self.searches or ()),
        }
        return {name: items for name, items in found.items() if items}
