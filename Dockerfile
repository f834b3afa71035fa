# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements-build.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && uv venv /app \
    && uv pip install --python /app --no-cache --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --python /app --no-cache --no-deps --build-constraints requirements-build.lock .

FROM python:3.13-slim-bookworm
# The languages of the local engine. A service whose programs run elsewhere (EXECUTION_ENGINE_BASE_URL) needs none.
ARG LANGUAGES="bubblewrap nodejs default-jdk-headless python3"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ${LANGUAGES} \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/service-server service-server
COPY --from=build /app /app
# It listens to others, so it starts only with SERVICE_SERVER_AUTH: keys, or off to let all in who reach it.
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SERVER_HOST=0.0.0.0 \
    SERVICE_SERVER_DATA_DIR=/var/lib/service-server
USER service-server
WORKDIR /var/lib/service-server
VOLUME /var/lib/service-server
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=3)"]
CMD ["service-server", "serve"]
