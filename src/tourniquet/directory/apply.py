"""The only writer of the directory's journalled tables."""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.directory.entries import AccountSet, OrganisationListed
from tourniquet.directory.models import Account, Organisation
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import put_rows


@applies(OrganisationListed)
def organisation_listed(entries: Sequence[Entry[OrganisationListed]]) -> None:
    """One row for each code; the newest listing stands."""
    put_rows(
        Organisation,
        (
            "code",
            "name",
            "kind",
            "address",
            "postcode",
            "phone",
            "borough",
            "zone",
            "parent",
            "source",
            "open",
        ),
        [
            (
                e.body.code,
                e.body.name,
                e.body.organisation_kind,
                e.body.address,
                e.body.postcode,
                e.body.phone,
                e.body.borough,
                e.body.zone,
                e.body.parent,
                e.body.source,
                e.body.open,
            )
            for e in entries
        ],
        key=("code",),
    )


@applies(AccountSet)
def account_set(entries: Sequence[Entry[AccountSet]]) -> None:
    """One row for each name; the day it was first added stays."""
    for e in entries:
        known = Account.objects.filter(pk=e.body.name).values_list("added_at", flat=True).first()
        put_rows(
            Account,
            ("name", "role", "organisation", "display_name", "active", "added_at"),
            [
                (
                    e.body.name,
                    e.body.role,
                    e.body.account_organisation,
                    e.body.display_name,
                    e.body.active,
                    known or e.recorded_at,
                )
            ],
            key=("name",),
        )
