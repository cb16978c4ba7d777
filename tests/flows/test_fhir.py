"""FHIR from outside: reads, searches, pages, refusals; every resource checked by fhir.resources."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from fhir.resources.R4B import get_fhir_model_class

from tests.support import fhir_rows as rows
from tests.support.database import Database
from tests.support.fhir_rows import number

NHS = "https://fhir.nhs.uk/Id/nhs-number"


class Fhir:
    """A client with a bearer token."""

    def __init__(self, role: str, organisation: str | None = None) -> None:
        from django.test import Client

        from tourniquet.flows.manage_accounts import add_account, issue_token

        name = f"{role}-{organisation or 'region'}"
        add_account(name=name, role=role, organisation=organisation, password=None, actor="test")
        self.token = issue_token(name=name, actor="test")
        self._client = Client(
            SERVER_NAME="localhost", headers={"Authorization": f"Bearer {self.token}"}
        )

    def get(self, address: str, status: int = 200, **headers: str) -> dict[str, Any]:
        response = self._client.get(address, headers=headers)
        return self._check(response, status)

    def post(self, address: str, form: dict[str, str], status: int = 200) -> dict[str, Any]:
        response = self._client.post(
            address,
            "&".join(f"{k}={v}" for k, v in form.items()),
            content_type="application/x-www-form-urlencoded",
        )
        return self._check(response, status)

    def _check(self, response: Any, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.content
        assert response["Content-Type"].startswith("application/fhir+json")
        resource: dict[str, Any] = json.loads(response.content)
        check(resource)
        return resource


def check(resource: dict[str, Any]) -> None:
    """Raises where fhir.resources does not take the resource."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def ids(bundle: dict[str, Any]) -> list[str]:
    return [
        entry["resource"]["id"]
        for entry in bundle.get("entry", [])
        if entry["search"]["mode"] == "match"
    ]


@pytest.fixture
def region(database: Database) -> Fhir:
    """A patient with everything, another one elsewhere; a client that sees the region."""
    rows.add_patient(1)
    rows.add_identifier(number(1), "9990000018")
    rows.add_identifier(number(1), "K445566", system="RJZ")
    rows.add_identifier(number(1), "9990000026", state="doubtful")
    rows.add_patient(2, registered_organisation="G99999", state="provisional", sensitive=True)
    rows.add_patient(3, state="merged", merged_into=number(1), unsafe_contact=True)
    rows.add_identifier(number(3), "OLD1", system="RJ1", state="superseded")
    rows.add_request(11, number(1))
    rows.add_request(12, number(1), code="UE", code_system="SCT", status="completed")
    rows.add_specimen(21, number(1), [number(11), number(12)])
    report = rows.add_report(
        31,
        number(1),
        service_request_id=number(11),
        specimen_id=number(21),
        placer_number="P11",
        filler_number="F11",
        version=2,
        status="corrected",
    )
    old = rows.add_observation(report, 1)
    type(old).objects.filter(report_id=report.id).update(version=1)
    rows.add_observation(report, 1, value_text="132.00", value_number=132.0, flags="H")
    rows.add_observation(report, 2, value_type="ST", value_number=None, value_text="Haemolysed")
    rows.add_observation(report, 3, value_type="NM", value_number=None, value_text="")
    rows.add_observation(report, 4, value_text="<0.5", value_number=0.5, comparator="<", unit="??")
    rows.add_observation(
        report, 5, value_type="DT", value_number=None, value_text="20260301", reference_range="<5"
    )
    rows.add_observation(
        report,
        6,
        value_type="CWE",
        value_number=None,
        value_text="Positive",
        code_system="W P",
    )
    rows.add_report(
        32,
        number(2),
        requesting_organisation="G99999",
        registered_organisation="G99999",
        performing_organisation="RJ2",
        status="entered-in-error",
    )
    return Fhir("hospital")


def test_metadata_needs_no_log_in(database: Database) -> None:
    from django.test import Client

    response = Client(SERVER_NAME="localhost").get("/fhir/metadata")
    assert response.status_code == 200
    check(json.loads(response.content))


