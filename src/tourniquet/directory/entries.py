"""Bodies of the directory's entries."""

from __future__ import annotations

from tourniquet.record.registry import Body, kind


@kind("organisation.listed", patient=False)
class OrganisationListed(Body, frozen=True):
    """An organisation as a list of ODS, or a person, gave it; it replaces what was known."""

    code: str
    name: str
    organisation_kind: str
    address: str = ""
    postcode: str = ""
    phone: str = ""
    borough: str = ""
    zone: str = ""
    parent: str = ""
    source: str = ""
    open: bool = True


@kind("account.set", patient=False)
class AccountSet(Body, frozen=True):
    """An account was added or changed; it replaces what was known."""

    name: str
    role: str
    account_organisation: str = ""
    display_name: str = ""
    active: bool = True
