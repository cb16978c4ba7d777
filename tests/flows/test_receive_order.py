"""Orders come in: new, cancelled, held, collected; specimens and where they are."""

from __future__ import annotations

from tests.support.database import Database, Databases
from tests.support.messages import MARY, codes, message, oml, send
from tests.support.replaying import assert_replay_equal
from tourniquet.diary.models import Need
from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.pathology.models import ServiceRequest, Specimen, SpecimenEvent, SpecimenRequest
from tourniquet.pathology.queries import find_specimens, list_requests

TAKEN = "20240603080000+0000"


def request_states() -> list[str]:
    return list(ServiceRequest.objects.order_by("id").values_list("status", flat=True))


def test_a_new_order_opens_a_need_and_a_collection_ends_it(
    database: Database, databases: Databases
) -> None:
    assert codes(oml("O1")) == ["AA"]
    request = ServiceRequest.objects.get()
    assert (request.placer_number, request.placer_authority, request.requisition) == (
        "O1",
        "PRAC",
        "G1",
    )
    assert (request.status, request.priority, request.requesting_organisation) == (
        "active",
        "routine",
        "G85001",
    )
    assert str(request.wanted_on) == "2024-06-10"
    need = Need.objects.get()
    assert (need.requisition, need.status) == ("G1", "waiting")
    collected = oml(
        "C1", order="SC", status="IP", collected=TAKEN, specimen="S1", sender="PHLEBOTOMY|CL01"
    )
    assert codes(collected) == ["AA"]
    need.refresh_from_db()
    assert need.status == "collected"
    assert request_states() == ["active"]
    path = find_specimens("S1", viewer=SYSTEM_VIEWER)[0]
    assert [(e.kind, e.organisation) for e in path.events] == [("collected", "CL01")]
    assert SpecimenRequest.objects.get().service_request_id == request.pk
    assert_replay_equal(databases, database)


def test_cancelled_held_and_released(database: Database, databases: Databases) -> None:
    send(oml("O1"))
    assert codes(oml("O2", order="HD")) == ["AA"]
    assert request_states() == ["on-hold"]
    send(oml("O3", order="RL"))
    assert request_states() == ["active"]
    send(oml("O4", order="CA"))
    assert request_states() == ["revoked"]
    send(oml("O5", order="CA", placer="O9^PRAC"))  # cancelled before it was known: kept as such
    assert request_states() == ["revoked", "revoked"]
    assert Need.objects.count() == 1
    assert_replay_equal(databases, database)


def test_one_form_with_three_tests_and_two_specimens(
    database: Database, databases: Databases
) -> None:
    def orders(control: str) -> list[str]:
        lines = [MARY]
        for number, test in enumerate(("UE", "FBC", "CRP"), 1):
            lines += [
                f"ORC|{control}|O{number}^P||G1",
                f"OBR|{number}|O{number}^P||{test}^{test}^99TQ",
            ]
        return lines

    specimens = [
        f"SPM|1|S1||SST^Serum^99TQ{'|' * 13}{TAKEN}",
        f"SPM|2|S2||EDTA^Blood^99TQ{'|' * 13}{TAKEN}|20240603093000+0000",
    ]
    assert codes(message("OML^O21", "O1", orders("NW"))) == ["AA"]
    assert Need.objects.count() == 1
    assert codes(message("OML^O21", "C1", [*orders("SC"), *specimens])) == ["AA"]
    served = {
        s.accession: sorted(
            ServiceRequest.objects.get(pk=link.service_request_id).code
            for link in SpecimenRequest.objects.filter(specimen_id=s.pk)
        )
        for s in Specimen.objects.all()
    }
    assert served == {"S1": ["CRP", "UE"], "S2": ["FBC"]}
    assert SpecimenEvent.objects.filter(kind="received").count() == 1
    assert len(list_requests(ServiceRequest.objects.first().patient_id, viewer=SYSTEM_VIEWER)) == 3
    assert_replay_equal(databases, database)


def test_an_order_with_its_specimen_opens_no_need(database: Database) -> None:
    assert codes(oml("O1", collected=TAKEN, specimen="S1")) == ["AA"]
    assert not Need.objects.exists()
    assert Specimen.objects.get().collected_at is not None


def test_orm_with_questions_and_reasons(database: Database) -> None:
    raw = message(
        "ORM^O01",
        "M1",
        [MARY, "ORC|NW|O1|||||^^^20240610^^S", "OBR|1|O1||UE^U&E^L", "DG1|1||R73^Raised glucose",
         "OBX|1|ST|Q1^On diuretics^L||Yes", "NTE|1||Please ring"],
        version="2.3",
    )  # fmt: skip
    assert codes(raw) == ["AA"]
    request = ServiceRequest.objects.get()
    assert (request.priority, request.reason) == ("stat", "Raised glucose")
    assert request.note == "Please ring\nOn diuretics: Yes"


def test_orders_that_cannot_be_taken(database: Database) -> None:
    none = message("OML^O21", "O1", [MARY])
    unknown = oml("O2", order="ZZ")
    nameless = message("OML^O21", "O3", [MARY, "ORC|NW|O1", "OBR|1|O1"])
    assert codes(none, unknown, nameless) == ["AR", "AR", "AR"]
