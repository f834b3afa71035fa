"""OpenTelemetry's standard variables, which decide whether spans are recorded and how they are sent."""

from collections.abc import Mapping

_DISABLED, _EXPORTER = "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"


def is_tracing_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether an endpoint or the exporter `otlp` is set, and tracing is not disabled."""
    if environment.get(_DISABLED, "").strip().lower() == "true":
        return False
    exporter = environment.get(_EXPORTER, "").strip()
    return exporter == "otlp" or (not exporter and any(environment.get(name) for name in _ENDPOINTS))


def other_protocol(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable that asks for an unsupported protocol, and its value; None if there is none."""
    for name in _PROTOCOLS:
        if value := environment.get(name, "").strip():
            return None if value == PROTOCOL else (name, value)
    return None