def test_nothing_else_without_log_in(region: Fhir) -> None:
    from django.test import Client

    for address in ("/fhir/Patient", f"/fhir/Patient/{number(1)}", "/fhir/Slot", "/fhir/"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
            response = Client(SERVER_NAME="localhost", headers=headers).get(address)
            assert response.status_code == 401
            check(json.loads(response.content))


def test_a_role_without_clinical_sight_is_refused(region: Fhir) -> None:
    Fhir("communications").get("/fhir/Patient", 403)


def test_reads(region: Fhir) -> None:
    patient = region.get(f"/fhir/Patient/{number(1)}")
    assert {i["value"] for i in patient["identifier"]} == {"9990000018", "K445566"}
    assert patient["identifier"][0]["system"] == NHS
    assert patient["active"] is True
    merged = region.get(f"/fhir/Patient/{number(3)}")
    assert merged["active"] is False
    assert merged["link"][0]["other"]["reference"] == f"Patient/{number(1)}"
    assert "telecom" not in merged
    provisional = region.get(f"/fhir/Patient/{number(2)}")
    assert provisional["meta"]["tag"][0]["code"] == "provisional"
    request = region.get(f"/fhir/ServiceRequest/{number(11)}")
    assert request["requisition"]["value"] == "REQ1"
    assert [i["value"] for i in request["identifier"]] == ["P11", "F11"]
    specimen = region.get(f"/fhir/Specimen/{number(21)}")
    assert specimen["accessionIdentifier"]["value"] == "A21"
    assert len(specimen["request"]) == 2
    report = region.get(f"/fhir/DiagnosticReport/{number(31)}")
    assert report["status"] == "corrected"
    assert len(report["result"]) == 6
    assert report["identifier"][0]["system"] == request["identifier"][0]["system"]
    withdrawn = region.get(f"/fhir/DiagnosticReport/{number(32)}")
    assert withdrawn["status"] == "entered-in-error"
    for code, address in ((404, "Patient/unknown"), (404, "Slot/1"), (404, "Patient/1/2")):
        region.get(f"/fhir/{address}", code)


def test_values_of_observations(region: Fhir) -> None:
    one = region.get(f"/fhir/Observation/{number(31)}-1")
    assert one["valueQuantity"] == {
        "value": 132.0,
        "unit": "g/L",
        "system": "http://unitsofmeasure.org",
        "code": "g/L",
    }
    assert one["interpretation"][0]["coding"][0]["code"] == "H"
    assert one["referenceRange"][0]["low"]["value"] == 115
    two, three, four, five, six = (
        region.get(f"/fhir/Observation/{number(31)}-{n}") for n in (2, 3, 4, 5, 6)
    )
    assert two["valueString"] == "Haemolysed"
    assert three["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert four["valueQuantity"] == {"value": 0.5, "comparator": "<", "unit": "??"}
    assert five["valueDateTime"] == "2026-03-01"
    assert five["referenceRange"][0]["high"]["value"] == 5
    assert six["valueCodeableConcept"]["text"] == "Positive"


def test_digits_are_kept(region: Fhir) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {region.token}"})
    assert b'"value":132.00,' in client.get(f"/fhir/Observation/{number(31)}-1").content


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (f"Patient?identifier={NHS}|9990000018", [1]),
        ("Patient?identifier=999 000 0018", [1]),
        (f"Patient?identifier={NHS}|999-000-0018", [1]),
        ("Patient?identifier=9990000026", []),
        ("Patient?identifier=urn:x-tourniquet:authority:RJZ|K445566", [1]),
        ("Patient?identifier=RJZ|K445566,RJ1|OLD1", [3, 1]),
        ("Patient?identifier=|K445566", []),
        (f"Patient?identifier={NHS}|", [1]),
        ("Patient?family=jon&birthdate=1945-07-14", [3, 2, 1]),
        (f"Patient?_id={number(2)}", [2]),
        ("ServiceRequest?requisition=REQ1", [12, 11]),
        ("ServiceRequest?requisition=REQ2", []),
        ("ServiceRequest?identifier=P11", [11]),
        ("ServiceRequest?identifier=G85001|P11", [11]),
        ("ServiceRequest?identifier=urn:x-tourniquet:authority:G85001|F11", []),
        ("ServiceRequest?identifier=|F11", [11]),
        (f"ServiceRequest?patient={number(1)}", [12, 11]),
        (f"ServiceRequest?patient=Patient/{number(3)}", [12, 11]),
        (f"ServiceRequest?subject=http://x/fhir/Patient/{number(1)}&status=active", [11]),
        (f"ServiceRequest?patient.identifier={NHS}|9990000018", [12, 11]),
        ("ServiceRequest?patient.identifier=9990000026", []),
        ("ServiceRequest?code=http://snomed.info/sct|UE", [12]),
        ("ServiceRequest?code=UE,FBC", [12, 11]),
        ("ServiceRequest?category=108252007&status=completed", [12]),
        ("ServiceRequest?category=363679005", []),
        (f"ServiceRequest?specimen=Specimen/{number(21)}", [12, 11]),
        ("Specimen?identifier=A21", [21]),
        ("Specimen?accession=A21", [21]),
        (f"Specimen?patient={number(1)}&type=BLD", [21]),
        ("DiagnosticReport?identifier=F11", [31]),
        ("DiagnosticReport?identifier=G85001|P11", [31]),
        ("DiagnosticReport?identifier=G85009|P11", []),
        (f"DiagnosticReport?patient={number(1)}&category=LAB", [31]),
        ("DiagnosticReport?code=http://snomed.info/sct|721981007", [32, 31]),
        ("DiagnosticReport?code=FBC&status=corrected,final", [31]),
        (f"DiagnosticReport?based-on=ServiceRequest/{number(11)}", [31]),
        (f"DiagnosticReport?specimen={number(21)}", [31]),
        ("DiagnosticReport?date=2026-03-02", [32, 31]),
        ("DiagnosticReport?date=gt2026-03-02", []),
        ("DiagnosticReport?date=ge2026-03&date=lt2026-04", [32, 31]),
        ("DiagnosticReport?date=ne2026-03-02", []),
        ("DiagnosticReport?_lastUpdated=le2026-03-02T09:30:00Z", [32, 31]),
        ("DiagnosticReport?_lastUpdated=lt2026-03-02T09:30:00Z", []),
    ],
)
def test_searches(region: Fhir, search: str, expected: list[int]) -> None:
    address, _, query = search.partition("?")
    from urllib.parse import parse_qsl, urlencode

    encoded = urlencode(parse_qsl(query, keep_blank_values=True))
    bundle = region.get(f"/fhir/{address}?{encoded}", Prefer="handling=strict")
    assert ids(bundle) == [number(one) for one in expected]
    assert bundle["total"] == len(expected)
    by_post = region.post(f"/fhir/{address}/_search", dict(parse_qsl(encoded)))
    if len({name for name, _ in parse_qsl(query)}) == len(parse_qsl(query)):
        assert ids(by_post) == ids(bundle)


