"""The settings of the service, read once from environment variables and a `.env` file.

Without any settings, everything runs embedded on this machine. Each part can be moved independently:
`AWS_RDS_HOST` moves the database to MySQL, `AWS_CODE_BUCKET` the code and `AWS_LOG_BUCKET` the logs to S3,
`SERVICE_SERVER_REDIS_URL` the messages to Redis, `EXECUTION_ENGINE_BASE_URL` or the address of a language's
runner (such as `EXECUTION_ENGINE_PYTHON_RUN_URL`) the programs to runners, and `AWS_ECS_CLUSTER_NAME` the
metrics to CloudWatch.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import (
    Field,
    HttpUrl,
    SecretStr,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from application.ports.purge_repository import StoreName
from application.retry_policy import RetryPolicy
from application.use_cases.apply_retention import RetentionRules
from application.use_cases.deliver_webhooks import DeliveryRules
from domain.artifacts import ArtifactLimits
from domain.batch import MAX_BATCH_JOBS
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import FileLimits
from domain.language import parse_language
from domain.limits import STANDARD_BOUNDS, Bounds, LimitPolicy
from domain.membership import ROLES, MembershipRules
from domain.retention import MAX_DAYS, MIN_DAYS, Retention
from domain.retrying import Backoff
from domain.submission import MAX_ATTEMPTS
from domain.submission_limits import SubmissionLimits
from domain.tenant import TenantName
from entrypoints.setting_types import (
    EngineAddress,
    HostName,
    HttpAddress,
    LinkKey,
    OidcIssuer,
    Origin,
    ReadableFile,
    RedisAddress,
    RunnerAddress,
    SealingKey,
    WebhookSecret,
    is_loopback,
    link_key,
    sealing_key,
)

PREFIX = "SERVICE_SERVER_"
ENV_FILE = ".env"
# The path to which an identity provider sends visitors back.
SIGN_IN_RETURN = "/dashboard/sign-in/return"
_CONFIG = SettingsConfigDict(
    env_prefix=PREFIX,
    env_file=ENV_FILE,
    allow_inf_nan=False,
    hide_input_in_errors=True,
    env_ignore_empty=True,
    extra="ignore",
    frozen=True,
)
# Limits whose default is set by a variable of the existing deployment.
_KEPT_NAMES = {"timeout_ms": "EXECUTION_ENGINE_TIMEOUT"}
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound to
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Room for the log of a program with the default limit of output: JSON writes up to six bytes for one, and
# base64 four thirds. The rest is for the figures.
_LOG_BYTES = 8 * STANDARD_BOUNDS["output_mb"].default << 20
# The names of environments, and whether each is a developer's.
_ENVIRONMENTS: Mapping[str, bool] = {
    "development": True,
    "dev": True,
    "local": True,
    "test": False,
    "staging": False,
    "production": False,
    "prod": False,
}
_PRODUCTION = frozenset({"production", "prod"})
_DAY_S = 86_400
# The ECS agent sets this variable in each container.
_ON_ECS = "ECS_CONTAINER_METADATA_URI_V4"
# The cluster name of a single machine.
_THIS_MACHINE = "local"
# For the delays between attempts to post an event, of which there are about forty in a day.
_RETRY_JITTER, _RETRY_GROWTH = 0.3, 1.5
_DEVELOPMENT_ORIGINS = r"https?://(localhost|127\.0\.0\.1)(:\d+)?"


def _data_home() -> Path:
    try:
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "service-server"
    except RuntimeError:
        raise InvalidValue(f"{PREFIX}DATA_DIR", text("settings.no_home")) from None


class AuthMode(StrEnum):
    """The callers that the service accepts: all, those with an API key, or also users of an OIDC provider."""

    OFF = "off"
    KEYS = "keys"
    KEYS_AND_OIDC = "keys+oidc"


class AwsCredentials(TypedDict):
    """Credentials for signing requests to AWS."""

    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None


class _Limits(BaseSettings):
    """The defaults and maxima of the limits of executions."""

    model_config = _CONFIG

    @model_validator(mode="after")
    def _defaults_are_allowed(self) -> Self:
        for name in STANDARD_BOUNDS:
            default, maximum = getattr(self, name), getattr(self, f"max_{name}")
            if default > maximum:
                raise ValueError(
                    text(
                        "settings.default_above_maximum",
                        name=_variable(name),
                        default=default,
                        maximum_name=f"{PREFIX}MAX_{name.upper()}",
                        maximum=maximum,
                    )
                )
        return self

    def policy(self) -> LimitPolicy:
        """Return the policy that these settings define."""
        return LimitPolicy(
            {
                name: Bounds(getattr(self, name), standard.minimum, getattr(self, f"max_{name}"))
                for name, standard in STANDARD_BOUNDS.items()
            }
        )


def _variable(limit: str) -> str:
    return _KEPT_NAMES.get(limit, PREFIX + limit.upper())


def _limit_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, standard in STANDARD_BOUNDS.items():
        fields[name] = (int, Field(standard.default, ge=standard.minimum))
        fields[f"max_{name}"] = (int, Field(standard.maximum, ge=standard.minimum))
    for name, variable in _KEPT_NAMES.items():
        standard = STANDARD_BOUNDS[name]
        fields[name] = (int, Field(standard.default, ge=standard.minimum, validation_alias=variable))
    return fields


LimitSettings: type[_Limits] = create_model("LimitSettings", __base__=_Limits, **_limit_fields())


class Settings(BaseSettings):
    """All settings except the limits of executions. The names of times and sizes end in their unit."""

    model_config = _CONFIG

    environment: str = Field("development", validation_alias="ENVIRONMENT")
    debug: bool = Field(default=False, validation_alias="DEBUG")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # None means JSON in production, and text elsewhere.
    log_format: Literal["text", "json"] | None = None
    one_processor: bool = True
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(None, ge=0, le=65_535)
    detailed_traces: float = Field(0.05, ge=0, le=1)

    # HTTP
    host: str = Field("127.0.0.1", validation_alias="SERVER_HOST")
    port: int = Field(8000, validation_alias="SERVER_PORT", ge=0, le=65_535)
    public_url: HttpUrl | None = None
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    http_threads: int = Field(32, ge=1, le=512)
    storage_threads: int = Field(16, ge=1, le=512)
    max_body_bytes: int = Field(4 << 20, ge=1_024)
    max_batch_jobs: int = Field(1_000, ge=1, le=MAX_BATCH_JOBS)
    max_job_actions: int = Field(100, ge=1, le=1_000)
    max_batch_bytes: int = Field(32 << 20, ge=1_024)
    max_upload_mb: int = Field(72, ge=1, le=2_048)
    max_wait_s: float = Field(60, ge=0, le=_DAY_S)
    max_streams: int = Field(1_000, ge=1)
    max_large_bodies: int = Field(16, ge=1)
    min_upload_bytes_per_s: int = Field(16 << 10, ge=1)
    max_spooled_mb: int = Field(1_024, ge=1)
    max_cached_output_mb: int = Field(256, ge=0)
    address_share_percent: int = Field(50, ge=1, le=100)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")
    allowed_hosts: Annotated[tuple[HostName, ...], NoDecode] = ()
    idempotency_keys_kept_hours: float = Field(24, ge=1, le=8_760)
    idempotency_max_response_bytes: int = Field(4 << 20, ge=0)
    unused_files_kept_hours: float = Field(6, ge=1, le=8_760)

    # Retention; None keeps for ever
    keep_jobs_days: float | None = Field(None, ge=MIN_DAYS, le=MAX_DAYS)
    keep_logs_days: float | None = Field(None, ge=MIN_DAYS, le=MAX_DAYS)
    keep_pending_days: float | None = Field(None, ge=MIN_DAYS, le=MAX_DAYS)
    keep_audit_days: float | None = Field(None, ge=1, le=MAX_DAYS)
    keep_usage_days: float | None = Field(None, ge=2, le=MAX_DAYS)
    sweep_buckets: bool = False

    # Callers
    auth: AuthMode | None = None
    max_failed_keys_per_minute: int = Field(30, ge=1)

    # Sign-in to the dashboard
    session_idle_s: float = Field(3_600, ge=60, le=30 * _DAY_S)
    session_max_s: float = Field(43_200, ge=60, le=365 * _DAY_S)
    sessions_kept_days: float = Field(90, ge=0, le=3_650)
    oidc_issuer: OidcIssuer | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_scopes: Annotated[tuple[str, ...], NoDecode] = ("openid", "email", "profile")
    oidc_tenant_claim: str = "tenant"
    oidc_tenants: Annotated[Mapping[str, str], NoDecode] = {}
    oidc_role_claim: str = "role"
    oidc_roles: Annotated[Mapping[str, str], NoDecode] = {}

    # Limits on submissions
    max_code_bytes: int = Field(1 << 20, ge=1)
    max_stdin_bytes: int = Field(1 << 20, ge=0)
    max_arguments: int = Field(64, ge=0)
    max_arguments_bytes: int = Field(64 << 10, ge=0, le=128 << 10)
    max_tags: int = Field(16, ge=0)
    max_text_chars: int = Field(2_000, ge=0)
    max_cases: int = Field(10_000, ge=1, le=10_000)
    max_cases_bytes: int = Field(64 << 20, ge=1)
    cases_max_s: float = Field(3_600, ge=1)
    max_attempts: int = Field(3, ge=1, le=MAX_ATTEMPTS)
    retry_first_delay_s: float = Field(1, gt=0, le=_DAY_S)
    retry_longest_delay_s: float = Field(60, gt=0, le=_DAY_S)
    checker_timeout_ms: int = Field(10_000, ge=100, le=600_000)
    checker_memory_mb: int = Field(256, ge=16, le=2_048)
    max_upload_files: int = Field(1_000, ge=0, le=10_000)
    max_file_mb: int = Field(64, ge=1, le=1_024)
    max_files_mb: int = Field(64, ge=1, le=1_024)
    max_file_depth: int = Field(16, ge=1, le=64)
    max_archive_ratio: int = Field(200, ge=1)
    max_stdin_file_mb: int = Field(64, ge=1, le=1_024)
    max_artifacts: int = Field(100, ge=1, le=1_000)
    max_artifact_mb: int = Field(16, ge=1, le=1_024)
    max_artifacts_mb: int = Field(64, ge=1, le=1_024)
    max_log_read_bytes: int = Field(_LOG_BYTES, ge=1)

    # Sealing keys and API keys
    sealing_keys: Annotated[tuple[SealingKey, ...], NoDecode] = ()
    max_keys: int = Field(1_000, ge=1)

    # Webhooks
    webhook_allow_private: bool = False
    webhook_timeout_s: float = Field(5, gt=0, le=60)
    webhook_threads: int = Field(16, ge=1, le=256)
    webhook_receiver_threads: int = Field(4, ge=1, le=256)
    webhook_retry_first_s: float = Field(1, gt=0, le=_DAY_S)
    webhook_retry_max_s: float = Field(3_600, gt=0, le=_DAY_S)
    webhook_retry_hours: float = Field(24, ge=0, le=720)
    webhook_disable_after_hours: float = Field(72, gt=0, le=8_760)
    webhook_deliveries_kept_days: float = Field(7, ge=0, le=3_650)
    max_webhooks: int = Field(100, ge=0)
    max_webhooks_of_project: int = Field(10, ge=0)

    # Storage on this machine
    data_dir: Path = Field(default_factory=_data_home)
    runtimes_dir: Path = Path("/etc/service-server/runtimes")
    sqlite_synchronous: Literal["full", "normal"] = "full"

    # MySQL
    rds_host: str | None = Field(None, validation_alias="AWS_RDS_HOST")
    rds_port: int = Field(3306, validation_alias="AWS_RDS_PORT", ge=1, le=65_535)
    rds_dbname: str = Field("service_server", validation_alias="AWS_RDS_DBNAME")
    rds_username: str = Field("service_server", validation_alias="AWS_RDS_USERNAME")
    rds_password: SecretStr = Field(SecretStr(""), validation_alias="AWS_RDS_PASSWORD")
    rds_ca_file: ReadableFile | None = None
    # If set, IAM tokens are used as database passwords.
    rds_iam_region: str | None = None

    # S3 and CloudWatch
    aws_access_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY")
    aws_session_token: SecretStr | None = Field(None, validation_alias="AWS_SESSION_TOKEN")
    aws_endpoint_url: HttpAddress | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    code_bucket: str | None = Field(None, validation_alias="AWS_CODE_BUCKET")
    code_region: str = Field("us-east-1", validation_alias="AWS_CODE_REGION")
    log_bucket: str | None = Field(None, validation_alias="AWS_LOG_BUCKET")
    log_region: str = Field("us-east-1", validation_alias="AWS_LOG_REGION")
    presign_logs: bool = True
    log_url_expiry_s: int = Field(3_600, ge=60, le=604_800)
    link_key: LinkKey | None = None
    ecs_cluster_name: str | None = Field(None, validation_alias="AWS_ECS_CLUSTER_NAME")
    ecs_region: str | None = None
    cluster_history_kept_days: float = Field(30, ge=2, le=366)
    publish_backlog: bool | None = None
    backlog_namespace: str = Field("ServiceServer", min_length=1, max_length=255, pattern=r"^[^:]")
    # The name that boto3 uses.
    cloudwatch_endpoint_url: HttpAddress | None = Field(None, validation_alias="AWS_ENDPOINT_URL_CLOUDWATCH")

    # Messages and workers
    redis_url: RedisAddress | None = None
    worker_threads: int = Field(8, ge=1, le=256)
    shared_tenants: Literal["refuse", "allow"] = "refuse"
    lease_s: float = Field(30, ge=1, le=_DAY_S)
    renew_every_s: float = Field(10, gt=0, le=_DAY_S)
    rescue_every_s: float = Field(5, gt=0, le=_DAY_S)
    announce_after_s: float = Field(2, gt=0, le=_DAY_S)
    relay_sweep_every_s: float = Field(2, gt=0, le=_DAY_S)
    relay_left_behind_after_s: float = Field(5, gt=0, le=_DAY_S)
    drain_s: float = Field(20, ge=0, le=_DAY_S)
    receipts_kept_days: float = Field(7, ge=1, le=3_650)
    pending_results_mb: int = Field(256, ge=1)
    pending_results_s: float = Field(3_600, ge=0, le=_DAY_S)

    # Engine
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], NoDecode] = ()
    max_report_bytes: int = Field(32 << 20, ge=1_024)
    engine_url: EngineAddress | None = Field(None, validation_alias="EXECUTION_ENGINE_BASE_URL")
    python_run_url: RunnerAddress | None = Field(None, validation_alias="EXECUTION_ENGINE_PYTHON_RUN_URL")
    node_run_url: RunnerAddress | None = Field(None, validation_alias="EXECUTION_ENGINE_NODE_RUN_URL")
    java_run_url: RunnerAddress | None = Field(None, validation_alias="EXECUTION_ENGINE_JAVA_RUN_URL")
    engine_wait_s: float = Field(3_600, ge=0, le=_DAY_S)
    sandbox: Literal["bubblewrap", "off"] = "bubblewrap"
    engine_memory_mb: int | None = Field(None, ge=0)
    warm_starts: int = Field(4, ge=0, le=64)
    engine_languages: Annotated[tuple[str, ...], NoDecode] = ("python", "node", "java")
    inline_output_bytes: int = Field(64 << 10, ge=1_024)

    @field_validator(
        "allowed_hosts",
        "cors_origins",
        "engine_languages",
        "oidc_scopes",
        "trusted_proxies",
        "webhook_secrets",
        "sealing_keys",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("oidc_tenants", "oidc_roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
        if not all(claim.strip() and name.strip() for claim, _, name in pairs):
            raise ValueError(text("settings.pairs"))
        return {claim.strip(): name.strip() for claim, _, name in pairs}

    @field_validator("oidc_tenants")
    @classmethod
    def _are_tenants(cls, tenants: Mapping[str, str]) -> Mapping[str, str]:
        for name in tenants.values():
            try:
                TenantName(name)
            except InvalidValue as error:
                raise ValueError(text("cli.about", subject=name, detail=error.detail)) from error
        return tenants

    @field_validator("oidc_roles")
    @classmethod
    def _are_roles(cls, roles: Mapping[str, str]) -> Mapping[str, str]:
        for name in roles.values():
            if name not in ROLES:
                allowed = text("settings.one_of", allowed=", ".join(ROLES))
                raise ValueError(text("cli.about", subject=name, detail=allowed))
        return roles

    @field_validator("environment")
    @classmethod
    def _is_known(cls, environment: str) -> str:
        if environment.lower() not in _ENVIRONMENTS:
            raise ValueError(text("settings.one_of", allowed=", ".join(_ENVIRONMENTS)))
        return environment

    @field_validator("engine_languages")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                parse_language(name)
            except InvalidValue as error:
                raise ValueError(text("cli.about", subject=name, detail=error.detail)) from error
        return names

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(text("settings.network", network=network)) from error
        return networks

    @model_validator(mode="after")
    def _renews_in_time(self) -> Self:
        if self.renew_every_s * 2 > self.lease_s:
            raise ValueError(
                text("settings.renewal", renewal=f"{PREFIX}RENEW_EVERY_S", lease=f"{PREFIX}LEASE_S")
            )
        return self

    @model_validator(mode="after")
    def _sends_tokens_to_rds_alone(self) -> Self:
        if self.rds_iam_region is not None and self.rds_ca_file is None:
            region, ca_file = f"{PREFIX}RDS_IAM_REGION", f"{PREFIX}RDS_CA_FILE"
            raise ValueError(text("settings.region_needs_ca", region=region, ca_file=ca_file))
        return self

    @field_validator("sealing_keys")
    @classmethod
    def _has_keys_of_different_names(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        names = [sealing_key(secret)[0] for secret in secrets]
        if len(set(names)) < len(names):
            raise ValueError(text("settings.sealing_key_names"))
        return secrets

    @model_validator(mode="after")
    def _knows_its_provider(self) -> Self:
        if self.auth is AuthMode.KEYS_AND_OIDC:
            missing = [name for name in ("oidc_issuer", "oidc_client_id") if getattr(self, name) is None]
            if missing:
                names = ", ".join(PREFIX + name.upper() for name in missing)
                setting = f"{PREFIX}AUTH={AuthMode.KEYS_AND_OIDC}"
                raise ValueError(text("settings.provider", setting=setting, names=names))
            if "openid" not in self.oidc_scopes:
                raise ValueError(text("settings.openid", setting=f"{PREFIX}OIDC_SCOPES"))
        return self

    @property
    def membership_rules(self) -> MembershipRules:
        """The rules that assign tenants and roles to users of the identity provider."""
        return MembershipRules(
            tenant_claim=self.oidc_tenant_claim,
            role_claim=self.oidc_role_claim,
            tenants=self.oidc_tenants,
            roles=self.oidc_roles,
        )

    @property
    def is_development(self) -> bool:
        """Whether this is a development installation, which is lenient."""
        return _ENVIRONMENTS[self.environment.lower()]

    @property
    def line_format(self) -> Literal["text", "json"]:
        """The format of log lines."""
        return self.log_format or ("json" if self.environment.lower() in _PRODUCTION else "text")

    @property
    def asks_for_keys(self) -> bool:
        """Whether callers need a key. By default, only a service on loopback needs none."""
        return not self.is_on_loopback if self.auth is None else self.auth is not AuthMode.OFF

    @property
    def is_on_loopback(self) -> bool:
        """Whether the service listens only on loopback."""
        return is_loopback(self.host)

    @property
    def is_open_to_all(self) -> bool:
        """Whether callers from other machines need no key."""
        is_public = self.public_url is not None and not is_loopback(self.public_url.host or "")
        return not self.asks_for_keys and (is_public or not self.is_on_loopback)

    @property
    def max_form_bytes(self) -> int:
        """The largest size of a body with files."""
        return max(self.max_upload_mb << 20, self.max_body_bytes)

    @property
    def link_key_bytes(self) -> bytes | None:
        """The key of signed links; None to use the key of the data directory."""
        return None if self.link_key is None else link_key(self.link_key)

    @property
    def base_url(self) -> str:
        """The address of this service for clients, without a trailing slash."""
        return str(self.public_url or f"http://{self._reachable_host}:{self.port}").rstrip("/")

    @property
    def _reachable_host(self) -> str:
        """The host for clients on this machine."""
        host = _LOOPBACK.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host

    @property
    def served_hosts(self) -> frozenset[str] | None:
        """The accepted values of the Host header, in lower case; None for any.

        If `SERVICE_SERVER_ALLOWED_HOSTS` is not set, a service that listens on all addresses accepts any host
        outside of development, because it is behind a load balancer, which checks the names.
        """
        is_behind_balancer = self.host in _LOOPBACK and not self.is_development
        if "*" in self.allowed_hosts or (is_behind_balancer and not self.allowed_hosts):
            return None
        own = {self._reachable_host, *([self.public_url.host or ""] if self.public_url else [])}
        return _OWN_NAMES | {host.lower() for host in (*own, *self.allowed_hosts)}

    @property
    def cors_origin_pattern(self) -> str | None:
        """The origins that a development installation accepts by default: all on this machine."""
        return _DEVELOPMENT_ORIGINS if self.is_development and not self.cors_origins else None

    def share_of_address(self, amount: int) -> int:
        """Return the share of an amount for one client address."""
        return max(amount * self.address_share_percent // 100, 1)

    @property
    def submission_limits(self) -> SubmissionLimits:
        """The limits on submissions."""
        return SubmissionLimits(
            code_bytes=self.max_code_bytes,
            stdin_bytes=self.max_stdin_bytes,
            arguments=self.max_arguments,
            arguments_bytes=self.max_arguments_bytes,
            tags=self.max_tags,
            text_chars=self.max_text_chars,
            cases=self.max_cases,
            cases_bytes=self.max_cases_bytes,
            attempts=self.max_attempts,
            allows_private_urls=self.webhook_allow_private,
            stdin_file_bytes=self.max_stdin_file_mb << 20,
            files=self.file_limits,
        )

    @property
    def file_limits(self) -> FileLimits:
        """The limits on the files of an upload."""
        return FileLimits(
            files=self.max_upload_files,
            file_bytes=self.max_file_mb << 20,
            total_bytes=self.max_files_mb << 20,
            depth=self.max_file_depth,
            archive_ratio=self.max_archive_ratio,
        )

    @property
    def artifact_limits(self) -> ArtifactLimits:
        """The limits on artifacts."""
        return ArtifactLimits(
            files=self.max_artifacts,
            file_bytes=self.max_artifact_mb << 20,
            total_bytes=self.max_artifacts_mb << 20,
        )

    @property
    def delivery_rules(self) -> DeliveryRules:
        """The rules for attempts to post events."""
        return DeliveryRules(
            threads=self.webhook_threads,
            per_receiver=self.webhook_receiver_threads,
            # Long enough for an attempt to end and its outcome to be stored.
            lease_s=max(self.lease_s, 3 * self.webhook_timeout_s),
            retry=RetryPolicy.exponential(
                self.webhook_retry_first_s,
                self.webhook_retry_max_s,
                jitter=_RETRY_JITTER,
                growth=_RETRY_GROWTH,
            ),
            retried_for=timedelta(hours=self.webhook_retry_hours),
            disabled_after=timedelta(hours=self.webhook_disable_after_hours),
        )

    @property
    def retention_rules(self) -> RetentionRules:
        """The service's own retention rules."""
        return RetentionRules(
            default=Retention(
                jobs_days=self.keep_jobs_days,
                logs_days=self.keep_logs_days,
                pending_days=self.keep_pending_days,
            ),
            audit_days=self.keep_audit_days,
            usage_days=self.keep_usage_days,
            # The log of a spooled result is stored later, so objects are kept for longer than that takes.
            orphans_kept=max(
                timedelta(hours=self.unused_files_kept_hours), 2 * timedelta(seconds=self.pending_results_s)
            ),
        )

    @property
    def swept_stores(self) -> frozenset[StoreName]:
        """The stores in which objects without a row are removed. A bucket may have objects of others."""
        buckets = {StoreName.CODE: self.code_bucket, StoreName.LOG: self.log_bucket}
        return frozenset(name for name, bucket in buckets.items() if bucket is None or self.sweep_buckets)

    @property
    def backoff(self) -> Backoff:
        """The delays between the attempts of a job."""
        return Backoff(first_s=self.retry_first_delay_s, longest_s=self.retry_longest_delay_s)

    @property
    def aws_credentials(self) -> AwsCredentials:
        """The credentials for AWS; all None to let boto3 find them."""
        return {
            "access_key_id": self.aws_access_key_id,
            "secret_access_key": _revealed(self.aws_secret_access_key),
            "session_token": _revealed(self.aws_session_token),
        }

    @property
    def cluster_name(self) -> str:
        """The cluster name in the metrics of the machines that run programs."""
        return self.ecs_cluster_name or _THIS_MACHINE

    @property
    def publishes_backlog(self) -> bool:
        """Whether the backlog is sent to CloudWatch; by default, only on ECS."""
        return _ON_ECS in os.environ if self.publish_backlog is None else self.publish_backlog

    @property
    def uses_runners(self) -> bool:
        """Whether programs run on HTTP runners rather than on this machine."""
        return self.engine_url is not None or bool(self.run_urls)

    @property
    def run_urls(self) -> dict[str, str]:
        """The addresses of the runners of single languages, by language."""
        urls = {"python": self.python_run_url, "node": self.node_run_url, "java": self.java_run_url}
        return {language: url for language, url in urls.items() if url is not None}


def variable(settings: type[BaseSettings], name: str) -> str:
    """Return the environment variable from which a field of the settings is read."""
    alias = settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{name.upper()}"


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
