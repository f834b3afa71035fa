"""Sign-in at an identity provider with OpenID Connect."""