def test_searches_of_observations(region: Fhir) -> None:
    every = [f"{number(31)}-{line}" for line in range(1, 7)]
    for query in (
        f"patient={number(1)}",
        "identifier=F11",
        f"based-on={number(11)}",
        f"specimen={number(21)}&category=laboratory",
        "patient.identifier=9990000018&code=http://loinc.org|718-7",
    ):
        found = ids(region.get(f"/fhir/Observation?{query.replace('|', '%7C')}"))
        assert found == [one for one in every if found == every or one != every[5]]
    assert ids(region.get(f"/fhir/Observation?_id={every[1]},{every[2]}")) == every[1:3]


def test_unknown_parameters(region: Fhir) -> None:
    bundle = region.get("/fhir/Patient?shoe-size=44&_count=2")
    assert len(ids(bundle)) == 2
    assert "shoe-size" in bundle["entry"][-1]["resource"]["issue"][0]["diagnostics"]
    assert "shoe-size" not in bundle["link"][0]["url"]
    region.get("/fhir/Patient?shoe-size=44", 400, Prefer="handling=strict")


@pytest.mark.parametrize(
    "query",
    [
        "DiagnosticReport?date=yesterday",
        "DiagnosticReport?date=2026-13-45",
        "DiagnosticReport?date=9999-12-31",
        "DiagnosticReport?_count=many",
        "DiagnosticReport?_cursor=xyz",
        "DiagnosticReport?_cursor=WzFd",
        "DiagnosticReport?patient=Group/1",
        "DiagnosticReport?patient=",
        "DiagnosticReport?identifier=a%7Cb%7Cc",
        "DiagnosticReport?identifier=a%7C",
        "DiagnosticReport?code=%00",
        "DiagnosticReport?code=" + ",".join("x" * 101),
    ],
)
def test_values_that_cannot_be_read(region: Fhir, query: str) -> None:
    outcome = region.get(f"/fhir/{query}", 400)
    assert outcome["resourceType"] == "OperationOutcome"


