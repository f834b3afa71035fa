"""Content negotiation for metrics."""

_OPENMETRICS = "application/openmetrics-text"


def wants_openmetrics(accept: str | None) -> bool:
    """Whether an Accept header (RFC 9110, 12.5.1) accepts OpenMetrics. All others get the text format."""
    for media_range in (accept or "").split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name == _OPENMETRICS:
            return not any(parameter.replace(" ", "") in {"q=0", "q=0.0"} for parameter in parameters)
    return False
