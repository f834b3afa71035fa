# syntax=docker/dockerfile:1
# The images of the service (docs/images.md): docker build --target api|worker|runner .
# To use another Debian 13 base: --build-arg BASE=... Python packages are installed from requirements.lock, with hashes.
ARG BASE=debian:trixie-20260918-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

# Common to all images: Python, the CA certificates and the user.
FROM ${BASE} AS base
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/service-server service-server
# The service listens on all interfaces, so it starts only if SERVICE_SERVER_AUTH is set: keys, or off to admit everyone.
# Container engines kill after 10 s by default. Programs get 3 s to end, which leaves 7 s to requeue the others.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SERVER_HOST=0.0.0.0 \
    SERVICE_SERVER_DATA_DIR=/var/lib/service-server \
    SERVICE_SERVER_DRAIN_S=3
LABEL org.opencontainers.image.title="Service Server" \
    org.opencontainers.image.description="A code-execution service: upload code, run it, read its result and its log" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
WORKDIR /var/lib/service-server
VOLUME /var/lib/service-server
STOPSIGNAL SIGTERM

FROM base AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
# Use the CA certificates of the base image, which can include the CA of a network that inspects TLS.
ENV UV_SYSTEM_CERTS=true
WORKDIR /src
COPY requirements-build.lock requirements.lock ./
RUN python3 -m venv /uv \
    && /uv/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && /uv/bin/uv venv --no-cache --python /usr/bin/python3 /app \
    && /uv/bin/uv pip install --python /app --no-cache --compile-bytecode --require-hashes -r requirements.lock
COPY . .
RUN /uv/bin/uv pip install --python /app --no-cache --compile-bytecode --no-deps \
        --build-constraints requirements-build.lock . \
    && find /app -type d \( -name tests -o -name test \) -prune -exec rm -r {} +
# The CA certificates of Amazon RDS, which are in no system's store. The bundle grows with each region, so no hash is
# pinned; it is fetched over TLS. To build offline, put the file here: --build-arg RDS_CERTIFICATES=global-bundle.pem
ARG RDS_CERTIFICATES=https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
ADD ${RDS_CERTIFICATES} /certificates/global-bundle.pem
RUN chmod 444 /certificates/global-bundle.pem

# Serves the API and needs no privileges. Programs run in workers or on HTTP runners.
FROM base AS api
COPY --from=build /certificates /etc/ssl/rds
COPY --from=build /app /app
# Version labels for scanners and registries: --build-arg VERSION=... --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health"]
CMD ["service-server", "serve"]

# Runs programs in sandboxes, which need the privileges in docs/hosts.md. Languages are installed from Debian packages.
FROM base AS languages
ARG LANGUAGES="nodejs default-jdk-headless"
# Only jlink needs the jmods. The Java packages fail to install without the man1 directory, which slim images lack.
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap ${LANGUAGES} \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/lib/jvm/*/jmods

FROM languages AS worker
COPY --from=build /certificates /etc/ssl/rds
COPY --from=build /app /app
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
# Serves the worker's health and metrics.
ENV SERVICE_SERVER_METRICS_PORT=9464
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health", "--worker"]
CMD ["service-server", "worker"]

# Runs programs in the same sandboxes for services whose EXECUTION_ENGINE_BASE_URL points to it (docs/runner.md).
FROM worker AS runner
ENV SERVER_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health"]
CMD ["service-server", "runner"]
