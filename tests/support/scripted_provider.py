"""An identity provider on a thread, whose responses tests can falsify; joserfc signs its tokens."""

import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from joserfc.util import urlsafe_b64encode

CLIENT_ID, CLIENT_SECRET = "dashboard", "a client's secret"


@dataclass
class ScriptedProvider:
    """Issues codes and tokens like a real provider, with a test's changes.

    Attributes:
        user: The claims of the user who signs in.
        description: Changes to the provider's metadata.
        token_claims: Changes to the claims of ID tokens; None omits a claim.
        token_header: Changes to the headers of ID tokens.
        signing_key: The key of the signatures.
        published: The keys in the provider's key set.
        foreign_keys: Further members of the key set.
        status: The status code of every response.
        requests: The requested paths.
    """

    address: str
    signing_key: RSAKey
    published: list[RSAKey]
    foreign_keys: list[Any] = field(default_factory=list)
    user: dict[str, Any] = field(default_factory=lambda: {"sub": "1", "email": "one@example.com"})
    description: dict[str, Any] = field(default_factory=dict)
    token_claims: dict[str, Any] = field(default_factory=dict)
    token_header: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    status: int = 200
    requests: list[str] = field(default_factory=list)
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def rotate(self) -> None:
        """Sign with a new key, and publish it instead of the old one."""
        self.signing_key = new_key()
        self.published = [self.signing_key]

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Sign the user in, and return the URL to which the user is redirected."""
        code = sha256(repr(sorted(asked.items())).encode()).hexdigest()
        self.codes[code] = asked
        given = {"code": code, "state": asked["state"], **self.answer}
        return f"{asked['redirect_uri']}?{urlencode(given)}"

    def id_token(self, asked: Mapping[str, str]) -> str:
        """Return an ID token for a sign-in."""
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.user,
            **self.token_claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.signing_key.kid, **self.token_header}
        if header["alg"] in {"none", "HS256"}:
            return self._forged(header, claims)
        return jwt.encode(header, claims, self.signing_key, [header["alg"]])

    def _forged(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return a token without a signature, or signed with the public key as the secret."""
        signed = b".".join(urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims))
        secret = self.signing_key.as_pem(private=False)
        signature = b"" if header["alg"] == "none" else hmac.new(secret, signed, sha256).digest()
        return b".".join([signed, urlsafe_b64encode(signature)]).decode()

    def answer_to(self, method: str, path: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the JSON of a response."""
        self.requests.append(f"{method} {path}")
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
                **self.description,
            }
        if path == "/keys":
            return {"keys": [*self.foreign_keys, *KeySet(list(self.published)).as_dict()["keys"]]}
        asked = self.codes.pop(form.get("code", ""), None)
        if (
            asked is None
            or create_s256_code_challenge(form.get("code_verifier", "")) != asked["code_challenge"]
        ):
            self.status = 400
            return {"error": "invalid_grant"}
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self.id_token(asked)}


def new_key() -> RSAKey:
    """Return a key for the provider, named by its thumbprint."""
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


@cache
def _first_key() -> RSAKey:
    """Return the key with which each provider begins: to make one takes longer than a sign-in."""
    return new_key()


@contextmanager
def scripted_provider() -> Iterator[ScriptedProvider]:
    """Serve a provider until the context ends."""
    key = _first_key()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
            if path == "/authorize":
                provider.requests.append("GET /authorize")
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._answer(provider.answer_to("GET", path, {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(provider.answer_to("POST", self.path, dict(parse_qsl(body.decode()))))

        def _answer(self, content: Mapping[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(provider.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = ScriptedProvider(f"http://127.0.0.1:{server.server_port}", key, [key])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
