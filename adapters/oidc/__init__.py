"""The identity provider, by OpenID Connect."""
