# syntax=docker/dockerfile:1
# The images of the service (docs/images.md): docker build --target api|worker|runner .
# Another base that is Debian 13: --build-arg BASE=... Python packages are those of requirements.lock, by their hashes.
ARG BASE=debian:trixie-20260918-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

# What all have: Python, the authorities of TLS, and the user.
FROM ${BASE} AS base
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/service-server service-server
# It listens to others, so it starts only with SERVICE_SERVER_AUTH: keys, or off to let all in who reach it.
# A container engine waits 10 s by default before it kills: 3 s for programs to end leave 7 to requeue the others.
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
# The authorities of the base, which may have more: a network may be one that inspects TLS.
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
# The authorities of Amazon RDS, which no system's store has. They grow with each region, so they have no fixed hash;
# they come over TLS. Elsewhere, or offline: a file of the tree, --build-arg RDS_CERTIFICATES=global-bundle.pem
ARG RDS_CERTIFICATES=https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
ADD ${RDS_CERTIFICATES} /certificates/global-bundle.pem
RUN chmod 444 /certificates/global-bundle.pem

# Serves the API, and needs no privileges. Programs run in workers, or on HTTP runners.
FROM base AS api
COPY --from=build /certificates /etc/ssl/rds
COPY --from=build /app /app
# Names the image for scanners and registries: --build-arg VERSION=... --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health"]
CMD ["service-server", "serve"]

# Runs programs, in sandboxes that take the privileges of docs/hosts.md. Languages are Debian's packages.
FROM base AS languages
ARG LANGUAGES="nodejs default-jdk-headless"
# jmods are what jlink makes runtimes of. Java's packages fail without the directory, which slim images lack.
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
# Its health and its metrics.
ENV SERVICE_SERVER_METRICS_PORT=9464
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health", "--worker"]
CMD ["service-server", "worker"]

# Runs programs in the same sandboxes for services that name it by EXECUTION_ENGINE_BASE_URL (docs/runner.md).
FROM worker AS runner
ENV SERVER_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["service-server", "health"]
CMD ["service-server", "runner"]
