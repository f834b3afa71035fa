"""OpenID Connect provider: discovery, authorization code flow with PKCE, and identity tokens."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, Generic, TypeVar

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

from adapters.oidc.http import ProviderHttp, unavailable
from application.errors import SignInRefused
from application.ports.clock import Clock
from application.ports.identity_provider import Identity, IdentityProvider, ProviderAnswer, SignInAttempt
from domain.catalogue.text import text

T = TypeVar("T")

# Signatures with the provider's private key only: neither `none` nor signatures with a shared secret.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
# How long the provider's metadata and keys are cached. After a token with an unknown key, the keys are
# fetched again at once.
_KEPT_S = 600.0
_LEEWAY_S = 60
_TIMEOUT_S = 5.0
_CLIENT_AUTH = ("client_secret_basic", "client_secret_post")
_NAMES = ("email", "preferred_username", "name")
_SHOWN_CHARS = 100


class OidcIdentityProvider(IdentityProvider):
    """An OpenID Connect provider, identified by its issuer.

    Requests go to the address of the issuer and to the addresses in its metadata.

    Args:
        issuer: The issuer's address, exactly as in the provider's tokens.
        client_secret: None for a public client.
        scopes: The requested scopes, including `openid`.
        redirect_uri: The address of this service to which the provider redirects visitors.
        timeout_s: The timeout for each step of a request, in seconds.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        scopes: Sequence[str],
        redirect_uri: str,
        clock: Clock,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = " ".join(scopes)
        self._redirect_uri = redirect_uri
        self._now = clock.now
        self._http = ProviderHttp(https_only=issuer.startswith("https:"), timeout_s=timeout_s)
        self._description = _Kept(self._read_description, clock)
        self._keys = _Kept(self._read_keys, clock)

    def sign_in_url(self, attempt: SignInAttempt) -> str:
        """Return the address at which the visitor signs in."""
        url: str = prepare_grant_uri(
            self._http.check_address(self._description.get().get("authorization_endpoint")),
            client_id=self._client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=self._scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    def identify(self, attempt: SignInAttempt, answer: ProviderAnswer) -> Identity:
        """Verify an answer, and exchange its code for the visitor's identity."""
        if not attempt.is_answered_by(answer):
            raise SignInRefused(text("problems.oidc_state"))
        self._check_issuer(answer.issuer)
        if answer.error:
            error = answer.error[:_SHOWN_CHARS]
            raise SignInRefused(text("problems.oidc_refused", error=error))
        if not answer.code:
            raise SignInRefused(text("problems.oidc_no_code"))
        tokens = self._exchange(attempt, answer.code)
        claims = self._verify(attempt, tokens)
        return Identity(subject=claims["sub"], name=_name(claims), claims=claims)

    def _check_issuer(self, issuer: str) -> None:
        """Reject an answer from another issuer (RFC 9207, 2.4)."""
        is_promised = self._description.get().get("authorization_response_iss_parameter_supported") is True
        if (issuer or is_promised) and issuer != self._issuer:
            raise SignInRefused(text("problems.oidc_issuer"))

    def _exchange(self, attempt: SignInAttempt, code: str) -> Mapping[str, Any]:
        description = self._description.get()
        url = self._http.check_address(description.get("token_endpoint"))
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=self._redirect_uri,
            code=code,
            code_verifier=attempt.verifier,
        )
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(self._client_id, self._client_secret, self._auth_method(description))
        url, headers, body = auth.prepare("POST", url, headers, body)
        answer = self._http.post(url, headers, body)
        if not answer.is_ok:
            error = str(answer.body.get("error") or f"status {answer.status}")[:_SHOWN_CHARS]
            raise SignInRefused(text("problems.oidc_no_identity", error=error))
        return answer.body

    def _auth_method(self, description: Mapping[str, Any]) -> str:
        if self._client_secret is None:
            return "none"
        supported = description.get("token_endpoint_auth_methods_supported") or _CLIENT_AUTH
        return next((method for method in _CLIENT_AUTH if method in supported), _CLIENT_AUTH[0])

    def _verify(self, attempt: SignInAttempt, tokens: Mapping[str, Any]) -> Mapping[str, Any]:
        """Verify the identity token and return its claims (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            token = self._decode(str(tokens.get("id_token", "")))
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {
                    "nonce": attempt.nonce,
                    "client_id": self._client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=int(self._now().timestamp()), leeway=_LEEWAY_S)
        except ExpiredTokenError as error:
            raise SignInRefused(text("problems.oidc_expired")) from error
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(text("problems.oidc_invalid", fault=_fault_of(error))) from error
        if not claims["sub"]:
            raise SignInRefused("the identity token is not valid: sub")
        return dict(claims)

    def _decode(self, text: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(text, self._keys.get(), registry=registry)
        except InvalidKeyIdError:  # the provider may have rotated its keys
            return jwt.decode(text, self._keys.get(anew=True), registry=registry)

    def _read_description(self) -> Mapping[str, Any]:
        answer = self._http.get(get_well_known_url(self._issuer, external=True))
        if not answer.is_ok:
            raise unavailable(f"its metadata cannot be read: status {answer.status}")
        if answer.body.get("issuer") != self._issuer:
            raise unavailable("its metadata names a different issuer than SERVICE_SERVER_OIDC_ISSUER")
        return answer.body

    def _read_keys(self) -> KeySet:
        answer = self._http.get(self._http.check_address(self._description.get().get("jwks_uri")))
        published = answer.body.get("keys")
        keys = [key for each in published if (key := _usable(each))] if isinstance(published, list) else []
        if not keys:
            raise unavailable("it has no usable keys")
        return KeySet(keys)


class _Kept(Generic[T]):
    """A document of the provider, fetched on demand and cached for some minutes.

    No thread waits for another's request. Threads that need a missing document fetch it at the same time.
    A document that is too old is fetched by one thread, while the others use the old copy.
    """

    def __init__(self, read: Callable[[], T], clock: Clock) -> None:
        self._read = read
        self._monotonic = clock.monotonic
        self._kept: tuple[float, T] | None = None
        self._renewal = Lock()

    def get(self, *, anew: bool = False) -> T:
        """Return the document; fetch it if it is missing or too old, or if `anew` is set."""
        kept = self._kept
        if kept is None or anew:
            return self._fetch()
        is_old = self._monotonic() - kept[0] >= _KEPT_S
        if is_old and self._renewal.acquire(blocking=False):
            try:
                return self._fetch()
            finally:
                self._renewal.release()
        return kept[1]

    def _fetch(self) -> T:
        fetched = self._kept = self._monotonic(), self._read()
        return fetched[1]


def _usable(published: Any) -> Key | None:  # noqa: ANN401 - any JSON
    """Read a published key; return None for one that is not understood, which is ignored (RFC 7517, 5)."""
    try:
        return JWKRegistry.import_key(published)
    except (JoseError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _name(claims: Mapping[str, Any]) -> str:
    """Return the display name. An email address that is marked as unverified is not used."""
    names = _NAMES if claims.get("email_verified") is not False else _NAMES[1:]
    found = (claims.get(name) for name in names)
    text = next((value for value in found if isinstance(value, str) and value.strip()), claims["sub"])
    return "".join(char if char.isprintable() else "\ufffd" for char in str(text))[:255]


def _fault_of(error: Exception) -> str:
    """Return the library's short description of a token's error."""
    return str(getattr(error, "claim", None) or getattr(error, "error", None) or "it cannot be parsed")
