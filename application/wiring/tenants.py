"""Commands on tenants and keys, and reads of them, of the audit log and of usage."""

from dataclasses import dataclass

from application.queries.audit_reader import AuditReader, UsageReader
from application.queries.tenant_reader import KeyReader, TenantReader
from application.service_options import ServiceOptions
from application.use_cases.change_tenant import ChangeTenant
from application.use_cases.create_key import CreateKey
from application.use_cases.create_tenant import CreateTenant
from application.use_cases.delete_tenant import DeleteTenant
from application.use_cases.post_audit_entries import PostAuditEntries
from application.use_cases.revoke_key import RevokeKey
from application.use_cases.rotate_key import RotateKey
from application.use_cases.set_quota import SetQuota
from application.use_cases.verify_audit_log import VerifyAuditLog
from application.wiring.ports import Ports
from application.wiring.shared_parts import SharedParts


@dataclass(frozen=True, kw_only=True)
class TenantServices:
    """Commands on tenants and keys, and reads of them, of the audit log and of usage."""

    create_tenant: CreateTenant
    change_tenant: ChangeTenant
    delete_tenant: DeleteTenant
    tenant_reader: TenantReader
    set_quota: SetQuota
    usage_reader: UsageReader
    create_key: CreateKey
    rotate_key: RotateKey
    revoke_key: RevokeKey
    key_reader: KeyReader
    post_audit_entries: PostAuditEntries
    audit_reader: AuditReader
    verify_audit_log: VerifyAuditLog


def build_tenant_services(*, ports: Ports, options: ServiceOptions, shared: SharedParts) -> TenantServices:
    """Build the services of the subsystem."""
    audit_reader = AuditReader(unit_of_work=ports.unit_of_work)
    return TenantServices(
        create_tenant=CreateTenant(
            unit_of_work=shared.caller_unit_of_work, clock=ports.clock, separation=shared.separation
        ),
        change_tenant=ChangeTenant(
            unit_of_work=shared.caller_unit_of_work,
            wake_workers=shared.wake_workers,
            separation=shared.separation,
        ),
        delete_tenant=DeleteTenant(unit_of_work=shared.caller_unit_of_work, clock=ports.clock, ids=ports.ids),
        tenant_reader=TenantReader(unit_of_work=ports.unit_of_work),
        set_quota=SetQuota(unit_of_work=shared.caller_unit_of_work, wake_workers=shared.wake_workers),
        usage_reader=UsageReader(unit_of_work=ports.unit_of_work, clock=ports.clock),
        create_key=CreateKey(
            unit_of_work=shared.caller_unit_of_work,
            clock=ports.clock,
            ids=ports.ids,
            max_keys=options.max_keys,
        ),
        rotate_key=RotateKey(
            unit_of_work=shared.caller_unit_of_work,
            clock=ports.clock,
            ids=ports.ids,
            max_keys=options.max_keys,
        ),
        revoke_key=RevokeKey(unit_of_work=shared.caller_unit_of_work, clock=ports.clock),
        key_reader=KeyReader(unit_of_work=ports.unit_of_work, clock=ports.clock),
        post_audit_entries=PostAuditEntries(
            unit_of_work=ports.unit_of_work, record_refusal=shared.record_refusal
        ),
        audit_reader=audit_reader,
        verify_audit_log=VerifyAuditLog(audit_reader=audit_reader),
    )
