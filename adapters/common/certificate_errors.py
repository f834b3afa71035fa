"""The causes for which certificates of servers are refused."""

import ssl

_OF_ANOTHER_NAME = "it is for another name"
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH; their messages contain the host.
_MISMATCHES = {62, 64}


def certificate_fault(error: BaseException) -> str | None:
    """Return the reason for which a server's certificate was refused; None if an error has another cause.

    Args:
        error: The error of a client, which a refused certificate may have caused indirectly.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    reason = _OF_ANOTHER_NAME if cause.verify_code in _MISMATCHES else cause.verify_message
    return f"its certificate is refused ({reason})"
