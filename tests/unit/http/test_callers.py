import asyncio
from collections.abc import Mapping
from threading import Event

import pytest

from application.authenticator import Authenticator
from application.errors import DependencyUnavailable, NotAuthenticated
from domain.api_key import KeyText
from domain.tenant import DEFAULT_TENANT, TenantStatus
from entrypoints.http.callers import Callers
from entrypoints.http.failed_attempts import FailedAttempts
from tests.support.callers import a_tenant
from tests.support.failing import Failing
from tests.support.in_memory_service import InMemoryService
from tests.support.loop_thread import run_apart
from tests.support.samples import an_api_key

AT_ONCE = 100


class NoVisitors:
    """A dashboard that nobody has signed in to."""

    async def of(self, _scope: object, *, anew: bool) -> None:
        """Find no session."""


class SlowDatabase:
    """A database whose reads wait until they may go on."""

    def __init__(self, service: InMemoryService) -> None:
        self._service = service
        self.may_answer = Event()
        self.reads = 0

    def read(self, work):
        """Read, once it may."""
        self.reads += 1
        assert self.may_answer.wait(90)
        return self._service.unit_of_work.read(work)


def callers(service: InMemoryService, database: object, *, asks_for_keys: bool = True) -> Callers:
    return Callers(
        Authenticator(unit_of_work=database, clock=service.clock),
        FailedAttempts(1_000),
        NoVisitors(),
        lambda *_refusal: None,
        asks_for_keys=asks_for_keys,
    )


def request(key: str) -> Mapping[str, object]:
    return {"method": "GET", "path": "/", "headers": [(b"authorization", f"Bearer {key}".encode())]}


@pytest.fixture
def service() -> InMemoryService:
    return InMemoryService()


@pytest.mark.parametrize("is_known", [True, False])
def test_requests_with_the_same_key_at_the_same_time_are_one_query(service, is_known):
    database, text = SlowDatabase(service), KeyText.generate()
    if is_known:
        service.unit_of_work.run(lambda transaction: transaction.tenants.add(a_tenant("acme")))
        service.unit_of_work.run(lambda transaction: transaction.keys.add(an_api_key(digest=text.digest)))

    async def ask_all_at_once():
        of = callers(service, database)
        asked = [asyncio.create_task(of.of(request(text.value))) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)  # all of them wait by now
        asked[0].cancel()  # and the first, which asks for all, hangs up
        database.may_answer.set()
        return await asyncio.gather(*asked[1:], return_exceptions=True)

    answers = run_apart(ask_all_at_once())

    assert database.reads == 1
    kinds = {type(answer) for answer in answers}
    assert kinds == ({type(answers[0])} if is_known else {NotAuthenticated})
    if is_known:
        assert {answer.tenant.name.value for answer in answers} == {"acme"}


def test_an_outage_is_one_for_all_who_wait_and_is_not_kept(service):
    text = KeyText.generate().value

    async def ask():
        of = callers(service, Failing(DependencyUnavailable("database", "no answer")))
        return await asyncio.gather(*(of.of(request(text)) for _ in range(3)), return_exceptions=True)

    assert [type(answer) for answer in run_apart(ask())] == [DependencyUnavailable] * 3


def test_where_no_key_is_asked_for_a_silent_database_holds_a_request_up_for_a_moment_only(service):
    database = SlowDatabase(service)

    async def ask():
        of = callers(service, database, asks_for_keys=False)
        try:
            async with asyncio.timeout(5):
                return await of.of(request("anything"))
        finally:
            database.may_answer.set()

    caller = run_apart(ask())

    assert (caller.tenant.name, caller.tenant.status) == (DEFAULT_TENANT, TenantStatus.ACTIVE)
