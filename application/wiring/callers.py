"""The identification of callers, their sessions and their repeated requests."""

from dataclasses import dataclass
from datetime import timedelta

from application.authenticator import Authenticator
from application.idempotent_requests import IdempotentRequests
from application.queries.session_reader import SessionReader
from application.record_refusal import RecordRefusal
from application.service_options import ServiceOptions
from application.session_authenticator import SessionAuthenticator
from application.session_opener import SessionOpener
from application.use_cases.sign_in_with_identity import SignInWithIdentity
from application.use_cases.sign_in_with_key import SignInWithKey
from application.use_cases.sign_out import SignOut
from application.use_cases.switch_tenant import SwitchTenant
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class CallerServices:
    """The identification of callers, their sessions and their repeated requests."""

    authenticator: Authenticator
    session_authenticator: SessionAuthenticator
    sign_in_with_key: SignInWithKey
    sign_in_with_identity: SignInWithIdentity
    sign_out: SignOut
    switch_tenant: SwitchTenant
    session_reader: SessionReader
    idempotent_requests: IdempotentRequests
    record_refusal: RecordRefusal


def build_caller_services(*, ports: Ports, options: ServiceOptions, shared: SharedParts) -> CallerServices:
    """Build the services of the subsystem."""
    session_idle = timedelta(seconds=options.session_idle_s)
    session_opener = SessionOpener(
        unit_of_work=shared.caller_unit_of_work,
        clock=ports.clock,
        ids=ports.ids,
        max_age=timedelta(seconds=options.session_max_s),
    )
    session_authenticator = SessionAuthenticator(
        unit_of_work=ports.unit_of_work, clock=ports.clock, idle=session_idle
    )
    return CallerServices(
        authenticator=Authenticator(unit_of_work=ports.unit_of_work, clock=ports.clock),
        session_authenticator=session_authenticator,
        sign_in_with_key=SignInWithKey(
            unit_of_work=ports.unit_of_work,
            session_opener=session_opener,
            record_refusal=shared.record_refusal,
            clock=ports.clock,
        ),
        sign_in_with_identity=SignInWithIdentity(
            unit_of_work=ports.unit_of_work,
            identity_provider=ports.identity_provider,
            membership_rules=options.membership_rules,
            session_opener=session_opener,
            record_refusal=shared.record_refusal,
        ),
        sign_out=SignOut(
            unit_of_work=shared.caller_unit_of_work,
            session_authenticator=session_authenticator,
            clock=ports.clock,
        ),
        switch_tenant=SwitchTenant(
            unit_of_work=shared.caller_unit_of_work, session_authenticator=session_authenticator
        ),
        session_reader=SessionReader(unit_of_work=ports.unit_of_work, clock=ports.clock, idle=session_idle),
        idempotent_requests=shared.idempotent_requests,
        record_refusal=shared.record_refusal,
    )
