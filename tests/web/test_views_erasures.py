"""web: an erasure asked for, approved, refused and withdrawn on the pages of data protection."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.console import (
    NOW,
    OTHER_PRACTICE,
    client_of,
    post,
    reader,
    seed_region,
    stranger,
    text_of,
)
from tests.support.database import Database
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows.ask_erasure import withdraw_erasure
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.flows.manage_accounts import add_account
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.record.erasure_rules import EXEMPTIONS, WARNINGS
from tourniquet.record.models import Erasure, ErasureSubject

NUMBER = next(iter(synthetic_nhs_numbers())).digits
LIST = "/access/erasures/"
DUE = NOW + timedelta(days=14)


@pytest.fixture
def people(database: Database) -> list[str]:
    found = seed_region()
    add_account(
        name="second", role="data_protection", organisation=None, password=None, actor="test"
    )
    return found


def answers(**changes: str) -> dict[str, object]:
    """The form as somebody fills it in."""
    return {
        "ground": "b",
        "asked_for": "person",
        "identity": "in_person",
        "words": "By letter of Monday",
        **{f"exempt-{name}": "no" for name in EXEMPTIONS},
        **{f"seen-{name}": "yes" for name in WARNINGS},
        **changes,
    }


def asked(patient: str, **changes: str) -> Erasure:
    answer = post(client_of("protection"), f"{LIST}ask/{patient}/", answers(**changes))
    assert answer.status_code == 303, text_of(answer)
    return Erasure.objects.get(pk=answer.headers["Location"].rstrip("/").rpartition("/")[2])


def test_from_the_number_to_the_end(people: list[str]) -> None:
    first, second = client_of("protection"), client_of("second")
    assert "No erasure was ever asked for." in text_of(first.get(LIST))
    onward = post(first, LIST, {"number": NUMBER})
    assert onward.headers["Location"] == f"{LIST}ask/{people[0]}/"
    page = first.get(onward.headers["Location"])
    assert "A test has been asked for and is still to be done" in text_of(page)
    erasure = asked(people[0])
    path = f"{LIST}{erasure.pk}/"
    shown = text_of(first.get(path))
    assert "You asked for it: somebody else approves." in shown
    assert "Approve the erasure" not in shown
    assert "By letter of Monday" in shown
    assert "Approve the erasure" in text_of(second.get(path))
    assert 'value="yes" checked' not in second.get(path).content.decode()
    unseen = post(second, path, {"action": "approve"})
    assert unseen.status_code == 400
    assert "Look at this first, then tick it." in text_of(unseen)
    seen = {f"seen-{name}": "yes" for name in WARNINGS}
    assert post(second, path, {"action": "approve", **seen}).status_code == 303
    assert "17-Jun-2024" in text_of(second.get(LIST))
    assert "OKAFOR" not in text_of(second.get(LIST))
    record = text_of(reader("practice", *()).get(f"/patients/{people[0]}/"))
    assert "This record is to be erased on 17-Jun-2024." in record
    carry_out_erasures(now=DUE)
    done = text_of(second.get(path))
    assert "Keys still to go" in done
    assert "Whose data" not in done
    assert "By letter" not in done
    assert client_of("practice").get(f"/patients/{people[0]}/").status_code == 404


def test_who_asked_can_not_approve_by_posting_either(people: list[str]) -> None:
    erasure = asked(people[0])
    path = f"{LIST}{erasure.pk}/"
    answer = post(client_of("protection"), path, {"action": "approve"})
    assert answer.status_code == 403
    erasure.refresh_from_db()
    assert erasure.state == "asked"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ground", "", "Choose a ground."),
        ("identity", "guess", "Choose one."),
        (
            "exempt-care",
            "",
            "Needed for care, or for another legal duty or public task: say whether",
        ),
        ("seen-waiting_test", "", "is still to be done: look at it, then tick it."),
        ("words", "x" * 2001, "Too long"),
    ],
)
def test_what_is_missing_is_said_at_its_field(
    people: list[str], field: str, value: str, said: str
) -> None:
    path = f"{LIST}ask/{people[0]}/"
    answer = post(client_of("protection"), path, answers(**{field: value}))
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert f'href="#{field}"' in answer.content.decode()
    assert not Erasure.objects.exists()


def test_all_that_is_missing_is_said_at_once(people: list[str]) -> None:
    answer = post(client_of("protection"), f"{LIST}ask/{people[0]}/", {})
    page = answer.content.decode()
    fields = ["ground", "asked_for", "identity", *(f"exempt-{name}" for name in EXEMPTIONS)]
    assert [one for one in fields if f'href="#{one}"' not in page] == []
    assert answer.status_code == 400


def test_an_exemption_is_refused_not_approved(people: list[str]) -> None:
    erasure = asked(people[0], **{"exempt-legal_claims": "yes"})
    path, second = f"{LIST}{erasure.pk}/", client_of("second")
    assert "An exemption applies" in text_of(second.get(path))
    assert post(second, path, {"action": "approve"}).status_code == 400
    assert post(second, path, {"action": "refuse", "exemption": ""}).status_code == 400
    assert post(second, path, {"action": "refuse", "exemption": "legal_claims"}).status_code == 303
    assert "Needed for legal claims" in text_of(second.get(path))


def test_it_is_withdrawn(people: list[str]) -> None:
    erasure = asked(people[0])
    path, first = f"{LIST}{erasure.pk}/", client_of("protection")
    assert post(first, path, {"action": "withdraw", "why": ""}).status_code == 400
    assert post(first, path, {"action": "withdraw", "why": "asker"}).status_code == 303
    assert "to be erased" not in text_of(reader("practice").get(f"/patients/{people[0]}/"))
    shown = first.get(path)
    assert "Withdraw the erasure" not in text_of(shown)
    viewer = Viewer("protection", Role.DATA_PROTECTION)
    with pytest.raises(UserError, match="nothing can be changed"):
        withdraw_erasure(erasure.pk, why="asker", viewer=viewer, now=NOW)


@pytest.mark.parametrize(
    "account",
    ["lead", "practice", "clinic", "laboratory", "hospital", "press", "auditor", "admin"],
)
def test_nobody_else_sees_them(people: list[str], account: str) -> None:
    erasure = asked(people[0])
    client = client_of(account)
    for path in (LIST, f"{LIST}ask/{people[0]}/", f"{LIST}{erasure.pk}/"):
        assert client.get(path).status_code == 403, path
    if account in ("auditor", "admin"):
        assert "Erasures" not in text_of(client.get("/access/"))


def test_strangers_sign_in_and_ids_that_are_none_are_not_found(people: list[str]) -> None:
    assert stranger().get(LIST).status_code == 302
    first = client_of("protection")
    assert first.get(f"{LIST}nothing/").status_code == 404
    assert first.get(f"{LIST}ask/nobody/").status_code == 404
    assert post(first, LIST, {"number": ""}).status_code == 400
    nobody = post(first, LIST, {"number": "999 000 0000"})
    assert nobody.status_code == 400
    assert "Nobody has this number" in text_of(nobody)
    assert "Erasures" in text_of(first.get("/access/"))


# Of one organisation ------------------------------------------------------------------------------


def bound(name: str = "bound") -> str:
    """An account of data protection at the practice of every second person."""
    add_account(
        name=name,
        role="data_protection",
        organisation=OTHER_PRACTICE,
        password=None,
        actor="test",
    )
    return name


def test_an_account_of_an_organisation_finds_its_own_patients_alone(people: list[str]) -> None:
    client = client_of(bound())
    theirs, ours = asked(people[0]), asked(people[1])
    assert Erasure.objects.count() == 2
    listed = client.get(LIST).content.decode()
    assert (theirs.pk in listed, ours.pk in listed) == (False, True)
    assert client.get(f"{LIST}{ours.pk}/").status_code == 200
    assert client.get(f"{LIST}{theirs.pk}/").status_code == 404
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}
    for action in ("approve", "refuse", "withdraw"):
        values = {"action": action, "exemption": "care", "why": "asker", **token}
        assert client.post(f"{LIST}{theirs.pk}/", values).status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == "asked"
    assert client.get(f"{LIST}ask/{people[2]}/").status_code == 404
    assert client.get(f"{LIST}ask/{people[3]}/").status_code == 200
    assert "Nobody has this number" in text_of(post(client, LIST, {"number": NUMBER}))
    seen = {f"seen-{name}": "yes" for name in WARNINGS}
    approve = post(client, f"{LIST}{ours.pk}/", {"action": "approve", **seen})
    assert approve.status_code == 303


def test_an_account_of_an_organisation_sees_what_it_asked_for_to_the_end(
    people: list[str],
) -> None:
    client = client_of(bound())
    answer = post(client, f"{LIST}ask/{people[1]}/", answers())
    assert answer.status_code == 303, text_of(answer)
    ours = Erasure.objects.get()
    central = asked(people[3])
    seen = {f"seen-{name}": "yes" for name in WARNINGS}
    second = client_of("second")
    for one in (ours, central):
        posted = post(second, f"{LIST}{one.pk}/", {"action": "approve", **seen})
        assert posted.status_code == 303
    assert len(carry_out_erasures(now=DUE).carried_out) == 2
    listed = client.get(LIST).content.decode()
    assert (central.pk in listed, ours.pk in listed) == (False, True)
    assert "Keys still to go" in text_of(client.get(f"{LIST}{ours.pk}/"))
    assert client.get(f"{LIST}{central.pk}/").status_code == 404


def test_one_that_is_about_nobody_any_more_says_so_and_is_withdrawn(people: list[str]) -> None:
    """As a database has it that was restored to a day before the person went."""
    erasure = asked(people[0])
    path, second = f"{LIST}{erasure.pk}/", client_of("second")
    seen = {f"seen-{name}": "yes" for name in WARNINGS}
    assert post(second, path, {"action": "approve", **seen}).status_code == 303
    ErasureSubject.objects.all().delete()
    shown = text_of(second.get(path))
    assert "Nobody is left whom this is about" in shown
    assert "Approve the erasure" not in shown
    assert post(second, path, {"action": "withdraw", "why": "changed"}).status_code == 303
    assert "Nobody is left" not in text_of(second.get(path))