def test_formats_and_methods(region: Fhir) -> None:
    region.get("/fhir/Patient?_format=xml", 406)
    region.get("/fhir/Patient", 406, Accept="application/fhir+xml")
    region.get("/fhir/Patient?_format=json", 200, Accept="text/html")
    region.get("/fhir/Patient", 200, Accept="application/fhir+json;q=1, */*;q=0.1")
    region.post("/fhir/Patient", {}, 405)
    region.get("/fhir/Patient/_search", 405)


def test_versions(region: Fhir) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {region.token}"})
    first = client.get(f"/fhir/Patient/{number(1)}")
    assert first["ETag"] == 'W/"1"'
    again = client.get(f"/fhir/Patient/{number(1)}", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304


def test_scope_of_an_organisation(region: Fhir) -> None:
    practice = Fhir("practice", "G99999")
    assert ids(practice.get("/fhir/Patient")) == [number(2)]
    assert ids(practice.get("/fhir/DiagnosticReport")) == [number(32)]
    assert ids(practice.get("/fhir/Observation")) == []
    assert ids(practice.get(f"/fhir/Observation?patient={number(1)}")) == []
    assert ids(practice.get("/fhir/ServiceRequest?patient.identifier=9990000018")) == []
    practice.get(f"/fhir/Patient/{number(1)}", 404)
    practice.get(f"/fhir/Observation/{number(31)}-1", 404)
    laboratory = Fhir("laboratory", "RJ121")
    assert ids(laboratory.get("/fhir/Patient")) == [number(1)]
    laboratory.get(f"/fhir/Observation/{number(31)}-1")


@pytest.mark.parametrize("kind", ["Patient", "ServiceRequest", "Observation"])
def test_pages_neither_repeat_nor_leave_out(database: Database, kind: str) -> None:
    """Rows arrive between the pages: what was there is found once each."""
    client = Fhir("hospital")
    rows.add_patient(1)
    for index in range(2, 13):
        rows.add_patient(index)
        rows.add_request(index, number(1))
        report = rows.add_report(index, number(1))
        rows.add_observation(report, 1)
        rows.add_observation(report, 2)
    expected = set()
    for start in ("",):
        expected = set(ids(client.get(f"/fhir/{kind}?_count=500{start}")))
    found: list[str] = []
    address = f"/fhir/{kind}?_count=5"
    for extra in range(100, 200):
        bundle = client.get(address)
        found += ids(bundle)
        rows.add_patient(extra)
        rows.add_request(extra, number(1))
        rows.add_observation(rows.add_report(extra, number(1)), 1)
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        parts = urlsplit(following[0])
        address = f"{parts.path}?{parts.query}"
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_reading_is_written_down(region: Fhir) -> None:
    from tourniquet.record.models import JournalEntry

    def readings() -> list[tuple[str, str]]:
        rows_ = JournalEntry.objects.filter(kind="record.read").order_by("position")
        return list(rows_.values_list("subject", "actor"))

    region.get(f"/fhir/Observation?patient={number(1)}")
    region.get(f"/fhir/Patient/{number(2)}")
    region.get(f"/fhir/Patient/{number(9)}", 404)
    region.get("/fhir/metadata")
    who = "hospital-region"
    assert readings() == [(number(1), who), (number(2), who)]
    region.get("/fhir/Patient")
    assert readings()[2:] == [(number(n), who) for n in (1, 2, 3)]
